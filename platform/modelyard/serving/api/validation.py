"""A walk over a value beside its schema: what is unknown, of a wrong type, or not allowed, each with its path.

The schema is that of a CustomResourceDefinition (openAPIV3Schema, structural).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

Object = dict[str, Any]

GO_TYPES = {"int32": "int32", "int64": "int64", "integer": "int64", "number": "float64", "boolean": "bool"}
"""The decoder's names for the types, because clients read its messages."""


@dataclass
class Report:
    """What a walk found.

    `unknown` are paths of fields that the schema does not have; `wrong` are (path, JSON type met, type wanted);
    `causes` are causes of a 422: {reason, message, field}.
    """

    unknown: list[str] = field(default_factory=list)
    wrong: list[tuple[str, str, str]] = field(default_factory=list)
    causes: list[Object] = field(default_factory=list)
    is_partial: bool = False
    """Whether the value is but a part of an object: nothing is missing then, and nothing is filled in."""

    def cause(self, reason: str, path: str, message: str) -> None:
        """Add a cause of a 422."""
        self.causes.append({"reason": reason, "message": message, "field": path})


def inspect(value: Any, schema: Object, path: str, report: Report) -> Any:
    """The value with unknown fields and nulls pruned and the schema's defaults filled in; findings go to the report.

    Defaults are left out where the report says that the value is but a part of an object.
    """
    if schema.get("x-kubernetes-int-or-string"):
        return _scalar(value, schema, path, report, ("string", "number"))
    kind = schema.get("type")
    if kind is None:
        return value
    if kind == "object":
        return _object(value, schema, path, report)
    if kind == "array":
        return _array(value, schema, path, report)
    return _scalar(value, schema, path, report, ("number",) if kind == "integer" else (kind,))


def json_type(value: Any) -> str:
    """The JSON type of a decoded value, as Go's decoder names it."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    names: dict[type, str] = {str: "string", dict: "object", list: "array", type(None): "null"}
    return names.get(type(value), type(value).__name__)


def _object(value: Any, schema: Object, path: str, report: Report) -> Any:
    if not isinstance(value, dict):
        report.wrong.append((path, json_type(value), "object"))
        return value
    known, others = schema.get("properties", {}), schema.get("additionalProperties")
    keeps_all = schema.get("x-kubernetes-preserve-unknown-fields") or not (known or others)
    kept: Object = {}
    for key, item in value.items():
        at = f"{path}.{key}" if path else key
        inner = known.get(key, others if isinstance(others, dict) else None)
        if item is None and not keeps_all:
            continue
        if inner is not None:
            kept[key] = inspect(item, inner, at, report)
        elif keeps_all:
            kept[key] = item
        else:
            report.unknown.append(at)
    _complete(kept, schema, known, path, report)
    return kept


def _complete(kept: Object, schema: Object, known: Object, path: str, report: Report) -> None:
    if report.is_partial:
        return
    for key, inner in known.items():
        if key not in kept and "default" in inner:
            kept[key] = inner["default"]
    for key in schema.get("required", ()):
        if key not in kept:
            report.cause("FieldValueRequired", f"{path}.{key}" if path else key, "Required value")


def _array(value: Any, schema: Object, path: str, report: Report) -> Any:
    if not isinstance(value, list):
        report.wrong.append((path, json_type(value), "array"))
        return value
    inner = schema.get("items", {})
    return [inspect(item, inner, f"{path}[{index}]", report) for index, item in enumerate(value)]


def _scalar(value: Any, schema: Object, path: str, report: Report, allowed: tuple[str, ...]) -> Any:
    found = json_type(value)
    wanted = {"bool" if kind == "boolean" else kind for kind in allowed}
    is_fraction = schema.get("type") == "integer" and isinstance(value, float)
    if found not in wanted or is_fraction:
        kind = schema.get("format") or schema.get("type") or "string"
        told = f"number {value}" if is_fraction else found
        report.wrong.append((path, told, GO_TYPES.get(kind, GO_TYPES.get(str(schema.get("type")), "string"))))
        return value
    _judge_value(value, schema, path, report)
    return value


def _judge_value(value: Any, schema: Object, path: str, report: Report) -> None:
    if "enum" in schema and value not in schema["enum"]:
        listed = ", ".join(f'"{item}"' for item in schema["enum"])
        report.cause("FieldValueNotSupported", path, f"Unsupported value: {_quoted(value)}: supported values: {listed}")
    for bound, is_out in (("minimum", lambda limit: value < limit), ("maximum", lambda limit: value > limit)):
        if bound in schema and is_out(schema[bound]):
            relation = "greater" if bound == "minimum" else "less"
            told = f"should be {relation} than or equal to {schema[bound]}"
            report.cause("FieldValueInvalid", path, f"Invalid value: {value}: {path} in body {told}")
    if "pattern" in schema and isinstance(value, str) and not re.search(schema["pattern"], value):
        told = f"{path} in body should match '{schema['pattern']}'"
        report.cause("FieldValueInvalid", path, f"Invalid value: {_quoted(value)}: {told}")
    if len(str(value)) < schema.get("minLength", 0):
        told = f"{path} in body should be at least {schema['minLength']} chars long"
        report.cause("FieldValueInvalid", path, f"Invalid value: {_quoted(value)}: {told}")


def _quoted(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)
