"""What names, labels, annotations and finalizers may be, in Kubernetes' words.

Source: k8s.io/apimachinery pkg/api/validation/objectmeta.go and pkg/util/validation/validation.go (1.34).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from modelyard.serving.api.validation import Report

Object = dict[str, Any]

LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN = rf"{LABEL}(\.{LABEL})*"
NAME_PART = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
LABEL_VALUE = f"({NAME_PART})?"
ANNOTATIONS_LIMIT_BYTES = 256 * 1024
_ENDS = "and must start and end with an alphanumeric character"


def metadata_causes(meta: Object, report: Report, *, name_is_label: bool = False) -> None:
    """What is wrong with an object's metadata; `name_is_label` allows no dots in its name."""
    _judge_name(meta, report, name_is_label=name_is_label)
    for key, value in (meta.get("labels") or {}).items():
        for problem in (*_key_problems(key), *_label_value_problems(value)):
            report.cause("FieldValueInvalid", "metadata.labels", problem)
    annotations = meta.get("annotations") or {}
    for key in annotations:
        for problem in _key_problems(key):
            report.cause("FieldValueInvalid", "metadata.annotations", problem)
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > ANNOTATIONS_LIMIT_BYTES:
        told = f"Too long: may not be more than {ANNOTATIONS_LIMIT_BYTES} bytes"
        report.cause("FieldValueTooLong", "metadata.annotations", told)
    for index, finalizer in enumerate(meta.get("finalizers") or []):
        for problem in _key_problems(finalizer):
            report.cause("FieldValueInvalid", f"metadata.finalizers[{index}]", problem)
    for index, owner in enumerate(meta.get("ownerReferences") or []):
        for key in ("apiVersion", "kind", "name", "uid"):
            if key in owner and not owner[key]:
                told = 'Invalid value: "": must not be empty'
                report.cause("FieldValueInvalid", f"metadata.ownerReferences[{index}].{key}", told)


def _judge_name(meta: Object, report: Report, *, name_is_label: bool) -> None:
    name = meta.get("name", "")
    if not name:
        report.cause("FieldValueRequired", "metadata.name", "Required value: name or generateName is required")
        return
    for problem in _label_problems(name) if name_is_label else _subdomain_problems(name):
        report.cause("FieldValueInvalid", "metadata.name", problem)


def _subdomain_problems(value: str) -> Iterator[str]:
    if len(value) > 253:
        yield f'Invalid value: "{value}": must be no more than 253 characters'
    if not re.fullmatch(SUBDOMAIN, value):
        yield (
            f'Invalid value: "{value}": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric'
            f" characters, '-' or '.', {_ENDS} (e.g. 'example.com', regex used for validation is '{SUBDOMAIN}')"
        )


def _label_problems(value: str) -> Iterator[str]:
    if len(value) > 63:
        yield f'Invalid value: "{value}": must be no more than 63 characters'
    if not re.fullmatch(LABEL, value):
        yield (
            f'Invalid value: "{value}": a lowercase RFC 1123 label must consist of lower case alphanumeric characters'
            f" or '-', {_ENDS} (e.g. 'my-name',  or '123-abc', regex used for validation is '{LABEL}')"
        )


def _key_problems(key: str) -> Iterator[str]:
    """Problems of a qualified name: an optional prefix, which is a domain, and a name part."""
    prefix, slash, name = key.rpartition("/")
    if slash and (not prefix or "/" in prefix or len(prefix) > 253 or not re.fullmatch(SUBDOMAIN, prefix)):
        yield (
            f'Invalid value: "{key}": prefix part a lowercase RFC 1123 subdomain must consist of lower case'
            f" alphanumeric characters, '-' or '.', {_ENDS} (e.g. 'example.com', regex used for validation is"
            f" '{SUBDOMAIN}')"
        )
    if len(name) > 63:
        yield f'Invalid value: "{key}": name part must be no more than 63 bytes'
    if not re.fullmatch(NAME_PART, name):
        yield (
            f"Invalid value: \"{key}\": name part must consist of alphanumeric characters, '-', '_' or '.', {_ENDS}"
            f" (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{NAME_PART}')"
        )


def _label_value_problems(value: str) -> Iterator[str]:
    if len(value) > 63:
        yield f'Invalid value: "{value}": must be no more than 63 bytes'
    if not re.fullmatch(LABEL_VALUE, value):
        yield (
            f'Invalid value: "{value}": a valid label must be an empty string or consist of alphanumeric characters,'
            f" '-', '_' or '.', {_ENDS} (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is"
            f" '{LABEL_VALUE}')"
        )
