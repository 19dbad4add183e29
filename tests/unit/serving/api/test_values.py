"""Values that the schema allows and Kubernetes, Knative or KServe do not: each refusal names its field."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from modelyard.serving.api.resource_rules import quantity
from modelyard.serving.store import Store

ISVCS = "/apis/serving.kserve.io/v1beta1/namespaces/default/inferenceservices"
MERGE = "application/merge-patch+json"
GPU = "nvidia.com/gpu"


def service(meta: dict[str, Any] | None = None, resources: Any = None, **predictor: Any) -> dict[str, Any]:
    model: dict[str, Any] = {"modelFormat": {"name": "sklearn"}, "storageUri": "s3://a/b"}
    if resources is not None:
        model["resources"] = resources
    return {"metadata": {"name": "a", **(meta or {})}, "spec": {"predictor": {"model": model, **predictor}}}


@pytest.mark.parametrize(
    ("told", "value"),
    [
        ("100m", "0.1"),
        ("1.5Gi", "1610612736"),
        ("1e3", "1000"),
        ("1E3", "1000"),
        ("2k", "2000"),
        (2, "2"),
        ("-1", "-1"),
        ("5E", "5e18"),
        (".5", "0.5"),
    ],
)
def test_quantities_are_read_as_kubernetes_reads_them(told: Any, value: str) -> None:
    assert quantity(told) == Decimal(value)


@pytest.mark.parametrize("told", ["", "1 Gi", "1GiB", "ten", "1e", ".", "+", "1..2"])
def test_what_is_no_quantity_is_none(told: str) -> None:
    assert quantity(told) is None


@pytest.mark.parametrize(
    ("resources", "field", "message"),
    [
        ({"limits": {GPU: "1500m"}}, f"limits[{GPU}]", "must be an integer"),
        ({"limits": {GPU: -1}}, f"limits[{GPU}]", "must be greater than or equal to 0"),
        (
            {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}},
            "requests",
            "must be less than or equal to cpu limit of 1",
        ),
        ({"requests": {GPU: 2}, "limits": {GPU: 1}}, "requests", f"must be equal to {GPU} limit of 1"),
        ({"requests": {GPU: 1}}, "limits", f"Limit must be set for {GPU}"),
    ],
)
def test_resources_that_no_pod_could_have_are_refused(ask: Callable, resources: dict, field: str, message: str) -> None:
    answer = ask("POST", ISVCS, service(resources=resources))
    cause = answer.json()["details"]["causes"][0]
    assert (answer.status_code, cause["field"]) == (422, f"spec.predictor.model.resources.{field}")
    assert message in cause["message"]


def test_a_quantity_that_is_none_is_refused_with_its_path(ask: Callable) -> None:
    answer = ask("POST", ISVCS, service(resources={"limits": {"memory": "much"}}))
    assert answer.status_code == 422
    assert answer.json()["details"]["causes"][0]["field"] == "spec.predictor.model.resources.limits.memory"


@pytest.mark.parametrize(
    ("annotation", "value", "told"),
    [
        ("window", "3s", "expected 6s <= 3s <= 1h0m0s"),
        ("metric", "memory", "invalid value: memory"),
        ("target", "0", "target 0 should be at least 0.01"),
        ("panic-threshold-percentage", "9", "expected 110 <= 9 <= 1000"),
    ],
)
def test_a_scaling_annotation_is_refused_in_the_words_of_knatives_webhook(
    ask: Callable, annotation: str, value: str, told: str
) -> None:
    key = f"autoscaling.knative.dev/{annotation}"
    answer = ask("POST", ISVCS, service({"annotations": {key: value}}))
    hook = 'admission webhook "validation.webhook.serving.knative.dev" denied the request: validation failed:'
    assert answer.status_code == 400
    assert answer.json()["message"] == f"{hook} {told}: metadata.annotations.{key}"


def test_a_metric_that_kserve_does_not_know_is_refused(ask: Callable) -> None:
    answer = ask("POST", ISVCS, service(scaleMetric="concurrency", minReplicas=3, maxReplicas=2))
    assert (answer.status_code, "MinReplicas" in answer.json()["message"]) == (403, True)


def test_settings_of_the_autoscaler_that_knative_refuses_are_not_stored(ask: Callable) -> None:
    path = "/api/v1/namespaces/rec/configmaps"
    assert ask("POST", path, {"metadata": {"name": "config-autoscaler"}, "data": {"stable-window": "1s"}}).is_success
    ask("POST", "/api/v1/namespaces", {"metadata": {"name": "knative-serving"}})
    settings = {"metadata": {"name": "config-autoscaler"}, "data": {"stable-window": "1s"}}
    answer = ask("POST", "/api/v1/namespaces/knative-serving/configmaps", settings)
    assert answer.status_code == 400
    assert 'webhook "config.webhook.serving.knative.dev" denied the request' in answer.json()["message"]


@pytest.mark.parametrize(
    ("meta", "field", "told"),
    [
        ({"labels": {"a b": "c"}}, "metadata.labels", "name part must consist of"),
        ({"labels": {"a": "b c"}}, "metadata.labels", "a valid label must be an empty string or consist of"),
        ({"labels": {"a": "b" * 64}}, "metadata.labels", "must be no more than 63 bytes"),
        ({"annotations": {"/a": ""}}, "metadata.annotations", "prefix part a lowercase RFC 1123 subdomain"),
        ({"annotations": {"a": "x" * 262_145}}, "metadata.annotations", "may not be more than 262144 bytes"),
        ({"finalizers": ["no good"]}, "metadata.finalizers[0]", "name part must consist of"),
        ({"name": "a" * 254}, "metadata.name", "must be no more than 253 characters"),
        (
            {"ownerReferences": [{"apiVersion": "v1", "kind": "", "name": "a", "uid": "1"}]},
            "metadata.ownerReferences[0].kind",
            "must not be empty",
        ),
    ],
)
def test_metadata_that_kubernetes_refuses_is_refused_with_its_path(
    ask: Callable, meta: dict, field: str, told: str
) -> None:
    answer = ask("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "a", **meta}})
    cause = answer.json()["details"]["causes"][0]
    assert (answer.status_code, cause["field"], told in cause["message"]) == (422, field, True)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("fieldManager=" + "a" * 129, "fieldManager"),
        ("fieldManager=a%07", "fieldManager"),
        ("force=true", "force"),
        ("fieldValidation=Sometimes", "fieldValidation"),
        ("dryRun=Some", "dryRun"),
    ],
)
def test_an_option_that_there_is_not_is_refused_by_its_name(ask: Callable, query: str, field: str) -> None:
    ask("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "a"}})
    answer = ask("PATCH", f"/api/v1/namespaces/default/configmaps/a?{query}", {}, content_type=MERGE)
    assert (answer.status_code, answer.json()["details"]["causes"][0]["field"]) == (422, field)


def test_a_server_side_apply_makes_a_new_object_and_says_201(ask: Callable) -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "y"}}
    path = "/api/v1/namespaces/default/configmaps/a?fieldManager=me"
    headers = {"content_type": "application/apply-patch+yaml"}
    first = ask("PATCH", path, json.dumps(config), **headers)
    again = ask("PATCH", path, json.dumps(config), **headers)
    assert (first.status_code, again.status_code, again.json()) == (201, 200, first.json())


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ("[]", "must be an object"),
        ("kind: ConfigMap", "'apiVersion' is missing"),
        ("{apiVersion: v1, kind: Secret, metadata: {name: a}}", "does not match the expected kind"),
        ("{apiVersion: v1, kind: ConfigMap, metadata: {name: b}}", "does not match the name on the URL"),
        ("{apiVersion: v1, kind: ConfigMap, metadata: {name: a, managedFields: [{}]}}", "managedFields must be nil"),
        (
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, colour: red}",
            ".colour: field not declared in schema",
        ),
        ("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {a: 1}}", "cannot unmarshal number"),
        ("a: b: c", "yaml"),
    ],
)
def test_what_is_no_configuration_is_not_applied(ask: Callable, config: str, told: str) -> None:
    path = "/api/v1/namespaces/default/configmaps/a?fieldManager=me"
    answer = ask("PATCH", path, config, content_type="application/apply-patch+yaml")
    assert (answer.status_code, told in answer.json()["message"]) == (400, True), answer.text
    assert ask("GET", "/api/v1/namespaces/default/configmaps/a").status_code == 404


def test_a_status_is_applied_through_its_subresource_only(ask: Callable) -> None:
    ask("POST", ISVCS, service())
    config = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "metadata": {"name": "a"}}
    headers = {"content_type": "application/apply-patch+yaml"}
    body = json.dumps({**config, "status": {"url": "http://a"}})
    plain = ask("PATCH", f"{ISVCS}/a?fieldManager=me", body, **headers)
    assert (plain.status_code, "status" in plain.json()) == (200, False)
    made = ask("PATCH", f"{ISVCS}/a/status?fieldManager=me", body, **headers).json()
    assert made["status"] == {"url": "http://a"}
    entry = next(entry for entry in made["metadata"]["managedFields"] if entry["manager"] == "me")
    assert (entry["subresource"], entry["fieldsV1"]) == ("status", {"f:status": {"f:url": {}}})


def test_a_name_that_exists_no_more_is_told_when_its_uid_is_applied(ask: Callable) -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "uid": "1"}}
    path = "/api/v1/namespaces/default/configmaps/a?fieldManager=me"
    answer = ask("PATCH", path, json.dumps(config), content_type="application/apply-patch+yaml")
    assert (answer.status_code, "uid mismatch" in answer.json()["message"]) == (409, True)


def test_resources_at_their_limits_are_stored(ask: Callable) -> None:
    resources = {"requests": {"cpu": "1000m", GPU: 1}, "limits": {"cpu": 1, "memory": "1Gi", GPU: "1"}}
    answer = ask("POST", ISVCS, service(resources=resources))
    assert (answer.status_code, answer.json()["spec"]["predictor"]["model"]["resources"]) == (201, resources)


def test_a_status_that_the_controller_writes_is_owned_by_it(ask: Callable, store: Store) -> None:
    ask("POST", ISVCS, service())
    store.update_status("inferenceservices", "default", "a", {"url": "http://a"})
    entries = ask("GET", f"{ISVCS}/a").json()["metadata"]["managedFields"]
    assert ("manager", "status") in [(entry["manager"], entry.get("subresource")) for entry in entries]
