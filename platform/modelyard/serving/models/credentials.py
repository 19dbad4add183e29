"""S3 credentials and headers for a download, from Secrets and service accounts as KServe reads them. Nothing is kept.

Sources: kserve v0.20.0, pkg/credentials (service_account_credentials.go, s3/utils.go, https/https_secret.go) and
python/storage for the variables that the storage initializer reads.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from modelyard.serving.models.sources import HEADERS_SUFFIX
from modelyard.serving.spec.replicas import UNKNOWN_SCHEME, model_of, uri_of
from modelyard.serving.spec.unserved import ON_A_CLUSTER, Refusal

if TYPE_CHECKING:
    from modelyard.serving.controller.revisions import Revision

Object = dict[str, Any]
Find = Callable[[str, str], Object | None]
"""Finds an object of the revision's namespace: resource ("secrets", "serviceaccounts"), name."""

GROUP = "serving.kserve.io/"
FROM_ANNOTATIONS = {
    "S3_VERIFY_SSL": "s3-verifyssl",
    "awsAnonymousCredential": "s3-useanoncredential",
    "AWS_DEFAULT_REGION": "s3-region",
    "S3_USER_VIRTUAL_BUCKET": "s3-usevirtualbucket",
    "S3_USE_ACCELERATE": "s3-useaccelerate",
    "AWS_CA_BUNDLE": "s3-cabundle",
}
"""Variables that an annotation gives, else an entry of the Secret with the variable's name."""
KEY_NAMES = {
    "AWS_ACCESS_KEY_ID": ("AWS_ACCESS_KEY_ID", "awsAccessKeyID"),
    "AWS_SECRET_ACCESS_KEY": ("AWS_SECRET_ACCESS_KEY", "awsSecretAccessKey"),
}
"""Entries of the Secret: the names that KServe's ConfigMap ships, then those of its code."""
FROM_STORAGE_CONFIG = {
    "AWS_ENDPOINT_URL": "endpoint_url",
    "AWS_ACCESS_KEY_ID": "access_key_id",
    "AWS_SECRET_ACCESS_KEY": "secret_access_key",
    "AWS_DEFAULT_REGION": "region",
    "AWS_CA_BUNDLE": "ca_bundle",
    "S3_VERIFY_SSL": "verify_ssl",
    "awsAnonymousCredential": "anonymous",
}
STORAGE_SECRET = "storage-config"  # noqa: S105 - the name of a Secret
STORAGE_TYPES = ("s3",)


@dataclass(frozen=True)
class Storage:
    """Where a model lies and the variables with which it is fetched; never written down."""

    uri: str
    environment: dict[str, str] = field(default_factory=dict, repr=False)


def storage_environment(service_account: Object | None, secrets: Sequence[Object]) -> dict[str, str]:
    """Variables for the download from a service account's Secrets; a later Secret overrides an earlier one.

    Args:
        service_account: None where there is none: then nothing is known, as in KServe.
        secrets: those of its namespace; only those that the account names count, in its order.
    """
    by_name = {secret["metadata"]["name"]: secret for secret in secrets}
    held: dict[str, str] = {}
    for reference in (service_account or {}).get("secrets") or []:
        if secret := by_name.get(reference.get("name", "")):
            held |= secret_environment(secret)
    return held


def secret_environment(secret: Object) -> dict[str, str]:
    """Variables of one Secret: with a key of S3, those of S3; with a host of https, its headers; else none."""
    entries, annotations = entries_of(secret), secret["metadata"].get("annotations") or {}
    if any(name in entries for name in KEY_NAMES["AWS_SECRET_ACCESS_KEY"]):
        keys = {variable: _first(entries, names) for variable, names in KEY_NAMES.items()}
        return {k: v for k, v in keys.items() if v} | s3_variables(annotations, entries)
    if "https-host" in entries and "headers" in entries:
        return {entries["https-host"] + HEADERS_SUFFIX: entries["headers"]}
    return {}


def s3_variables(annotations: Mapping[str, str], entries: Mapping[str, str]) -> dict[str, str]:
    """Endpoint, region and the rest, from annotations, else from entries; empty ones are left out."""

    def told(variable: str, annotation: str) -> str:
        return annotations.get(GROUP + annotation, entries.get(variable, ""))

    endpoint = told("S3_ENDPOINT", "s3-endpoint").strip()
    held = {variable: told(variable, annotation) for variable, annotation in FROM_ANNOTATIONS.items()}
    if endpoint:
        # A scheme in the endpoint overrides s3-usehttps.
        scheme = "http" if told("S3_USE_HTTPS", "s3-usehttps") == "0" else "https"
        named = endpoint.lower().startswith(("http://", "https://"))
        held["AWS_ENDPOINT_URL"] = endpoint if named else f"{scheme}://{endpoint}"
    return {variable: value for variable, value in held.items() if value}


def entries_of(secret: Object) -> dict[str, str]:
    """The entries of a Secret as text; what is no base64 or no text is left out."""
    held = dict(secret.get("stringData") or {})
    for name, value in (secret.get("data") or {}).items():
        try:
            held.setdefault(name, base64.b64decode(value, validate=True).decode())
        except (binascii.Error, UnicodeDecodeError, TypeError):
            continue
    return held


def decide_storage(revision: Revision, find: Find) -> Storage | Refusal:
    """Where the model of a revision lies, and with which credentials it is fetched.

    Args:
        revision: of a spec that `decide_spec` takes.
        find: looks into the Store.
    """
    model = model_of(revision.predictor) or {}
    if not model.get("storageUri") and model.get("storage"):
        return storage_config(model["storage"], find("secrets", STORAGE_SECRET))
    account = find("serviceaccounts", revision.predictor.get("serviceAccountName") or "default")
    names = [reference.get("name", "") for reference in (account or {}).get("secrets") or []]
    secrets = [secret for name in names if (secret := find("secrets", name))]
    return Storage(uri_of(model), storage_environment(account, secrets))


def storage_config(storage: Object, secret: Object | None) -> Storage | Refusal:
    """`spec.predictor.model.storage`: an entry of the Secret storage-config, overridden by the parameters."""
    entries, parameters = entries_of(secret) if secret else {}, storage.get("parameters") or {}
    key = storage.get("key") or ""
    if key and key not in entries:
        told = f"specified storage key {key} not found in storage secret {STORAGE_SECRET}"
        return Refusal("InvalidPredictorSpec", told)
    fallback = f"default_{parameters['type']}" if parameters.get("type") else "default"
    try:
        held = {**json.loads(entries.get(key or fallback, "{}")), **parameters}
    except (ValueError, TypeError):
        told = f"invalid json encountered in key {key or fallback} of storage secret {STORAGE_SECRET}"
        return Refusal("InvalidPredictorSpec", told)
    kind, bucket = held.get("type", ""), held.get("bucket", "")
    if not kind:
        return Refusal("InvalidPredictorSpec", "unable to determine storage type")
    if kind not in STORAGE_TYPES:
        return Refusal("NeedsCluster", f"storage type {kind} is none of {', '.join(STORAGE_TYPES)}; {ON_A_CLUSTER}")
    if not bucket:
        return Refusal(
            "InvalidPredictorSpec",
            f"format [{kind}] requires a bucket but one wasn't found in storage data or parameters",
        )
    uri = uri_of({"storage": storage}).replace(UNKNOWN_SCHEME, f"{kind}://{bucket}/", 1)
    return Storage(uri, {v: str(held[name]) for v, name in FROM_STORAGE_CONFIG.items() if held.get(name)})


def _first(entries: Mapping[str, str], names: Sequence[str]) -> str:
    return next((entries[name] for name in names if name in entries), "")
