"""YAML is taken as Kubernetes takes it, and never as more than JSON could hold."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from modelyard.serving.api.yaml_bodies import NotPlain, load

YAML = "application/yaml"
ISVCS = "/apis/serving.kserve.io/v1beta1/namespaces/rec/inferenceservices"
GROWING = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 9)}]\n" for before, name in zip("abcdefg", "bcdefgh", strict=True)
)


# Kubernetes: sigs.k8s.io/yaml, where `y` is a boolean and keys become strings; the refusal of `name: y` is recorded.
@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("a: y\nb: No\nc: on", {"a": True, "b": False, "c": True}),
        ("a: 2026-01-01", {"a": "2026-01-01"}),
        ("3: x\n2.5: y1\ntrue: z", {"3": "x", "2.5": "y1", "true": "z"}),
        ("a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}),
        ("<<: {a: 1}\nb: ~", {"a": 1, "b": None}),
        ("a: 18446744073709551616", {"a": 18446744073709551616.0}),
        ('{"a": [1, 2]}', {"a": [1, 2]}),
    ],
)
def test_plain_yaml_is_taken_as_kubernetes_takes_it(text: str, held: object) -> None:
    assert load(text.encode()) == held


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\n---\nb: 2",
        "!!python/object/apply:os.system [id]",
        "a: !!binary aGVsbG8=",
        "!!set {a}",
        "? [a]\n: b",
        "&a [*a]",
        "[" * 3000,
        "a: .nan",
        "a: -.inf",
        'a: "\\ud800"',
        "9" * 5000,
        GROWING,
        "a: " + "x" * 400_000,
    ],
)
def test_what_json_could_not_hold_is_refused(text: str) -> None:
    with pytest.raises(NotPlain):
        load(text.encode())


def test_a_manifest_in_yaml_is_stored_and_a_name_that_is_a_boolean_is_refused(ask: Callable, recorded: dict) -> None:
    call = recorded["bad/yaml-body"]
    answer = ask("POST", call["request"]["path"], call["request"]["body"], content_type=YAML)
    assert (answer.status_code, answer.json()) == (400, call["response"]["body"])
    named = call["request"]["body"].replace("name: y", "name: flights")
    assert ask("POST", f"{ISVCS}?dryRun=All", named, content_type=YAML).status_code == 201


def test_kserves_own_finalizer_does_not_keep_a_service_from_going(ask: Callable, recorded: dict) -> None:
    made = json.loads(json.dumps(recorded["create/ok"]["request"]["body"]))
    made["metadata"]["finalizers"] = ["inferenceservice.finalizers"]
    assert "finalizers" not in ask("POST", ISVCS, made).json()["metadata"]
    assert ask("DELETE", f"{ISVCS}/flights").json()["status"] == "Success"
    assert ask("GET", f"{ISVCS}/flights").status_code == 404
