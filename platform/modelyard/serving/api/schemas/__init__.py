"""Schemas of the kinds as data: KServe's for InferenceService, those of the core kinds, and that of metadata."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import orjson

from modelyard.serving.api.schemas.core import CORE
from modelyard.serving.api.schemas.meta import OBJECT_META

__all__ = ["CORE", "OBJECT_META", "inference_service", "schema_of"]

Schema = dict[str, Any]

_ANY_KIND: Schema = {
    "type": "object",
    "x-kubernetes-preserve-unknown-fields": True,
    "properties": {"metadata": OBJECT_META},
}


def schema_of(plural: str) -> Schema:
    """The schema of a kind by its plural; of a kind without one, that of any object with metadata."""
    return inference_service() if plural == "inferenceservices" else CORE.get(plural, _ANY_KIND)


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
