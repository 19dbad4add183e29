"""What `kubectl auth` asks: may I, what may I, who am I."""

from __future__ import annotations

from collections.abc import Callable

import pytest

ACCESS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
RULES = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
SELF = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
KSERVE = "serving.kserve.io"


@pytest.mark.parametrize(
    ("attributes", "allowed"),
    [
        ({"verb": "create", "group": KSERVE, "resource": "inferenceservices"}, True),
        ({"verb": "patch", "group": KSERVE, "resource": "inferenceservices", "subresource": "status"}, True),
        ({"verb": "delete", "group": KSERVE, "resource": "inferenceservices", "subresource": "status"}, False),
        ({"verb": "delete", "resource": "pods"}, False),
        ({"verb": "get", "resource": "pods", "subresource": "log"}, True),
        ({"verb": "create", "resource": "pods", "subresource": "exec"}, False),
        ({"verb": "*", "group": "*", "resource": "*"}, True),
        ({"verb": "*", "resource": "pods"}, True),
        ({"verb": "get", "group": "apps", "resource": "deployments"}, True),
        ({}, True),
        (None, True),
        ("pods", True),
    ],
)
def test_what_a_kind_does_not_take_may_nobody_do(attributes: object, allowed: bool, ask: Callable) -> None:
    answer = ask("POST", ACCESS, {"spec": {"resourceAttributes": attributes}})
    assert answer.status_code == 201
    assert answer.json()["kind"] == "SelfSubjectAccessReview"
    assert answer.json()["status"]["allowed"] is allowed
    assert answer.json()["status"]["reason"]


def test_the_rules_are_those_of_discovery(ask: Callable) -> None:
    rules = ask("POST", RULES, {"spec": {"namespace": "default"}}).json()["status"]["resourceRules"]
    told = {(rule["apiGroups"][0], rule["resources"][0]): rule["verbs"] for rule in rules}
    listed = ask("GET", "/api/v1").json()["resources"] + ask("GET", f"/apis/{KSERVE}/v1beta1").json()["resources"]
    assert len(listed) > 10
    for kind in listed:
        group = KSERVE if kind["name"].startswith("inferenceservices") else ""
        assert told[group, kind["name"]] == sorted(kind["verbs"])


def test_the_token_stands_for_the_yard(ask: Callable) -> None:
    assert ask("POST", SELF, {}).json()["status"]["userInfo"]["username"] == "yard"
    assert ask("POST", SELF, {}, token="wrong").status_code == 401
