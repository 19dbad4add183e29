"""Schemas of the kinds as data: KServe's for InferenceService, and what every object's metadata may hold."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import orjson

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_TEXTS: Schema = {"type": "object", "additionalProperties": _TEXT}
_ANY: Schema = {"x-kubernetes-preserve-unknown-fields": True}

OBJECT_META: Schema = {
    "type": "object",
    "properties": {
        "annotations": _TEXTS,
        "creationTimestamp": {"type": "string", "format": "date-time"},
        "deletionGracePeriodSeconds": {"type": "integer", "format": "int64"},
        "deletionTimestamp": {"type": "string", "format": "date-time"},
        "finalizers": {"type": "array", "items": _TEXT},
        "generateName": _TEXT,
        "generation": {"type": "integer", "format": "int64"},
        "labels": _TEXTS,
        "managedFields": {"type": "array", "items": _ANY},
        "name": _TEXT,
        "namespace": _TEXT,
        "ownerReferences": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "apiVersion": _TEXT,
                    "blockOwnerDeletion": {"type": "boolean"},
                    "controller": {"type": "boolean"},
                    "kind": _TEXT,
                    "name": _TEXT,
                    "uid": _TEXT,
                },
                "required": ["apiVersion", "kind", "name", "uid"],
            },
        },
        "resourceVersion": _TEXT,
        "selfLink": _TEXT,
        "uid": _TEXT,
    },
}
"""metadata, as k8s.io/apimachinery ObjectMeta has it."""


@cache
def inference_service() -> Schema:
    """The schema of InferenceService v1beta1; read on first use, equal parts shared (0.5 MB instead of 12 MB)."""
    text = resources.files(__name__).joinpath("inferenceservice.json").read_bytes()
    schema = _shared(orjson.loads(text)["schema"], {})
    return {**schema, "properties": {**schema["properties"], "metadata": OBJECT_META}}


def _shared(node: Any, seen: dict[Any, Any]) -> Any:
    """The same tree with equal subtrees as one object, because it is mostly repeated pod specs."""
    if isinstance(node, dict):
        items = {key: _shared(value, seen) for key, value in node.items()}
        return seen.setdefault(("d", *((key, _identity(value)) for key, value in items.items())), items)
    if isinstance(node, list):
        listed = [_shared(value, seen) for value in node]
        return seen.setdefault(("l", *map(_identity, listed)), listed)
    return node


def _identity(value: Any) -> Any:
    return id(value) if isinstance(value, dict | list) else (type(value).__name__, value)
