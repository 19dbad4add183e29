"""Merge patches by the examples of RFC 7386, JSON patches by those of RFC 6902, and what of them is refused."""

from __future__ import annotations

from typing import Any

import pytest

from modelyard.serving.api.errors import ApiError
from modelyard.serving.api.patches import JSON_PATCH, MERGE_PATCH, apply_patch, merge

RFC_7386_APPENDIX_A = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("target", "patch", "result"), RFC_7386_APPENDIX_A)
def test_merge_patch_examples_of_the_rfc(target: Any, patch: Any, result: Any) -> None:
    assert merge(target, patch) == result


def test_a_patch_leaves_its_target_as_it_was() -> None:
    target = {"spec": {"a": [1], "b": {"c": 1}}}
    merge(target, {"spec": {"b": {"c": 2}}})
    apply_patch(JSON_PATCH, target, [{"op": "add", "path": "/spec/a/-", "value": 2}])
    assert target == {"spec": {"a": [1], "b": {"c": 1}}}


@pytest.mark.parametrize(
    ("patch", "result"),
    [
        ([{"op": "add", "path": "/baz", "value": "qux"}], {"foo": ["bar", "baz"], "baz": "qux"}),
        ([{"op": "add", "path": "/foo/1", "value": "qux"}], {"foo": ["bar", "qux", "baz"]}),
        ([{"op": "remove", "path": "/foo/1"}], {"foo": ["bar"]}),
        ([{"op": "move", "from": "/foo/0", "path": "/foo/1"}], {"foo": ["baz", "bar"]}),
        ([{"op": "test", "path": "/foo/0", "value": "bar"}], {"foo": ["bar", "baz"]}),
    ],
)
def test_json_patch_examples_of_the_rfc(patch: list, result: dict) -> None:
    assert apply_patch(JSON_PATCH, {"foo": ["bar", "baz"]}, patch) == result


@pytest.mark.parametrize(
    ("media_type", "patch", "code"),
    [
        (MERGE_PATCH, [{"op": "remove", "path": "/a"}], 400),  # the Python client sends lists so
        (MERGE_PATCH, None, 400),
        (JSON_PATCH, {"a": 1}, 400),
        (JSON_PATCH, [{"op": "dance", "path": "/a"}], 400),
        (JSON_PATCH, [{"path": "/a"}], 400),
        (JSON_PATCH, ["a"], 400),
        (JSON_PATCH, [{"op": "replace", "path": "", "value": 1}], 400),
        (JSON_PATCH, [{"op": "replace", "path": "/nosuch", "value": 1}], 422),
        (JSON_PATCH, [{"op": "remove", "path": "/a/b/c"}], 422),
        (JSON_PATCH, [{"op": "test", "path": "/a", "value": 2}], 422),
    ],
)
def test_a_patch_that_cannot_be_applied_is_refused(media_type: str, patch: Any, code: int) -> None:
    with pytest.raises(ApiError) as caught:
        apply_patch(media_type, {"a": 1}, patch)
    assert caught.value.code == code
