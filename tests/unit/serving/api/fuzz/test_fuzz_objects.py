"""Hostile InferenceServices: each is refused with a Status, or accepted and harmless to all that decide about it."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard.autoscaling.config import AutoscalerConfig
from modelyard.autoscaling.problems import find_problems
from modelyard.autoscaling.spec import scaling_spec
from modelyard.serving.api import schemas
from modelyard.serving.controller.revisions import decide_revision, revision_from
from modelyard.serving.gpus import asked_gpus
from modelyard.serving.pods import insufficient, pending_pod, pod_of
from modelyard.serving.replicas.records import ReplicaRecord, ReplicaSpec
from modelyard.serving.spec.replicas import Refusal, decide_spec

if TYPE_CHECKING:
    from conftest import Hostile

ISVCS = "/apis/serving.kserve.io/v1beta1/namespaces/default/inferenceservices"
bounded = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=400,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from(
        [
            2**63,
            -(2**63),
            2**31,
            -1,
            0,
            1e308,
            "",
            "0",
            "-1",
            "1e9",
            "9" * 400,
            "a" * 300,
            "\x00",
            "é\U0001f600",
            "../..",
            "NaN",
            "Infinity",
        ]
    ),
)
anything = st.recursive(
    scalars,
    lambda held: st.one_of(st.lists(held, max_size=3), st.dictionaries(st.text(max_size=8), held, max_size=3)),
    max_leaves=8,
)
WRONG = {
    "string": [5, True, [], {}, None, "\x00" * 3, "a" * 3000],
    "integer": ["five", 1.5, [], {}, True, None, 2**70, -(2**31) - 1],
    "number": ["x", [], {}, True, None, 1e308],
    "boolean": ["true", 1, [], {}, None],
    "object": [5, "x", [], None, {"": {"": {}}}, {"\x00": 1}],
    "array": [5, "x", {}, None, [None], [[[]]], [{}] * 50],
}


def fields_of(schema: dict, path: tuple = ()) -> Iterator[tuple[tuple, str]]:
    """Path and type of every field of a schema; an item of a list is 0, one of a map is `key`."""
    for name, child in (schema.get("properties") or {}).items():
        yield (*path, name), child.get("type", "string")
        yield from fields_of(child, (*path, name))
    for step, child in ((0, schema.get("items")), ("key", schema.get("additionalProperties"))):
        if isinstance(child, dict):
            yield (*path, step), child.get("type", "string")
            yield from fields_of(child, (*path, step))


def nested(path: tuple, value: Any) -> Any:
    """The value at the end of objects and lists that lead to it."""
    for step in reversed(path):
        value = [value] if step == 0 else {step: value}
    return value


def merged(base: Any, more: Any) -> Any:
    if isinstance(base, dict) and isinstance(more, dict):
        return {key: merged(base.get(key), more[key]) if key in more else base[key] for key in {**base, **more}}
    return more


def test_a_wrong_value_at_every_field_of_the_schema_is_no_fault(hostile: Hostile, manifest: dict) -> None:
    wrong = {kind: itertools.cycle(values) for kind, values in WRONG.items()}
    codes: dict[int, int] = {}
    for path, kind in fields_of(schemas.inference_service()):
        if path[0] == "spec":
            made = merged(copy.deepcopy(manifest), nested(path, next(wrong[kind])))
            made["metadata"]["name"] = "field"
            code = hostile.ask("POST", ISVCS, made, query=b"dryRun=All").status
            codes[code] = codes.get(code, 0) + 1
    assert sum(codes.values()) > 10_000
    assert {201, 400, 422} <= codes.keys()


@bounded
@given(
    where=st.sampled_from(
        sorted({path for path, _ in fields_of(schemas.inference_service()) if len(path) <= 4}, key=str)
    ),
    value=anything,
    strictness=st.sampled_from([b"", b"&fieldValidation=Strict", b"&fieldValidation=Ignore"]),
)
def test_anything_at_any_place_is_refused_or_harmless(
    hostile: Hostile, manifest: dict, where: tuple, value: Any, strictness: bytes
) -> None:
    made = merged(copy.deepcopy(manifest), nested(where, value))
    made = made if isinstance(made, dict) else {"kind": made}
    if isinstance(made.get("metadata"), dict):
        made["metadata"]["name"] = "anything"
    answer = hostile.ask("POST", ISVCS, made, query=b"dryRun=All" + strictness)
    if answer.status == 201:
        decide_everything(answer.json())


@bounded
@given(
    annotations=st.dictionaries(
        st.sampled_from(
            [
                *(
                    f"autoscaling.knative.dev/{name}"
                    for name in (
                        "min-scale",
                        "max-scale",
                        "target",
                        "metric",
                        "class",
                        "window",
                        "initial-scale",
                        "activation-scale",
                        "scale-down-delay",
                        "panic-window-percentage",
                        "panic-threshold-percentage",
                        "target-burst-capacity",
                        "target-utilization-percentage",
                        "scale-to-zero-pod-retention-period",
                        "minScale",
                    )
                ),
                *(
                    "serving.kserve.io/stop",
                    "serving.kserve.io/autoscalerClass",
                    "serving.kserve.io/enable-tag-routing",
                    "serving.kserve.io/deploymentMode",
                    "modelyard.dev/model-digest",
                    "modelyard.dev/previous-replica",
                    "serving.knative.dev/progress-deadline",
                ),
            ]
        ),
        st.one_of(
            st.text(max_size=12),
            st.sampled_from(["0", "1", "-1", "1s", "1h1h", "9" * 30, "1e400", "nan", "true", "../../x", "70%", "١"]),
        ),
        max_size=4,
    )
)
def test_hostile_annotations_are_refused_or_harmless(hostile: Hostile, manifest: dict, annotations: dict) -> None:
    made = copy.deepcopy(manifest)
    made["metadata"] |= {"name": "annotated", "annotations": annotations}
    answer = hostile.ask("POST", ISVCS, made, query=b"dryRun=All")
    if answer.status == 201:
        decide_everything(answer.json())


@bounded
@given(
    meta=st.fixed_dictionaries(
        {},
        optional={
            "name": st.one_of(anything, st.text(alphabet="abz09-._/%", max_size=60)),
            "generateName": anything,
            "namespace": anything,
            "labels": st.one_of(anything, st.dictionaries(st.text(max_size=10), scalars, max_size=3)),
            "annotations": anything,
            "finalizers": anything,
            "ownerReferences": anything,
            "managedFields": anything,
            "resourceVersion": scalars,
            "generation": scalars,
            "uid": scalars,
            "creationTimestamp": scalars,
            "deletionTimestamp": scalars,
            "deletionGracePeriodSeconds": scalars,
        },
    )
)
def test_hostile_metadata_is_refused_or_owned_by_the_store(hostile: Hostile, manifest: dict, meta: dict) -> None:
    answer = hostile.ask("POST", ISVCS, {**manifest, "metadata": meta}, query=b"dryRun=All")
    if answer.status == 201:
        made = answer.json()["metadata"]
        assert (made["namespace"], made["generation"]) == ("default", 1)
        assert "/" not in made["name"]
        assert "deletionTimestamp" not in made


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":' * 100_000,
        b"[" * 100_000,
        b'{"metadata":{"name":"deep"},"spec":' + b'{"predictor":' * 300 + b"1" + b"}" * 301,
        b'{"metadata":{"name":"deep","annotations":' + b'{"a":' * 900 + b"1" + b"}" * 902,
        b'{"spec":' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"metadata":{"name":"long","labels":{' + b",".join(b'"l%d":"v"' % n for n in range(20_000)) + b"}}}",
        b'{"metadata":{"name":"' + b"a" * 1_000_000 + b'"}}',
        b'{"metadata":{"name":"big"},"spec":{"predictor":{"model":{"storageUri":"' + b"x" * 4_000_000 + b'"}}}}',
        b'{"metadata":{"name":"a","name":"b"},"kind":"InferenceService","kind":"Pod"}',
        b'{"metadata":{"name":"\\ud800"}}',
        b'{"metadata":{"name":1e999}}',
        b'{"metadata":{"name":NaN}}',
        b'{"spec":{"predictor":{"minReplicas":' + b"9" * 5000 + b"}}}",
        b'{"spec":{"predictor":{"minReplicas":1.0e0,"maxReplicas":-0,"timeout":1e2}}}',
        '{"metadata":{"name":"\u202efdp"}}'.encode(),
        b"\xff\xfe{\x00}\x00",
        b"\x00" * 1000,
    ],
    ids=lambda body: f"{len(body)} bytes {body[:20]!r}",
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_huge_and_deep_bodies_are_refused(hostile: Hostile, method: str, body: bytes) -> None:
    path = ISVCS if method == "POST" else f"{ISVCS}/flights"
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    answer = hostile.ask(method, path, body, query=b"dryRun=All", content_type=kind)
    assert answer.status in (200, 201, 400, 403, 409, 413, 422)
    present = hostile.ask("GET", f"{ISVCS}/flights")
    assert present.status == 200


def decide_everything(isvc: dict) -> None:
    """All that the controller would decide about the object, which must not fail."""
    isvc = json.loads(json.dumps(isvc))
    isvc["metadata"].setdefault("uid", "u-1")
    obj = decide_revision(isvc, [])
    assert obj is not None
    obj["metadata"]["uid"] = "u-2"
    revision = revision_from(obj)
    predictor, annotations = revision.predictor, revision.annotations
    find_problems(predictor, annotations)
    scaling_spec(predictor, annotations, AutoscalerConfig())
    asked_gpus(predictor)
    for required in (False, True):
        spec = decide_spec(revision, require_registered=required)
        assert isinstance(spec, Refusal | ReplicaSpec)
        if isinstance(spec, ReplicaSpec):
            record = ReplicaRecord(spec, 1, "1", 1)
            pod_of(record, obj, ready=True, now=0.0)
    pending_pod(obj, 0, message=insufficient("nvidia.com/gpu"), now=0.0)
