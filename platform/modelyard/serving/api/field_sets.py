"""Structured merge: what a value holds, how two differ, how one is laid over another; as sets of paths of fields.

A path is a tuple of elements as FieldsV1 writes them: `f:NAME` a field, `k:{"name":"a"}` an item of a list by its keys,
`v:"a"` an item of a set. Whether a list or map is one leaf or is gone into says its schema (x-kubernetes-list-type,
x-kubernetes-map-type); a list that says nothing is a leaf.

Source: sigs.k8s.io/structured-merge-diff v6, typed (ToFieldSet, Compare, Merge, RemoveItems) and fieldpath.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from modelyard.serving.api.errors import bad_request

Object = dict[str, Any]
Path = tuple[str, ...]
Paths = frozenset[Path]

ABSENT: Any = object()
MEMBER = "."
"""FieldsV1's mark of a path that is in the set beside paths below it."""


@dataclass
class Difference:
    """Paths by what became of them; a map or list that comes or goes is itself among them."""

    added: set[Path] = field(default_factory=set)
    removed: set[Path] = field(default_factory=set)
    modified: set[Path] = field(default_factory=set)


def encode(paths: Iterable[Path]) -> Object:
    """The set as FieldsV1."""
    root: Object = {}
    for path in sorted(paths):
        node = root
        for element in path:
            node = node.setdefault(element, {})
        node[MEMBER] = {}
    return _without_marks(root)


def decode(fields: Any, prefix: Path = ()) -> Paths:
    """The set of a FieldsV1; what is no such thing is empty."""
    return frozenset(_decoded(fields, prefix)) if isinstance(fields, dict) else frozenset()


def told(path: Path) -> str:
    """A path as messages have it: `.spec.items[name="a"].value`."""
    parts = []
    for element in path:
        kind, rest = element[:1], element[2:]
        if kind == "f":
            parts.append(f".{rest}")
        elif kind == "k":
            keys = orjson.loads(rest)
            parts.append("[" + ",".join(f"{key}={_quoted(keys[key])}" for key in sorted(keys)) + "]")
        else:
            parts.append(f"[={rest}]")
    return "".join(parts)


def paths_of(value: Any, schema: Object, path: Path = ()) -> Iterator[Path]:
    """Paths that somebody who applies the value owns: its leaves, and every item of a list or of a map with free keys.

    Raises:
        ApiError: 400, an item of a list has not the keys by which such items are told apart.
    """
    items = _children(value, schema)
    if items is None:
        yield path
        return
    if items is UNKEYED:
        key = ", ".join(f'"{name}"' for name in schema["x-kubernetes-list-map-keys"])
        message = (
            f"associative list with keys has an element that omits key field {key} (and doesn't have default value)"
        )
        raise bad_request(f"failed to create typed patch object: {told(path)}: {message}")
    known = schema.get("properties", {})
    for element, (item, inner) in items.items():
        below = (*path, element)
        is_declared = element[:2] == "f:" and element[2:] in known
        if not is_declared or item in ({}, None):
            yield below
        yield from (found for found in paths_of(item, inner, below) if found != below or is_declared)


def compare(old: Any, new: Any, schema: Object, path: Path = (), out: Difference | None = None) -> Difference:
    """How `new` differs from `old`; either may be ABSENT."""
    out = Difference() if out is None else out
    old, new = (ABSENT if value is None else value for value in (old, new))
    before, after = (_entered(value, schema) for value in (old, new))
    if before is None or after is None or not (before or after):
        _compare_leaves(old, new, path, out)
        return out
    for element in {**before, **after}:
        inner = (after.get(element) or before[element])[1]
        held, wanted = before.get(element, (ABSENT,))[0], after.get(element, (ABSENT,))[0]
        compare(held, wanted, inner, (*path, element), out)
    if old is ABSENT:
        out.added.add(path)
    elif new is ABSENT:
        out.removed.add(path)
    return out


def laid_over(held: Any, applied: Any, schema: Object) -> Any:
    """`applied` merged into `held`: maps by key, lists with keys item by item, leaves replaced; a new value."""
    before, after = _children(held, schema), _children(applied, schema)
    if not isinstance(before, dict) or not isinstance(after, dict) or type(held) is not type(applied):
        return copy.deepcopy(applied)
    made = {
        element: laid_over(before[element][0], after[element][0], after[element][1])
        if element in before and element in after
        else (after.get(element) or before[element])[0]
        for element in {**before, **after}
    }
    if isinstance(applied, dict):
        return {element[2:]: value for element, value in made.items()}
    return list(made.values())


def without(value: Any, doomed: Paths, schema: Object, path: Path = ()) -> Any:
    """The value without the paths and what is below them; a new value where something goes."""
    items = _children(value, schema)
    if not isinstance(items, dict):
        return value
    kept = {
        element: without(item, doomed, inner, (*path, element))
        for element, (item, inner) in items.items()
        if (*path, element) not in doomed
    }
    return {element[2:]: item for element, item in kept.items()} if isinstance(value, dict) else list(kept.values())


UNKEYED: Any = object()
"""Told of a list whose items should be told apart by keys that one of them lacks."""


def _children(value: Any, schema: Object) -> dict[str, tuple[Any, Object]] | None:
    """(value, schema) by path element; None for a leaf, UNKEYED for a list that cannot be gone into."""
    if isinstance(value, dict):
        return None if schema.get("x-kubernetes-map-type") == "atomic" else _fields(value, schema)
    kind = schema.get("x-kubernetes-list-type")
    if not isinstance(value, list) or kind not in ("map", "set"):
        return None
    inner = schema.get("items", {})
    if kind == "set":
        return {f"v:{_compact(item)}": (item, inner) for item in value}
    keyed = {}
    for item in value:
        keys = _keys(item, schema["x-kubernetes-list-map-keys"], inner)
        if keys is None:
            return UNKEYED
        keyed[f"k:{_compact(keys)}"] = (item, inner)
    return keyed


def _entered(value: Any, schema: Object) -> dict[str, tuple[Any, Object]] | None:
    """As `_children`, of a value that may be absent: nothing is in it then."""
    found = {} if value is ABSENT else _children(value, schema)
    return None if found is UNKEYED else found


def _fields(value: Object, schema: Object) -> dict[str, tuple[Any, Object]]:
    known, others = schema.get("properties", {}), schema.get("additionalProperties")
    free = others if isinstance(others, dict) else {}
    return {f"f:{key}": (item, known.get(key, free)) for key, item in value.items()}


def _keys(item: Any, names: list[str], schema: Object) -> Object | None:
    if not isinstance(item, dict):
        return None
    known = schema.get("properties", {})
    found = {name: item.get(name, known.get(name, {}).get("default")) for name in sorted(names)}
    return None if None in found.values() else found


def _compare_leaves(old: Any, new: Any, path: Path, out: Difference) -> None:
    if old is ABSENT and new is ABSENT:
        return
    if old is ABSENT:
        out.added.add(path)
    elif new is ABSENT:
        out.removed.add(path)
    elif _compact(old) != _compact(new):
        out.modified.add(path)


def _without_marks(node: Object) -> Object:
    """Marks are left out where nothing is below: `{}` is enough there."""
    if set(node) == {MEMBER}:
        return {}
    return {key: value if key == MEMBER else _without_marks(value) for key, value in node.items()}


def _decoded(node: Object, path: Path) -> Iterator[Path]:
    if not node and path:
        yield path
    for element, below in node.items():
        if element == MEMBER:
            yield path
        elif isinstance(below, dict) and element[:2] in ("f:", "k:", "v:", "i:"):
            yield from _decoded(below, (*path, element))


def _compact(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _quoted(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else _compact(value)
