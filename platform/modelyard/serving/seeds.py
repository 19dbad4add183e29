"""What a yard's API holds from the start: namespaces, S3 credentials as KServe wants them, Knative's settings.

With them the same InferenceService works here and on a cluster, with and without `serviceAccountName`.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

from modelyard.connections import Connections
from modelyard.serving.api.namespaces import ensure_namespace
from modelyard.serving.store import AlreadyExists, NotFound, Store

Object = dict[str, Any]

SYSTEM_NAMESPACES = ("kube-system", "knative-serving")
CREDENTIALS = "s3-credentials"
"""Name of the Secret."""
SERVICE_ACCOUNT = "kserve-service-credentials"
"""The service account that KServe's Python client uses unless it is told another."""
AUTOSCALER = ("knative-serving", "config-autoscaler")


def seed(store: Store, conn: Connections, namespaces: Iterable[str]) -> None:
    """Make what is missing and refresh what has changed; what a person has added stays.

    Args:
        store: the Store of the yard.
        conn: whose credentials and object store the Secrets tell.
        namespaces: those that get credentials; beside `default`.
    """
    for namespace in SYSTEM_NAMESPACES:
        ensure_namespace(store, namespace)
    for namespace in dict.fromkeys(("default", *namespaces)):
        ensure_namespace(store, namespace)
        _keep(store, "secrets", s3_secret(conn, namespace))
        for name in ("default", SERVICE_ACCOUNT):
            _keep_account(store, namespace, name)
    _make(store, "configmaps", _named("ConfigMap", *AUTOSCALER))


def s3_secret(conn: Connections, namespace: str) -> Object:
    """The Secret with the yard's S3 credentials, annotated as KServe's storage initializer reads it."""
    address = conn.address("objectstore")
    scheme, endpoint = address.split("://")
    told = {"s3-endpoint": endpoint, "s3-usehttps": str(int(scheme == "https")), "s3-verifyssl": "0"}
    told["s3-region"] = "us-east-1"
    held = {
        "AWS_ACCESS_KEY_ID": conn.credentials.s3_key_id,
        "AWS_SECRET_ACCESS_KEY": conn.credentials.s3_secret,
    }
    secret = _named("Secret", namespace, CREDENTIALS)
    secret["metadata"]["annotations"] = {f"serving.kserve.io/{key}": value for key, value in told.items()}
    secret["data"] = {key: base64.b64encode(value.encode()).decode() for key, value in held.items()}
    return {**secret, "type": "Opaque"}


def with_secret(account: Object, secret: str) -> Object:
    """The service account with a reference to a Secret, beside those that it has."""
    held = account.get("secrets") or []
    if any(reference.get("name") == secret for reference in held):
        return account
    return {**account, "secrets": [*held, {"name": secret}]}


def _named(kind: str, namespace: str, name: str) -> Object:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}}


def _make(store: Store, resource: str, obj: Object) -> None:
    try:
        store.create(resource, obj)
    except AlreadyExists:
        return


def _keep(store: Store, resource: str, wanted: Object) -> None:
    meta = wanted["metadata"]
    try:
        present = store.get(resource, meta["namespace"], meta["name"])
    except NotFound:
        store.create(resource, wanted)
        return
    annotations = {**(present["metadata"].get("annotations") or {}), **meta["annotations"]}
    made = {**present, **wanted, "metadata": {**present["metadata"], "annotations": annotations}}
    store.replace(resource, made)


def _keep_account(store: Store, namespace: str, name: str) -> None:
    _make(store, "serviceaccounts", _named("ServiceAccount", namespace, name))
    present = store.get("serviceaccounts", namespace, name)
    store.replace("serviceaccounts", with_secret(present, CREDENTIALS))
