"""Schemas of the core kinds that are written: Secret, ServiceAccount, ConfigMap and Namespace, of core/v1.

`x-kubernetes-list-type` and `x-kubernetes-list-map-keys` say how lists are merged, for server-side apply and for
strategic merge patches; a list without them is replaced whole.
"""

from __future__ import annotations

from typing import Any

from modelyard.serving.api.schemas.meta import OBJECT_META

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_TEXTS: Schema = {"type": "object", "additionalProperties": _TEXT}
_BYTES: Schema = {"type": "object", "additionalProperties": {"type": "string", "format": "byte"}}
_REFERENCE: Schema = {
    "type": "object",
    "x-kubernetes-map-type": "atomic",
    "properties": {
        "apiVersion": _TEXT,
        "fieldPath": _TEXT,
        "kind": _TEXT,
        "name": _TEXT,
        "namespace": _TEXT,
        "resourceVersion": _TEXT,
        "uid": _TEXT,
    },
}
_LOCAL_REFERENCE: Schema = {
    "type": "object",
    "x-kubernetes-map-type": "atomic",
    "properties": {"name": {**_TEXT, "default": ""}},
}


def _schema(description: str, **properties: Schema) -> Schema:
    always = {"apiVersion": _TEXT, "kind": _TEXT, "metadata": OBJECT_META}
    return {"type": "object", "description": description, "properties": always | properties}


SECRET = _schema(
    "Secret holds secret data: values of `data` are base64, values of `stringData` are plain and are moved to `data`.",
    data={**_BYTES, "description": "Secret values by key, in base64."},
    stringData={**_TEXTS, "description": "Plain values by key; write-only: they are moved to data."},
    type={**_TEXT, "description": "What the secret is for, such as Opaque or kubernetes.io/dockerconfigjson."},
    immutable={"type": "boolean", "description": "If true, data cannot be changed any more."},
)
CONFIG_MAP = _schema(
    "ConfigMap holds configuration data for pods to consume.",
    data={**_TEXTS, "description": "Text by key."},
    binaryData={**_BYTES, "description": "Bytes by key, in base64."},
    immutable={"type": "boolean", "description": "If true, data cannot be changed any more."},
)
SERVICE_ACCOUNT = _schema(
    "ServiceAccount names the secrets that a predictor may read, such as the credentials of an object store.",
    secrets={
        "type": "array",
        "items": _REFERENCE,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
        "description": "Secrets of this namespace that predictors with this service account may read.",
    },
    imagePullSecrets={"type": "array", "items": _LOCAL_REFERENCE, "x-kubernetes-list-type": "atomic"},
    automountServiceAccountToken={"type": "boolean"},
)
NAMESPACE = _schema(
    "Namespace provides a scope for names.",
    spec={
        "type": "object",
        "properties": {"finalizers": {"type": "array", "items": _TEXT, "x-kubernetes-list-type": "atomic"}},
    },
    status={
        "type": "object",
        "properties": {
            "phase": _TEXT,
            "conditions": {"type": "array", "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
        },
    },
)
CORE: dict[str, Schema] = {
    "secrets": SECRET,
    "configmaps": CONFIG_MAP,
    "serviceaccounts": SERVICE_ACCOUNT,
    "namespaces": NAMESPACE,
}
"""By plural."""
