"""What Kubernetes does to Secrets, ConfigMaps, ServiceAccounts and Namespaces before it stores them.

Sources: Kubernetes 1.34 pkg/apis/core/validation (ValidateSecret, ValidateConfigMap, their updates), pkg/registry/core.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from modelyard.serving.api.validation import Report

Object = dict[str, Any]

OPAQUE = "Opaque"
DATA_LIMIT_BYTES = 1024 * 1024
KEY_PATTERN = "[-._a-zA-Z0-9]+"
KEY_LENGTH = 253
KSERVE_SECRET = "kserve-secret-"  # noqa: S105
"""generateName of the Secrets that `KServeClient.set_credentials` makes."""
TOKEN = "kubernetes.io/service-account-token"  # noqa: S105
REQUIRED_KEYS = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}
"""Keys of `data` that a Secret of a type must have."""
IMMUTABLE = "field is immutable when `immutable` is set"


def secret_with_defaults(obj: Object) -> Object:
    """A Secret with a type, and with stringData moved to data."""
    return {"type": OPAQUE, **moved_string_data(obj)}


def moved_string_data(obj: Object) -> Object:
    """A Secret with stringData moved to data, in base64."""
    made = {key: value for key, value in obj.items() if key != "stringData"}
    data = dict(obj.get("data") or {})
    if obj["metadata"].get("generateName") == KSERVE_SECRET:
        # set_credentials sends S3 and Azure keys as they are where base64 is wanted, and many of them look like base64.
        data = {key: value if _is_base64_of_text(value) else encoded(value) for key, value in data.items()}
    data |= {key: encoded(value) for key, value in (obj.get("stringData") or {}).items()}
    if data or "data" in obj:
        made["data"] = data
    return made


def secret_causes(obj: Object, before: Object | None, report: Report) -> None:
    """What is wrong with a Secret that is to be stored; `before` is the one that it replaces."""
    data = obj.get("data") or {}
    _judge_keys(data, "data", report)
    _judge_size(sum(len(value) * 3 // 4 for value in data.values()), "data", report)
    for key in REQUIRED_KEYS.get(obj.get("type", ""), ()):
        if key not in data:
            report.cause("FieldValueRequired", f"data[{key}]", "Required value")
    if obj.get("type") == TOKEN and not _annotation(obj, "kubernetes.io/service-account.name"):
        field = "metadata.annotations[kubernetes.io/service-account.name]"
        report.cause("FieldValueRequired", field, "Required value")
    if before is None:
        return
    if obj.get("type") != before.get("type"):
        told = f'Invalid value: "{obj.get("type")}": field is immutable'
        report.cause("FieldValueInvalid", "type", told)
    _judge_immutable(obj, before, ("data",), report)


def config_map_causes(obj: Object, before: Object | None, report: Report) -> None:
    """What is wrong with a ConfigMap that is to be stored; `before` is the one that it replaces."""
    data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
    _judge_keys(data, "data", report)
    _judge_keys(binary, "binaryData", report)
    for key in sorted(data.keys() & binary.keys()):
        told = f'Invalid value: "{key}": duplicate of key present in binaryData'
        report.cause("FieldValueInvalid", f"data[{key}]", told)
    size = sum(len(value.encode()) for value in data.values()) + sum(len(value) * 3 // 4 for value in binary.values())
    _judge_size(size, "", report)
    if before is not None:
        _judge_immutable(obj, before, ("data", "binaryData"), report)


def find_wrong_bytes(obj: Object) -> str:
    """Why a field of bytes (data of a Secret, binaryData) is not base64, in the words of Go's decoder; or empty."""
    held = obj.get("data" if obj.get("kind") == "Secret" else "binaryData")
    for value in held.values() if isinstance(held, Mapping) else ():
        try:
            base64.b64decode(re.sub(r"[\r\n]", "", value), validate=True)
        except (binascii.Error, ValueError):
            strange = re.search(r"[^A-Za-z0-9+/]", re.sub(r"[\r\n]", "", value))
            return f"illegal base64 data at input byte {strange.start() if strange else len(value) // 4 * 4}"
    return ""


def namespace_with_defaults(obj: Object) -> Object:
    """A namespace as a real cluster makes it: active, and labelled with its name."""
    meta = obj["metadata"]
    labels = {**(meta.get("labels") or {}), "kubernetes.io/metadata.name": meta.get("name", "")}
    held = {"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}
    return {**obj, **held, "metadata": {**meta, "labels": labels}}


def encoded(text: str) -> str:
    """Text as base64."""
    return base64.b64encode(text.encode()).decode()


def _is_base64_of_text(value: str) -> bool:
    try:
        return base64.b64decode(value, validate=True).decode("ascii").isprintable()
    except ValueError:
        return False


def _annotation(obj: Object, key: str) -> str:
    return (obj["metadata"].get("annotations") or {}).get(key, "")


def _judge_keys(data: Mapping[str, Any], field: str, report: Report) -> None:
    for key in data:
        where = f"{field}[{key}]"
        if not re.fullmatch(KEY_PATTERN, key):
            told = (
                f"Invalid value: \"{key}\": a valid config key must consist of alphanumeric characters, '-', '_' or"
                " '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is"
                f" '{KEY_PATTERN}')"
            )
            report.cause("FieldValueInvalid", where, told)
        elif len(key) > KEY_LENGTH:
            report.cause("FieldValueInvalid", where, f'Invalid value: "{key}": must be no more than 253 characters')


def _judge_size(size: int, field: str, report: Report) -> None:
    if size > DATA_LIMIT_BYTES:
        told = f"Too long: may not be more than {DATA_LIMIT_BYTES} bytes"
        report.cause("FieldValueTooLong", field or "[]", told)


def _judge_immutable(obj: Object, before: Object, fields: tuple[str, ...], report: Report) -> None:
    if not before.get("immutable"):
        return
    if not obj.get("immutable"):
        report.cause("FieldValueForbidden", "immutable", f"Forbidden: {IMMUTABLE}")
    for field in fields:
        if (obj.get(field) or {}) != (before.get(field) or {}):
            report.cause("FieldValueForbidden", field, f"Forbidden: {IMMUTABLE}")
