"""Requests that no good client sends: each is answered with a Status and none is a fault of ours."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard.serving.api import create_app
from modelyard.serving.store import Store

ISVCS = "/apis/serving.kserve.io/v1beta1/namespaces/default/inferenceservices"
MANIFEST: dict[str, Any] = {
    "apiVersion": "serving.kserve.io/v1beta1",
    "kind": "InferenceService",
    "metadata": {"name": "flights", "labels": {"team": "a"}, "annotations": {"a": "b"}},
    "spec": {
        "predictor": {
            "minReplicas": 1,
            "maxReplicas": 2,
            "canaryTrafficPercent": 10,
            "logger": {"mode": "all", "url": "http://a", "metadataAnnotations": ["a"]},
            "model": {
                "modelFormat": {"name": "mlflow"},
                "storageUri": "s3://a/b",
                "env": [{"name": "A", "value": "b"}],
            },
        }
    },
}
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 200)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


def places(node: Any, path: tuple = ()) -> list[tuple]:
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path] * bool(path) + [found for key, value in inner for found in places(value, (*path, key))]


def with_value(path: tuple, value: Any) -> dict:
    changed = copy.deepcopy(MANIFEST)
    *way, last = path
    target = changed
    for key in way:
        target = target[key]
    target[last] = value
    return changed


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., httpx.Response]:
    """Send a request to an API that raises what it did not expect."""
    store = Store(Path(tmp_path_factory.mktemp("odd")) / "objects.db")
    app = create_app(store, token="t")
    store.create("inferenceservices", {**MANIFEST, "metadata": {"name": "held", "namespace": "default"}})

    def send(method: str, path: str, body: Any, content_type: str = "application/json") -> httpx.Response:
        async def once() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="https://yard") as client:
                headers = {"authorization": "Bearer t", "content-type": content_type}
                return await client.request(method, path, content=json.dumps(body).encode(), headers=headers)

        return asyncio.run(once())

    yield send
    store.close()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(places(MANIFEST)), value=VALUES)
def test_whatever_stands_in_a_manifest_the_answer_is_a_status(raw: Callable, path: tuple, value: Any) -> None:
    answer = raw("POST", f"{ISVCS}?dryRun=All", with_value(path, value))
    assert answer.status_code in (201, 400, 403, 422), answer.text
    if answer.status_code != 201:
        assert answer.json()["message"]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(places(MANIFEST)), value=VALUES)
def test_whatever_stands_in_a_merge_patch_the_answer_is_a_status(raw: Callable, path: tuple, value: Any) -> None:
    patch: Any = value
    for key in reversed(path):
        patch = {key: patch} if isinstance(key, str) else [patch]
    answer = raw("PATCH", f"{ISVCS}/held?dryRun=All", patch, "application/merge-patch+json")
    assert answer.status_code in (200, 400, 403, 422), answer.text


@pytest.mark.parametrize(
    "path", ["", "/metadata", "/metadata/name", "/kind", "/apiVersion", "/spec", "/metadata/labels"]
)
def test_a_json_patch_of_what_identifies_an_object_is_refused(raw: Callable, path: str) -> None:
    patch = [{"op": "replace" if path != "/metadata/labels" else "add", "path": path, "value": 7}]
    answer = raw("PATCH", f"{ISVCS}/held", patch, "application/json-patch+json")
    assert answer.status_code == 400
    assert answer.json()["kind"] == "Status"


def test_a_field_name_cannot_forge_a_header(raw: Callable) -> None:
    forged = with_value(("spec", "predictor", 'x"\r\nSet-Cookie: a=b ü'), 1)
    answer = raw("POST", f"{ISVCS}?dryRun=All", forged)
    assert answer.status_code == 201
    assert "set-cookie" not in answer.headers
    assert "Set-Cookie: a=b" in answer.headers["warning"]


def test_hundreds_of_unknown_fields_still_fit_in_an_answer(raw: Callable) -> None:
    many = copy.deepcopy(MANIFEST)
    many["spec"]["predictor"] |= {f"unknown{number}": 1 for number in range(500)}
    answer = raw("POST", f"{ISVCS}?dryRun=All", many)
    assert len(answer.headers.get_list("warning")) == 20


@pytest.mark.parametrize("body", [[], "text", 7, None, [MANIFEST]])
def test_a_body_that_is_no_object_is_refused(raw: Callable, body: Any) -> None:
    for method, path in (("POST", ISVCS), ("PUT", f"{ISVCS}/held"), ("PUT", f"{ISVCS}/held/status")):
        assert raw(method, path, body).status_code == 400
    assert raw("DELETE", f"{ISVCS}/nothing", body).status_code == 404


@pytest.mark.parametrize(
    "status", ["ready", 7, [], {"conditions": "Ready"}, {"url": 7}, {"components": {"predictor": 1}}]
)
def test_a_status_of_a_wrong_type_is_refused(raw: Callable, status: Any) -> None:
    answer = raw("PATCH", f"{ISVCS}/held/status", {"status": status}, "application/merge-patch+json")
    assert (answer.status_code, answer.json()["reason"]) == (422, "Invalid")
    assert raw("GET", ISVCS, None).status_code == 200


@pytest.mark.parametrize("meta", [{"generateName": 5}, {"generateName": ["a"]}, {"name": 5}, {"name": "a", "uid": 5}])
def test_metadata_of_a_wrong_type_is_refused(raw: Callable, meta: dict) -> None:
    assert raw("POST", ISVCS, {**MANIFEST, "metadata": meta}).status_code in (400, 422)


@pytest.mark.parametrize(
    "options", [{"preconditions": 7}, {"preconditions": {"uid": 7}}, {"dryRun": "All"}, {"dryRun": [7]}, [], 7]
)
def test_odd_options_of_a_delete_delete_nothing(raw: Callable, options: Any) -> None:
    assert raw("DELETE", f"{ISVCS}/held", options).status_code in (400, 409, 422)
    assert raw("GET", f"{ISVCS}/held", None).status_code == 200


def test_half_a_body_of_a_delete_deletes_nothing(ask: Callable) -> None:
    ask("POST", ISVCS, {**MANIFEST, "metadata": {"name": "held"}})
    assert ask("DELETE", f"{ISVCS}/held", '{"dryRun": ["A', content_type="application/json").status_code == 400
    assert ask("GET", f"{ISVCS}/held").status_code == 200


def test_a_fault_of_ours_is_told_as_a_status(ask: Callable, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no disk")

    monkeypatch.setattr(store, "get", broken)
    answer = ask("GET", f"{ISVCS}/held")
    assert (answer.status_code, answer.json()["reason"]) == (500, "InternalError")
    assert "no disk" in answer.json()["message"]
