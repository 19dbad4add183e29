"""Secrets, config maps, service accounts and namespaces: what is stored, refused, and goes along."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from modelyard.serving.store import Store

V1 = "/api/v1/namespaces/default"
MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"


def secret(name: str = "s", **fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, **fields}


def config_map(**fields: Any) -> dict[str, Any]:
    return {"metadata": {"name": "c"}, **fields}


def account(*secrets: str) -> dict[str, Any]:
    return {"metadata": {"name": "bot"}, "secrets": [{"name": name} for name in secrets]}


def made(ask: Callable, path: str, obj: dict) -> dict:
    answer = ask("POST", path, obj)
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_plain_values_of_a_secret_become_base64_and_win_over_data(ask: Callable) -> None:
    stored = made(ask, f"{V1}/secrets", secret(data={"a": "eA==", "b": "eA=="}, stringData={"a": "word"}))
    assert stored["data"] == {"a": "d29yZA==", "b": "eA=="}
    assert "stringData" not in stored
    assert stored["type"] == "Opaque"


def test_what_is_no_base64_is_refused_in_the_words_of_gos_decoder(ask: Callable) -> None:
    answer = ask("POST", f"{V1}/secrets", secret(data={"a": "not base64!"}))
    assert answer.status_code == 400
    wanted = 'Secret in version "v1" cannot be handled as a Secret: illegal base64 data at input byte 3'
    assert answer.json()["message"] == wanted


def test_plain_keys_that_kserves_set_credentials_sends_as_data_can_be_read(ask: Callable) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "yard0123456789abcdef", "AWS_SECRET_ACCESS_KEY": "+plain/text"}
    obj = {"metadata": {"generateName": "kserve-secret-"}, "data": keys}
    stored = made(ask, f"{V1}/secrets", obj)
    assert stored["metadata"]["name"].startswith("kserve-secret-")
    assert stored["data"]["AWS_ACCESS_KEY_ID"] == "eWFyZDAxMjM0NTY3ODlhYmNkZWY="
    assert stored["data"]["AWS_SECRET_ACCESS_KEY"] == "K3BsYWluL3RleHQ="


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"data": {"a b": ""}}, "data[a b]"),
        ({"type": "kubernetes.io/tls", "data": {"tls.crt": ""}}, "data[tls.key]"),
        ({"type": "kubernetes.io/dockerconfigjson"}, "data[.dockerconfigjson]"),
        ({"stringData": {"a": "x" * 1_048_600}}, "data"),
    ],
)
def test_a_secret_that_breaks_a_rule_is_refused_with_the_field(ask: Callable, fields: dict, field: str) -> None:
    answer = ask("POST", f"{V1}/secrets", secret(**fields))
    assert answer.status_code == 422
    assert [cause["field"] for cause in answer.json()["details"]["causes"]] == [field]


def test_a_secret_keeps_its_type_and_an_immutable_one_its_data(ask: Callable) -> None:
    made(ask, f"{V1}/secrets", secret(immutable=True, stringData={"a": "b"}))
    for change, told in (
        ({"type": "other"}, "type: Invalid value"),
        ({"data": {"a": "eA=="}}, "data: Forbidden: field is immutable when `immutable` is set"),
        ({"immutable": False}, "immutable: Forbidden"),
    ):
        answer = ask("PATCH", f"{V1}/secrets/s", change, content_type=MERGE)
        assert (answer.status_code, told in answer.json()["message"]) == (422, True)
    assert ask("PATCH", f"{V1}/secrets/s", {"metadata": {"labels": {"a": "b"}}}, content_type=MERGE).status_code == 200


def test_a_config_map_holds_a_key_once(ask: Callable) -> None:
    answer = ask("POST", f"{V1}/configmaps", config_map(data={"a": "x"}, binaryData={"a": "eA=="}))
    assert answer.json()["details"]["causes"][0]["field"] == "data[a]"
    refused = ask("POST", f"{V1}/configmaps", config_map(data={"a": 1}))
    assert refused.status_code == 400
    assert "cannot unmarshal number into Go struct field" in refused.json()["message"]


def test_a_strategic_merge_adds_secrets_by_name_and_a_merge_patch_replaces_the_list(ask: Callable) -> None:
    made(ask, f"{V1}/serviceaccounts", account("one"))
    path = f"{V1}/serviceaccounts/bot"
    added = ask("PATCH", path, {"secrets": [{"name": "two"}]}, content_type=STRATEGIC).json()
    assert [item["name"] for item in added["secrets"]] == ["one", "two"]
    gone = ask("PATCH", path, {"secrets": [{"name": "one", "$patch": "delete"}]}, content_type=STRATEGIC).json()
    assert [item["name"] for item in gone["secrets"]] == ["two"]
    replaced = ask("PATCH", path, {"secrets": [{"name": "three"}]}, content_type=MERGE).json()
    assert [item["name"] for item in replaced["secrets"]] == ["three"]


@pytest.mark.parametrize("patch", [{"secrets": [{"kind": "Secret"}]}, {"secrets": ["x"]}, {"$patch": "steal"}, []])
def test_a_strategic_merge_that_is_none_is_refused(ask: Callable, patch: Any) -> None:
    made(ask, f"{V1}/serviceaccounts", account("one"))
    answer = ask("PATCH", f"{V1}/serviceaccounts/bot", patch, content_type=STRATEGIC)
    assert (answer.status_code, answer.json()["reason"]) == (400, "BadRequest")


def test_an_inference_service_takes_no_strategic_merge(ask: Callable) -> None:
    path = "/apis/serving.kserve.io/v1beta1/namespaces/default/inferenceservices/a"
    assert ask("PATCH", path, {}, content_type=STRATEGIC).status_code in (404, 415)


def test_a_new_namespace_has_a_service_account_and_takes_everything_with_it_when_it_goes(
    ask: Callable, store: Store
) -> None:
    stored = made(ask, "/api/v1/namespaces", {"metadata": {"name": "team"}})
    assert stored["metadata"]["labels"] == {"kubernetes.io/metadata.name": "team"}
    assert ask("GET", "/api/v1/namespaces/team/serviceaccounts/default").status_code == 200
    made(ask, "/api/v1/namespaces/team/secrets", secret())
    made(ask, "/api/v1/namespaces/team/configmaps", config_map())
    gone = ask("DELETE", "/api/v1/namespaces/team").json()
    assert gone["status"] == {"phase": "Terminating"}
    assert "deletionTimestamp" in gone["metadata"]
    assert ask("GET", "/api/v1/namespaces/team").status_code == 404
    assert [store.list(kind, "team")[0] for kind in ("secrets", "configmaps", "serviceaccounts")] == [[], [], []]
    refused = ask("POST", "/api/v1/namespaces/team/secrets", secret())
    assert refused.json()["message"] == 'namespaces "team" not found'


def test_a_dry_run_makes_and_deletes_no_namespace(ask: Callable, store: Store) -> None:
    before = store.version
    assert ask("POST", "/api/v1/namespaces?dryRun=All", {"metadata": {"name": "team"}}).status_code == 201
    assert ask("DELETE", "/api/v1/namespaces/rec", {"dryRun": ["All"]}).status_code == 200
    assert store.version == before


def test_the_namespaces_of_every_cluster_stay(ask: Callable) -> None:
    answer = ask("DELETE", "/api/v1/namespaces/default")
    assert (answer.status_code, answer.json()["reason"]) == (403, "Forbidden")
    assert answer.json()["message"] == 'namespaces "default" is forbidden: this namespace may not be deleted'


def test_a_namespaces_name_has_no_dots(ask: Callable) -> None:
    answer = ask("POST", "/api/v1/namespaces", {"metadata": {"name": "a.b"}})
    assert "a lowercase RFC 1123 label" in answer.json()["message"]


def test_a_table_counts_what_is_inside(ask: Callable) -> None:
    made(ask, f"{V1}/secrets", secret(stringData={"a": "b", "c": "d"}))
    made(ask, f"{V1}/configmaps", config_map(data={"a": "b"}, binaryData={"b": "eA=="}))
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io"
    rows = {
        plural: ask("GET", f"{V1}/{plural}", accept=accept).json()["rows"][0]["cells"][:-1]
        for plural in ("secrets", "configmaps")
    }
    assert rows == {"secrets": ["s", "Opaque", 2], "configmaps": ["c", 2]}


def test_secrets_are_found_by_type(ask: Callable) -> None:
    made(ask, f"{V1}/secrets", secret("one", type="mine"))
    made(ask, f"{V1}/secrets", secret("two"))
    listed = ask("GET", f"{V1}/secrets?fieldSelector=type%3Dmine").json()["items"]
    assert [item["metadata"]["name"] for item in listed] == ["one"]


def test_a_list_is_put_into_the_order_that_is_asked_for(ask: Callable) -> None:
    made(ask, f"{V1}/serviceaccounts", account("one", "two", "three"))
    patch = {"secrets": [{"name": "four"}], "$setElementOrder/secrets": [{"name": name} for name in ("four", "two")]}
    ordered = ask("PATCH", f"{V1}/serviceaccounts/bot", patch, content_type=STRATEGIC).json()
    assert [item["name"] for item in ordered["secrets"]] == ["four", "two", "one", "three"]


def test_finalizers_are_added_and_taken_away_by_value(ask: Callable) -> None:
    path = f"{V1}/configmaps/c"
    made(ask, f"{V1}/configmaps", {"metadata": {"name": "c", "finalizers": ["a.b/one"]}})
    added = ask("PATCH", path, {"metadata": {"finalizers": ["a.b/two"]}}, content_type=STRATEGIC).json()
    assert added["metadata"]["finalizers"] == ["a.b/one", "a.b/two"]
    patch = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a.b/one"]}}
    assert ask("PATCH", path, patch, content_type=STRATEGIC).json()["metadata"]["finalizers"] == ["a.b/two"]


def test_a_map_is_replaced_or_cut_down_to_the_keys_that_are_retained(ask: Callable) -> None:
    made(ask, f"{V1}/configmaps", config_map(data={"a": "1", "b": "2", "c": "3"}))
    path = f"{V1}/configmaps/c"
    kept = ask("PATCH", path, {"data": {"$retainKeys": ["a", "b"], "a": "4"}}, content_type=STRATEGIC).json()
    assert kept["data"] == {"a": "4", "b": "2"}
    replaced = ask("PATCH", path, {"data": {"$patch": "replace", "z": "9"}}, content_type=STRATEGIC).json()
    assert replaced["data"] == {"z": "9"}
    assert "data" not in ask("PATCH", path, {"data": None}, content_type=STRATEGIC).json()
