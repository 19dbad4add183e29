"""Discovery in both forms, as recorded, and what lies outside of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest


def test_the_aggregated_form_lists_inference_services_as_recorded(ask: Callable, recorded: dict) -> None:
    call = recorded["discovery/aggregated-apis"]
    answer = ask("GET", "/apis", accept=call["request"]["accept"])
    assert answer.headers["content-type"] == call["response"]["content_type"]
    groups = {item["metadata"]["name"]: item for item in answer.json()["items"]}
    found = groups["serving.kserve.io"]["versions"][0]["resources"]
    wanted = call["response"]["body"]["items"][0]["versions"][0]["resources"]
    for resource in [*found, *wanted]:
        resource["verbs"] = sorted(resource["verbs"])
    assert found == wanted


def test_the_plain_form_lists_the_group_and_its_kinds(ask: Callable, recorded: dict) -> None:
    listed = {group["name"]: group for group in ask("GET", "/apis").json()["groups"]}
    assert listed["serving.kserve.io"]["preferredVersion"]["groupVersion"] == "serving.kserve.io/v1beta1"
    assert (
        ask("GET", "/apis/serving.kserve.io").json()["preferredVersion"]
        == (recorded["discovery/group"]["response"]["body"]["preferredVersion"])
    )
    kinds = ask("GET", "/apis/serving.kserve.io/v1beta1").json()
    assert kinds["groupVersion"] == "serving.kserve.io/v1beta1"
    assert [kind["name"] for kind in kinds["resources"]] == ["inferenceservices", "inferenceservices/status"]
    assert kinds["resources"][0]["shortNames"] == ["isvc"]


def test_core_kinds_are_listed_in_both_forms(ask: Callable) -> None:
    aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
    item = ask("GET", "/api", accept=aggregated).json()["items"][0]
    plain = ask("GET", "/api/v1").json()["resources"]
    listed = {kind["name"] for kind in plain if "/" not in kind["name"]}
    assert {kind["resource"] for kind in item["versions"][0]["resources"]} == listed
    assert {"namespaces", "events", "services"} <= {kind["name"] for kind in plain}


@pytest.mark.parametrize("path", ["/version", "/version/"])
def test_the_version_is_told_with_and_without_a_slash(path: str, ask: Callable, recorded: dict) -> None:
    told = ask("GET", path).json()
    wanted = recorded["discovery/version"]["response"]["body"]
    assert {key: told[key] for key in ("major", "minor", "gitVersion")} == {
        key: wanted[key] for key in ("major", "minor", "gitVersion")
    }


@pytest.mark.parametrize("label", ["discovery/unknown-group", "discovery/unknown-resource"])
def test_an_unknown_path_is_a_plain_404(label: str, ask: Callable, recorded: dict) -> None:
    call = recorded[label]
    answer = ask("GET", call["request"]["path"])
    assert (answer.status_code, answer.text) == (404, call["response"]["body"])
    assert answer.headers["content-type"] == call["response"]["content_type"]


@pytest.mark.parametrize("path", ["/version", "/apis", "/openapi/v3", "/nosuch", "/apis/serving.kserve.io/v1beta1"])
def test_nothing_is_told_without_the_token(path: str, ask: Callable) -> None:
    answer = ask("GET", path, token="wrong")
    assert answer.status_code == 401
    assert answer.json()["reason"] == "Unauthorized"


def test_a_kind_that_is_only_read_refuses_writing(ask: Callable) -> None:
    answer = ask("DELETE", "/api/v1/namespaces/default/events/a")
    assert (answer.status_code, answer.json()["reason"]) == (405, "MethodNotAllowed")


def test_openapi_holds_what_kubectl_looks_for(ask: Callable) -> None:
    paths = ask("GET", "/openapi/v3").json()["paths"]
    url = paths["apis/serving.kserve.io/v1beta1"]["serverRelativeURL"]
    answer = ask("GET", url)
    document = answer.json()
    one = "/apis/serving.kserve.io/v1beta1/namespaces/{namespace}/inferenceservices/{name}"
    patch = document["paths"][one]["patch"]
    named = {"group": "serving.kserve.io", "version": "v1beta1", "kind": "InferenceService"}
    assert patch["x-kubernetes-group-version-kind"] == named
    assert [parameter["name"] for parameter in patch["parameters"]] == ["fieldValidation"]
    schema = document["components"]["schemas"]["io.kserve.serving.v1beta1.InferenceService"]
    assert schema["properties"]["spec"]["properties"]["predictor"]["properties"]["minReplicas"]["type"] == "integer"
    assert "immutable" in answer.headers["cache-control"]
    assert ask("GET", url, if_none_match=answer.headers["etag"]).status_code == 304
    assert "api/v1" in paths


def test_the_plain_and_the_packed_document_are_the_same(ask: Callable) -> None:
    path = "/openapi/v3/apis/serving.kserve.io/v1beta1"
    packed = ask("GET", path, accept_encoding="gzip")
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.json() == ask("GET", path, accept_encoding="identity").json()
