"""Structured merge: sets of paths, differences, and one value laid over another.

The schemas follow the examples of Kubernetes' documentation of server-side apply: ports by
containerPort and protocol.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.serving.api.errors import ApiError
from modelyard.serving.api.field_sets import compare, decode, encode, laid_over, paths_of, told, without

TEXT = {"type": "string"}
PORTS = {
    "type": "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["containerPort", "protocol"],
    "items": {
        "type": "object",
        "properties": {
            "containerPort": {"type": "integer"},
            "protocol": {"type": "string", "default": "TCP"},
            "name": TEXT,
        },
    },
}
SCHEMA = {
    "type": "object",
    "properties": {
        "labels": {"type": "object", "additionalProperties": TEXT},
        "finalizers": {"type": "array", "x-kubernetes-list-type": "set", "items": TEXT},
        "ports": PORTS,
        "command": {"type": "array", "items": TEXT},
        "selector": {"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": TEXT},
        "spec": {"type": "object", "properties": {"replicas": {"type": "integer"}, "image": TEXT}},
    },
}
KEY = 'k:{"containerPort":80,"protocol":"TCP"}'
TREES = st.recursive(
    st.integers(-3, 3) | st.text("ab", max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=8,
)
EMPTY = "{}"
MAPS = st.dictionaries(st.sampled_from("abcd"), TREES, max_size=4)


def owned(value: dict[str, Any]) -> dict[str, Any]:
    return encode(paths_of(value, SCHEMA))


def test_leaves_are_owned_and_the_structs_around_them_are_not() -> None:
    assert owned({"spec": {"replicas": 1}}) == {"f:spec": {"f:replicas": {}}}


def test_keys_of_a_free_map_are_owned_one_by_one() -> None:
    assert owned({"labels": {"a": "1", "b": "2"}}) == {"f:labels": {"f:a": {}, "f:b": {}}}


def test_an_item_of_a_list_with_keys_is_owned_itself_and_field_by_field() -> None:
    fields = {".": {}, "f:containerPort": {}, "f:name": {}}
    assert owned({"ports": [{"containerPort": 80, "name": "a"}]}) == {"f:ports": {KEY: fields}}


def test_lists_and_maps_that_are_atomic_are_one_leaf() -> None:
    assert owned({"command": ["a"], "selector": {"a": "b"}}) == {"f:command": {}, "f:selector": {}}


def test_items_of_a_set_are_owned_by_value() -> None:
    assert owned({"finalizers": ["a"]}) == {"f:finalizers": {'v:"a"': {}}}


def test_an_empty_map_is_owned_as_a_whole() -> None:
    assert owned({"labels": {}}) == {"f:labels": {}}


def test_a_port_without_its_key_cannot_be_applied() -> None:
    with pytest.raises(ApiError, match="omits key field") as caught:
        owned({"ports": [{"name": "a"}]})
    assert caught.value.code == 400


def test_what_comes_whole_is_added_with_everything_around_it() -> None:
    added = encode(compare({}, {"labels": {"a": "1"}}, SCHEMA).added)
    assert added == {"f:labels": {".": {}, "f:a": {}}}


def test_a_changed_item_of_a_list_with_keys_is_its_changed_field_alone() -> None:
    old, new = ({"ports": [{"containerPort": 80, "name": name}]} for name in "ab")
    change = compare(old, new, SCHEMA)
    assert (change.modified, change.added, change.removed) == ({("f:ports", KEY, "f:name")}, set(), set())


def test_the_default_of_a_key_makes_it_the_same_item() -> None:
    old = {"ports": [{"containerPort": 80}]}
    new = {"ports": [{"containerPort": 80, "protocol": "TCP"}]}
    assert compare(old, new, SCHEMA).added == {("f:ports", KEY, "f:protocol")}


def test_a_list_laid_over_another_keeps_items_that_it_does_not_have() -> None:
    held, applied = (
        {"ports": [{"containerPort": 80, "name": "a"}, {"containerPort": 81}]},
        {"ports": [{"containerPort": 81, "name": "b"}]},
    )
    assert laid_over(held, applied, SCHEMA)["ports"] == [
        {"containerPort": 80, "name": "a"},
        {"containerPort": 81, "name": "b"},
    ]


def test_a_removed_item_takes_all_its_fields_with_it() -> None:
    held = {"ports": [{"containerPort": 80, "name": "a"}, {"containerPort": 81}]}
    assert without(held, frozenset({("f:ports", KEY)}), SCHEMA) == {"ports": [{"containerPort": 81}]}


def test_paths_are_told_as_conflicts_tell_them() -> None:
    assert told(("f:ports", KEY, "f:name")) == '.ports[containerPort=80,protocol="TCP"].name'
    assert told(("f:finalizers", 'v:"a"')) == '.finalizers[="a"]'


@given(MAPS)
def test_a_set_is_the_same_after_it_was_written_and_read(value: dict[str, Any]) -> None:
    paths = frozenset(paths_of(value, {}))
    assert decode(encode(paths)) == paths


@given(MAPS, MAPS)
def test_a_difference_names_exactly_the_leaves_that_differ(old: dict[str, Any], new: dict[str, Any]) -> None:
    change, before, after = compare(old, new, {}), leaves(old), leaves(new)
    is_leaf = {path for path in {*before, *after} if not isinstance(before.get(path) or after.get(path), dict)}
    wanted = {path for path in is_leaf if path in before and path in after and before[path] != after[path]}
    assert wanted <= {tuple(element[2:] for element in path) for path in change.modified}
    assert (not change.added and not change.removed and not change.modified) == (old == new)


@given(MAPS, MAPS)
def test_what_is_laid_over_holds_afterwards_and_the_rest_stays(held: dict[str, Any], applied: dict[str, Any]) -> None:
    made, asked = leaves(laid_over(held, applied, {})), leaves(applied)
    assert {path: made.get(path) for path, value in asked.items() if value != EMPTY}.items() <= asked.items()
    apart = {path: value for path, value in leaves(held).items() if value != EMPTY and path[:1] not in firsts(asked)}
    assert apart.items() <= made.items()


def firsts(found: dict[tuple[str, ...], Any]) -> set[tuple[str, ...]]:
    return {path[:1] for path in found}


def leaves(value: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    if not isinstance(value, dict) or not value:
        return {path: value if not isinstance(value, dict) else EMPTY}
    return {key: item for name, inner in value.items() for key, item in leaves(inner, (*path, name)).items()}
