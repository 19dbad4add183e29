"""Finalizers, owners and policies: when something that is deleted is gone, and what goes with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from modelyard.serving.store import Store

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
MERGE = "application/merge-patch+json"


def make(ask: Callable, name: str, owners: list[dict] | None = None, finalizers: list[str] | None = None) -> dict:
    meta: dict[str, Any] = {"name": name, "ownerReferences": owners or [], "finalizers": finalizers or []}
    answer = ask("POST", CONFIG_MAPS, {"metadata": meta})
    assert answer.status_code == 201, answer.text
    return answer.json()


def owner(obj: dict) -> dict[str, str]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "name": obj["metadata"]["name"], "uid": obj["metadata"]["uid"]}


def names(store: Store) -> list[str]:
    return [item["metadata"]["name"] for item in store.list("configmaps", "default")[0]]


def finalize(ask: Callable, name: str, finalizers: list[str]) -> Any:
    return ask("PATCH", f"{CONFIG_MAPS}/{name}", {"metadata": {"finalizers": finalizers}}, content_type=MERGE)


def test_an_object_with_a_finalizer_goes_when_the_last_one_is_taken_away(ask: Callable, store: Store) -> None:
    make(ask, "a", finalizers=["example.com/one", "example.com/two"])
    marked = ask("DELETE", f"{CONFIG_MAPS}/a").json()
    assert (marked["metadata"]["deletionGracePeriodSeconds"], names(store)) == (0, ["a"])
    again = ask("DELETE", f"{CONFIG_MAPS}/a").json()
    assert again["metadata"] == marked["metadata"]
    assert finalize(ask, "a", ["example.com/one"]).status_code == 200
    assert names(store) == ["a"]
    assert finalize(ask, "a", []).status_code == 200
    assert names(store) == []


def test_nobody_adds_a_finalizer_to_what_is_being_deleted_or_revives_it(ask: Callable, store: Store) -> None:
    make(ask, "a", finalizers=["example.com/one"])
    ask("DELETE", f"{CONFIG_MAPS}/a")
    refused = finalize(ask, "a", ["example.com/one", "example.com/late"]).json()
    assert refused["message"].endswith('found new finalizers []string{"example.com/late"}')
    ask("PATCH", f"{CONFIG_MAPS}/a", {"metadata": {"deletionTimestamp": None}}, content_type=MERGE)
    assert "deletionTimestamp" in store.get("configmaps", "default", "a")["metadata"]


def test_a_client_cannot_mark_an_object_as_deleted_by_writing_it(ask: Callable, store: Store) -> None:
    make(ask, "a")
    meta = {"deletionTimestamp": "2026-11-24T00:00:00Z"}
    ask("PATCH", f"{CONFIG_MAPS}/a", {"metadata": meta}, content_type=MERGE)
    ask("POST", CONFIG_MAPS, {"metadata": {"name": "b", **meta}})
    assert ["deletionTimestamp" in item["metadata"] for item in store.list("configmaps", "default")[0]] == [False] * 2


def test_what_has_no_owner_left_goes_with_the_last_one(ask: Callable, store: Store) -> None:
    first, second = make(ask, "first"), make(ask, "second")
    child = make(ask, "child", [owner(first)])
    make(ask, "grandchild", [owner(child)])
    make(ask, "shared", [owner(first), owner(second)])
    ask("DELETE", f"{CONFIG_MAPS}/first")
    assert names(store) == ["second", "shared"]


def test_orphans_stay_where_that_is_asked_for(ask: Callable, store: Store) -> None:
    make(ask, "child", [owner(make(ask, "first"))])
    ask("DELETE", f"{CONFIG_MAPS}/first", {"propagationPolicy": "Orphan"})
    assert names(store) == ["child"]


def test_a_policy_that_there_is_not_deletes_nothing(ask: Callable, store: Store) -> None:
    make(ask, "a")
    answer = ask("DELETE", f"{CONFIG_MAPS}/a?propagationPolicy=Sideways")
    assert (answer.status_code, names(store)) == (422, ["a"])
    assert answer.json()["details"]["causes"][0]["field"] == "propagationPolicy"


def test_a_collection_goes_with_what_it_owns_and_leaves_what_is_finalized(ask: Callable, store: Store) -> None:
    make(ask, "child", [owner(make(ask, "first"))])
    make(ask, "kept", finalizers=["example.com/one"])
    assert ask("DELETE", CONFIG_MAPS).status_code == 200
    assert names(store) == ["kept"]
    assert "deletionTimestamp" in store.get("configmaps", "default", "kept")["metadata"]


def test_a_precondition_that_does_not_hold_deletes_nothing(ask: Callable, store: Store) -> None:
    make(ask, "a")
    answer = ask("DELETE", f"{CONFIG_MAPS}/a", {"preconditions": {"resourceVersion": "1"}})
    assert (answer.status_code, names(store)) == (409, ["a"])
