"""Strategic merge patches of the core kinds: maps by key, lists by their merge key where the schema names one.

Source: k8s.io/apimachinery pkg/util/strategicpatch. Which lists merge stands in the schema of the kind
(`x-kubernetes-list-type` map: by `x-kubernetes-list-map-keys`; set: values); any other list is replaced.
"""

from __future__ import annotations

import copy
from typing import Any

from modelyard.serving.api.errors import bad_request

Object = dict[str, Any]

DIRECTIVE = "$patch"
DELETE_VALUES = "$deleteFromPrimitiveList/"
ORDER = "$setElementOrder/"
RETAIN = "$retainKeys"


def strategic_merge(target: Object, patch: Object, schema: Object) -> Object:
    """A new object: the target with the patch merged in; null removes, `$patch: delete` and `replace` are honoured.

    Raises:
        ApiError: 400, a directive or an item of a list has not the form that it must have.
    """
    directive = patch.get(DIRECTIVE)
    if directive == "delete":
        return {}
    if directive == "replace":
        return copy.deepcopy({key: value for key, value in patch.items() if key != DIRECTIVE})
    if directive is not None:
        raise bad_request(f"error decoding patch: unknown $patch type: {directive}")
    merged = _retained(dict(target), patch)
    for key, value in patch.items():
        if key.startswith(DELETE_VALUES):
            name = key.removeprefix(DELETE_VALUES)
            merged[name] = [item for item in _listed(merged.get(name)) if item not in _listed(value)]
    for key, value in patch.items():
        if key.startswith("$"):
            continue
        if value is None:
            merged.pop(key, None)
            continue
        merged[key] = _merged(merged.get(key), value, _inner(schema, key), patch.get(ORDER + key))
    return merged


def _merged(held: Any, value: Any, schema: Object, order: Any) -> Any:
    if isinstance(value, dict):
        # An atomic map is atomic for server-side apply only; strategic merge goes into it.
        return strategic_merge(held if isinstance(held, dict) else {}, value, schema)
    if isinstance(value, list) and schema.get("x-kubernetes-list-type") in ("map", "set"):
        keys = schema.get("x-kubernetes-list-map-keys")
        return _by_key(_listed(held), value, keys[0], schema, order) if keys else _union(_listed(held), value)
    return copy.deepcopy(value)


def _by_key(held: list[Any], items: list[Any], key: str, schema: Object, order: Any) -> list[Any]:
    if {DIRECTIVE: "replace"} in items:
        return [copy.deepcopy(item) for item in items if item != {DIRECTIVE: "replace"}]
    found = {item.get(key): item for item in held if isinstance(item, dict)}
    for item in items:
        if not isinstance(item, dict) or not isinstance(item.get(key), str):
            raise bad_request(f"error decoding patch: map: {item!r} does not contain declared merge key: {key}")
        if item.get(DIRECTIVE) == "delete":
            found.pop(item[key], None)
        else:
            found[item[key]] = strategic_merge(found.get(item[key], {}), item, schema.get("items", {}))
    wanted = [item.get(key) for item in _listed(order) if isinstance(item, dict)]
    first = [found[name] for name in wanted if name in found]
    return first + [item for name, item in found.items() if name not in wanted]


def _union(held: list[Any], items: list[Any]) -> list[Any]:
    return held + [copy.deepcopy(item) for item in items if item not in held]


def _retained(merged: Object, patch: Object) -> Object:
    kept = patch.get(RETAIN)
    if kept is None:
        return merged
    if not isinstance(kept, list):
        raise bad_request("error decoding patch: $retainKeys must be a list")
    return {key: value for key, value in merged.items() if key in kept}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _inner(schema: Object, key: str) -> Object:
    others = schema.get("additionalProperties")
    return schema.get("properties", {}).get(key) or (others if isinstance(others, dict) else {})
