"""Hostile patches, YAML and protobuf: refused with a Status or applied, and what is stored stays sound."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from conftest import Hostile

ISVC = "/apis/serving.kserve.io/v1beta1/namespaces/default/inferenceservices/flights"
SECRET = "/api/v1/namespaces/default/secrets/hostile"
bounded = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=400,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=10)
)
anything = st.recursive(
    scalars,
    lambda held: st.one_of(st.lists(held, max_size=3), st.dictionaries(st.text(max_size=6), held, max_size=3)),
    max_leaves=8,
)
KEYS = [
    *("apiVersion", "kind", "metadata", "spec", "status", "name", "namespace", "labels", "annotations", "finalizers"),
    *("managedFields", "resourceVersion", "uid", "predictor", "model", "modelFormat", "storageUri", "minReplicas"),
    *(
        "containers",
        "env",
        "value",
        "conditions",
        "data",
        "stringData",
        "$patch",
        "$retainKeys",
        "$setElementOrder/env",
    ),
    *("$deleteFromPrimitiveList/finalizers", "ownerReferences", "~0", "~1", "-", "0", "01", "1e1", "", "é", "\x00"),
]
trees = st.recursive(
    st.one_of(scalars, st.sampled_from(["delete", "replace", "merge", "InferenceService", "v1", "flights", "default"])),
    lambda held: st.one_of(st.dictionaries(st.sampled_from(KEYS), held, max_size=4), st.lists(held, max_size=3)),
    max_leaves=12,
)
pointers = st.one_of(
    st.lists(st.sampled_from(KEYS), max_size=5).map(lambda keys: "".join("/" + key for key in keys)),
    st.text(max_size=8),
    scalars,
)
operations = st.fixed_dictionaries(
    {},
    optional={
        "op": st.one_of(st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]), scalars),
        "path": pointers,
        "from": pointers,
        "value": anything,
    },
)
PATCHES = {
    "application/json-patch+json": st.one_of(st.lists(st.one_of(operations, anything), max_size=4), anything),
    "application/merge-patch+json": st.one_of(trees, anything),
    "application/strategic-merge-patch+json": st.one_of(trees, anything),
    "application/apply-patch+yaml": st.one_of(trees, anything),
}


@pytest.mark.parametrize("kind", PATCHES)
def test_any_patch_is_refused_or_applied(hostile: Hostile, kind: str) -> None:
    secret = {"metadata": {"name": "hostile"}, "data": {"a": "eA=="}}
    hostile.ask("POST", SECRET.rpartition("/")[0], secret)

    @bounded
    @given(path=st.sampled_from([ISVC, f"{ISVC}/status", SECRET]), patch=PATCHES[kind], force=st.booleans())
    def patched(path: str, patch: Any, force: bool) -> None:
        query = b"fieldManager=me&force=" + (b"true" if force else b"false")
        hostile.ask("PATCH", path, patch, query=query, content_type=kind)
        sound(hostile.ask("GET", path.removesuffix("/status")))

    patched()


def sound(answer: Any) -> None:
    """What is stored is still an object that has its own name."""
    if answer.status == 404:
        return  # a patch may not delete, but one that clears the last finalizer may end it
    made = answer.json()
    assert made["metadata"]["name"] in ("flights", "hostile")
    assert made["metadata"]["namespace"] == "default"
    assert int(made["metadata"]["resourceVersion"]) > 0


def test_patches_that_would_grow_without_end_are_stopped(hostile: Hostile) -> None:
    seed = {"op": "add", "path": "/metadata/annotations", "value": {"a": "x" * 1000}}
    doubled = [{"op": "copy", "from": "/metadata", "path": f"/metadata/a{number}"} for number in range(40)]
    deeper = [{"op": "add", "path": "/metadata" + "/a" * number, "value": {}} for number in range(1, 2000)]
    many = [{"op": "test", "path": "/kind", "value": "InferenceService"}] * 10_001
    began = time.process_time()
    for patch in ([seed, *doubled], deeper, many):
        answer = hostile.ask("PATCH", ISVC, patch, content_type="application/json-patch+json")
        assert answer.status in (400, 413, 422)
    assert time.process_time() - began < 20


yaml_texts = st.one_of(
    st.text(max_size=60),
    st.lists(
        st.sampled_from(
            [
                "a: ",
                "- ",
                "&a ",
                "*a",
                "{",
                "}",
                "[",
                "]",
                "\n",
                "  ",
                "!!binary x",
                "!!set {a}",
                "? ",
                ": ",
                "|",
                ">",
                "'",
                '"',
                "---\n",
                "%YAML 9\n",
                "<<: *a",
                "\t",
                "#",
                "y",
                "1:30",
                "2026-01-01",
                "0x1F",
                "apiVersion: v1\n",
                "kind: Secret\n",
                "metadata: {name: a}\n",
            ]
        ),
        max_size=25,
    ).map("".join),
)


@bounded
@given(text=yaml_texts)
def test_any_yaml_is_refused_or_taken(hostile: Hostile, text: str) -> None:
    body = text.encode("utf-8", "replace")
    hostile.ask("POST", SECRET.rpartition("/")[0], body, query=b"dryRun=All", content_type="application/yaml")
    query = b"fieldManager=me&dryRun=All"
    hostile.ask("PATCH", ISVC, body, query=query, content_type="application/apply-patch+yaml")


SENT = bytes.fromhex(
    "6b3873000a0c0a027631120653656372657412340a160a02733112001a047465616d22002a00320038004200120c0a04706173731204776f7264"
    "120a0a047573657212026d651a001a002200"
)
"""A secret as kubectl 1.37 sends it."""


@bounded
@given(
    cut=st.integers(0, len(SENT)),
    flips=st.lists(st.tuples(st.integers(0, len(SENT) - 1), st.integers(0, 255)), max_size=6),
    more=st.binary(max_size=20),
)
def test_broken_protobuf_is_refused_or_taken(
    hostile: Hostile, cut: int, flips: list[tuple[int, int]], more: bytes
) -> None:
    body = bytearray(SENT)
    for index, value in flips:
        body[index] = value
    sent = bytes(body[:cut]) + more
    for path in ("/api/v1/namespaces/default/secrets", "/api/v1/namespaces", ISVC.rpartition("/")[0]):
        hostile.ask("POST", path, sent, query=b"dryRun=All", content_type="application/vnd.kubernetes.protobuf")


def test_a_message_within_a_message_without_end_is_refused(hostile: Hostile) -> None:
    body = b"x"
    for _ in range(5000):
        length, prefix = len(body), b""
        while length > 127:
            prefix += bytes([length & 127 | 128])
            length >>= 7
        body = b"\x0a" + prefix + bytes([length]) + body
    answer = hostile.ask(
        "POST",
        "/api/v1/namespaces/default/secrets",
        b"k8s\x00" + body,
        content_type="application/vnd.kubernetes.protobuf",
    )
    assert answer.status == 400


def test_all_of_it_has_left_the_store_whole(hostile: Hostile) -> None:
    for resource in ("inferenceservices", "secrets", "namespaces", "pods", "nodes"):
        items, _ = hostile.store.list(resource)
        assert json.loads(json.dumps(items)) == items
