"""The API answers as the recorded cluster did, managedFields included.

Only times, uids, versions and finalizers differ, and here no controller owns a status.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from modelyard.serving.store import Store

ISVCS = "/apis/serving.kserve.io/v1beta1/namespaces/rec/inferenceservices"
VOLATILE = {"uid", "resourceVersion", "creationTimestamp", "finalizers", "time"}

SAME = [
    "list/empty",
    "list/label-selector-none",
    "list/bad-label-selector",
    "create/dry-run",
    "create/ok",
    "bad/unknown-field",
    "bad/unknown-field-strict",
    "bad/min-over-max",
    "bad/min-negative",
    "bad/max-negative",
    "bad/container-concurrency-negative",
    "bad/logger-no-mode",
    "bad/logger-bad-mode",
    "bad/name-invalid",
    "bad/name-starts-with-digit",
    "bad/two-frameworks",
    "bad/model-sklearn",
    "bad/legacy-sklearn",
    "bad/storage-uri-unsupported",
    "bad/protocol-unknown",
    "bad/namespace-mismatch",
    "bad/namespace-unknown",
    "bad/no-name",
    "bad/yaml-body",
    "bad/not-json",
    "bad/gpu",
    "bad/batcher",
    "delete/unknown",
    "get/deleted",
]
"""Calls that need nothing to be there."""

IN_ORDER = [
    "create/ok",
    "create/already-exists",
    "patch/merge-canary",
    "patch/json-canary-50",
    "patch/json-test-fails",
    "patch/promote",
    "replace/conflict",
    "replace/no-resource-version",
    "replace/name-mismatch",
    "replace/same",
]
"""Calls of one history, each building on those before."""


def lasting(body: Any) -> Any:
    if isinstance(body, dict):
        kept = {key: lasting(value) for key, value in body.items() if key not in VOLATILE}
        return {key: value for key, value in kept.items() if not (key == "status" and isinstance(value, dict))}
    return [lasting(item) for item in body if not is_controllers(item)] if isinstance(body, list) else body


def is_controllers(item: Any) -> bool:
    """Whether it is what KServe's controller owns: its finalizer, and the status."""
    return isinstance(item, dict) and item.get("manager") == "manager"


def send(ask: Callable, call: dict, body: Any = None):
    request = call["request"]
    headers = {"accept": request["accept"], "user_agent": "Python-urllib/3.11"}
    if request["content_type"]:
        headers["content_type"] = request["content_type"]
    return ask(request["method"], request["path"], request["body"] if body is None else body, **headers)


def assert_same(answer, response: dict) -> None:
    assert lasting(answer.json()) == lasting(response["body"])
    assert answer.status_code == response["status"]
    assert (answer.headers.get_list("warning") or None) == response["warning"]


@pytest.mark.parametrize("label", SAME)
def test_an_empty_namespace_answers_as_recorded(label: str, ask: Callable, recorded: dict) -> None:
    assert_same(send(ask, recorded[label]), recorded[label]["response"])


def test_a_history_of_writes_answers_as_recorded(ask: Callable, recorded: dict) -> None:
    for label in IN_ORDER:
        call, body = recorded[label], recorded[label]["request"]["body"]
        if label.startswith("replace/"):
            present = ask("GET", f"{ISVCS}/flights").json()["metadata"]
            body = json.loads(json.dumps(body))
            body["metadata"]["uid"] = present["uid"]
            if body["metadata"].get("resourceVersion", "1") != "1":
                body["metadata"]["resourceVersion"] = present["resourceVersion"]
            body["spec"]["predictor"].pop("canaryTrafficPercent", None)
            body["metadata"].pop("labels", None)
            body["metadata"].pop("finalizers", None)
            body["metadata"].pop("managedFields", None)
        answer = send(ask, call, body)
        if label == "replace/same":  # recorded after more writes than are replayed here
            assert answer.json()["metadata"]["generation"] == present["generation"]
            assert answer.json()["metadata"]["resourceVersion"] == present["resourceVersion"]
        else:
            assert_same(answer, call["response"])


@pytest.mark.parametrize("label", ["get/table", "list/table", "get/canary-table"])
def test_tables_have_the_recorded_columns_and_cells(label: str, ask: Callable, store: Store, recorded: dict) -> None:
    before = recorded["get/canary-50" if "canary" in label else "list/one"]["response"]["body"]
    shown = before["items"][0] if "items" in before else before
    table = recorded[label]["response"]["body"]
    send(ask, recorded["create/ok"])
    store.update_status("inferenceservices", "rec", "flights", status_of(shown, table))
    answer = send(ask, recorded[label]).json()
    assert answer["columnDefinitions"] == table["columnDefinitions"]
    assert answer["rows"][0]["cells"][:-1] == table["rows"][0]["cells"][:-1]
    assert {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}.items() <= answer["rows"][0][
        "object"
    ].items()


def status_of(shown: dict, table: dict) -> dict:
    """The status that the table was recorded with: that of the object, with the percentages and Ready of the cells."""
    status, cells = json.loads(json.dumps(shown["status"])), table["rows"][0]["cells"]
    for condition in status["conditions"]:
        if condition["type"] == "Ready":
            condition["status"] = cells[2]
    for entry in status["components"]["predictor"]["traffic"]:
        index = 3 if entry.get("tag") == "prev" else 4
        entry["percent"], entry["revisionName"] = cells[index], cells[index + 2]
    return status


@pytest.mark.parametrize("label", ["patch/strategic", "patch/unknown-type", "bad/media-type"])
def test_other_media_types_are_refused_with_what_is_accepted(label: str, ask: Callable, recorded: dict) -> None:
    send(ask, recorded["create/ok"])
    answer, response = send(ask, recorded[label]), recorded[label]["response"]
    assert answer.status_code == response["status"] == 415
    assert answer.json()["reason"] == response["body"]["reason"]
    told = answer.json()["message"].split(": ")
    assert told[0] == response["body"]["message"].split(": ")[0]
    assert set(told[1].split(", ")) <= set(response["body"]["message"].split(": ")[1].split(", "))


def test_a_wrong_type_is_told_with_its_path(ask: Callable, recorded: dict) -> None:
    call = recorded["bad/wrong-type-min-replicas"]
    answer = send(ask, call)
    assert answer.status_code == call["response"]["status"]
    assert answer.json() == call["response"]["body"]


def test_another_api_version_is_refused_in_the_recorded_words(ask: Callable, recorded: dict) -> None:
    call = recorded["bad/wrong-api-version"]
    answer = send(ask, call)
    assert (answer.status_code, answer.json()) == (400, call["response"]["body"])


@pytest.mark.parametrize(
    ("label", "code", "field"),
    [
        ("bad/no-predictor", 422, "spec.predictor: Required value"),
        ("bad/empty-predictor", 403, "exactly one of"),
        ("bad/canary-101", 422, "spec.predictor.canaryTrafficPercent: Invalid value: 101"),
        ("bad/model-no-format", 422, "spec.predictor.model.modelFormat.name: Required value"),
    ],
)
def test_where_upstream_panics_or_accepts_nonsense_the_mistake_is_told(
    label: str, code: int, field: str, ask: Callable, recorded: dict
) -> None:
    answer = send(ask, recorded[label])
    assert answer.status_code == code
    assert field in answer.json()["message"]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("{", "unexpected end of JSON input"),
        ("x", "invalid character 'x' looking for beginning of value"),
        ('{"a" 1}', "invalid character '1' after object key"),
        ('{"a": 1, }', "invalid character '}' looking for beginning of object key string"),
        ("[1, ]", "invalid character ']' looking for beginning of value"),
        ('{"a": 1} x', "invalid character 'x' after top-level value"),
        ("é", "invalid character 'é' looking for beginning of value"),
    ],
)
def test_what_is_no_json_is_told_in_the_words_of_gos_decoder(body: str, told: str, ask: Callable) -> None:
    answer = ask("POST", ISVCS, body, content_type="application/json")
    assert (answer.status_code, f"json parse error: {told} (" in answer.json()["message"]) == (400, True), answer.text


def test_a_generated_name_begins_as_asked(ask: Callable, recorded: dict) -> None:
    answer, response = send(ask, recorded["bad/generate-name"]), recorded["bad/generate-name"]["response"]
    made, told = answer.json()["metadata"], response["body"]["metadata"]
    assert answer.status_code == 201
    assert made["generateName"] == told["generateName"]
    assert len(made["name"]) == len(told["name"])
    assert made["name"].startswith("gen-")


def test_deleting_says_which_object_is_gone(ask: Callable, recorded: dict) -> None:
    uid = send(ask, recorded["create/ok"]).json()["metadata"]["uid"]
    assert send(ask, recorded["delete/dry-run"]).status_code == 200
    assert ask("GET", f"{ISVCS}/flights").status_code == 200
    gone = send(ask, recorded["delete/ok"]).json()
    assert (gone["status"], gone["details"]["uid"]) == ("Success", uid)
    assert send(ask, recorded["get/deleted"]).json() == recorded["get/deleted"]["response"]["body"]


def test_server_side_apply_owns_conflicts_and_refuses_as_recorded(ask: Callable, recorded: dict) -> None:
    for label in ("create/ok", "patch/merge-canary", "patch/json-canary-50", "patch/promote"):
        send(ask, recorded[label])
    back = {"spec": {"predictor": {"canaryTrafficPercent": 0}}}  # what get/rolled-back was recorded after
    send(ask, {"request": {**recorded["patch/promote"]["request"], "body": back}})
    for label in ("apply/server-side", "apply/conflict", "apply/no-field-manager"):
        assert_same(send(ask, recorded[label]), recorded[label]["response"])
