"""Who owns what after writes of several managers; rules as Kubernetes documents server-side apply."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.serving.api.managed_fields import (
    APPLY,
    UPDATE,
    Conflicts,
    Writer,
    after_update,
    apply,
    manager_of,
    read_owners,
    with_owners,
)
from modelyard.serving.api.schemas import schema_of

RECORDED = Path(__file__).parent / "recorded"
SCHEMA = {
    "type": "object",
    "properties": {
        "metadata": {
            "type": "object",
            "properties": {
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
            },
        },
        "spec": {"type": "object", "properties": {"a": {}, "b": {"properties": {"c": {}, "d": {}}}}},
        "status": {"type": "object"},
    },
}
NOW, LATER = "2026-11-24T00:00:00Z", "2026-11-24T00:01:00Z"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def obj(spec: dict[str, Any] | None = None, **labels: str) -> dict[str, Any]:
    made: dict[str, Any] = {"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "a"}}
    if labels:
        made["metadata"]["labels"] = labels
    return made if spec is None else {**made, "spec": spec}


def applies(live: dict, config: dict, manager: str = "me", now: str = NOW, *, force: bool = False) -> dict:
    made = apply(live, config, SCHEMA, Writer(manager, APPLY, "v1"), now, force=force)
    return {**made, "metadata": {**made["metadata"], "uid": "1"}}


def updates(live: dict | None, made: dict, manager: str = "editor", now: str = NOW, subresource: str = "") -> dict:
    if live is not None and "managedFields" not in made["metadata"]:
        meta = {**made["metadata"], "managedFields": live["metadata"].get("managedFields", [])}
        made = {**made, "metadata": meta}
    made = after_update(live, made, SCHEMA, Writer(manager, UPDATE, "v1", subresource), now)
    return {**made, "metadata": {**made["metadata"], "uid": "1"}}


def owners(made: dict) -> dict[str, set[str]]:
    """Paths by manager, written plainly."""
    return {
        writer.manager: {".".join(element[2:] for element in path) for path in held.paths}
        for writer, held in read_owners(made["metadata"].get("managedFields")).items()
    }


def test_what_was_applied_and_is_sent_no_longer_is_removed() -> None:
    live = applies(obj(), obj({"a": 1, "b": {"c": 2}}))
    made = applies(live, obj({"a": 1}))
    assert made["spec"] == {"a": 1}
    assert owners(made) == {"me": {"spec.a"}}


def test_what_another_owns_too_stays_when_one_stops_sending_it() -> None:
    live = applies(applies(obj(), obj({"a": 1})), obj({"a": 1}), "other")
    made = applies(live, obj())
    assert made["spec"] == {"a": 1}
    assert owners(made) == {"other": {"spec.a"}}


def test_what_nobody_owns_stays_beside_what_is_taken_away() -> None:
    live = applies(obj(), obj({"b": {"c": 1}}))
    live["spec"]["a"] = "set by a webhook"
    assert applies(live, obj({"b": {"d": 1}}))["spec"] == {"b": {"d": 1}, "a": "set by a webhook"}


def test_a_struct_of_which_nothing_is_sent_any_more_goes_with_its_defaults() -> None:
    live = applies(obj(), obj({"a": 1, "b": {"c": 1}}))
    live["spec"]["b"]["d"] = "a default"
    assert applies(live, obj({"a": 1}))["spec"] == {"a": 1}


def test_equal_values_are_owned_by_both() -> None:
    made = applies(applies(obj(), obj(None, team="x")), obj(None, team="x"), "other")
    assert owners(made) == {"me": {"metadata.labels.team"}, "other": {"metadata.labels.team"}}


def test_another_value_conflicts_with_whoever_applied_it() -> None:
    live = applies(obj(), obj(None, team="x"))
    with pytest.raises(Conflicts) as caught:
        applies(live, obj(None, team="y"), "other")
    message = 'Apply failed with 1 conflict: conflict with "me": .metadata.labels.team'
    assert caught.value.as_error().message == message


def test_conflicts_with_several_are_listed_by_manager() -> None:
    live = applies(obj(), obj({"a": 1}, team="x"))
    live = updates(live, {**live, "spec": {**live["spec"], "b": {"c": 1}}})
    with pytest.raises(Conflicts) as caught:
        applies(live, obj({"a": 2, "b": {"c": 2}}, team="y"), "other")
    refused = caught.value.as_error()
    assert refused.message == (
        'Apply failed with 3 conflicts: conflicts with "editor" using v1:\n- .spec.b.c\n'
        'conflicts with "me":\n- .metadata.labels.team\n- .spec.a'
    )
    assert [cause["field"] for cause in refused.details["causes"]] == [".spec.b.c", ".metadata.labels.team", ".spec.a"]


def test_force_takes_the_field_from_its_owner() -> None:
    made = applies(applies(obj(), obj(None, team="x")), obj(None, team="y"), "other", force=True)
    assert made["metadata"]["labels"] == {"team": "y"}
    assert owners(made) == {"other": {"metadata.labels.team"}}


def test_an_update_takes_what_it_changes_and_only_that() -> None:
    live = applies(obj(), obj({"a": 1, "b": {"c": 1}}))
    made = updates(live, {**live, "spec": {"a": 2, "b": {"c": 1}}})
    assert owners(made) == {"me": {"spec.b.c"}, "editor": {"spec.a"}}


def test_an_update_that_changes_nothing_owns_nothing() -> None:
    live = applies(obj(), obj({"a": 1}))
    assert updates(live, live)["metadata"] == live["metadata"]


def test_what_an_update_removes_nobody_owns() -> None:
    live = applies(obj(), obj({"a": 1, "b": {"c": 1}}))
    assert owners(updates(live, {**live, "spec": {"a": 1}})) == {"me": {"spec.a"}}


def test_a_status_is_owned_by_its_writer_through_the_subresource() -> None:
    live = updates(None, obj({"a": 1}))
    made = updates(live, {**live, "status": {"url": "x"}}, "manager", subresource="status")
    entry = next(entry for entry in made["metadata"]["managedFields"] if entry["manager"] == "manager")
    assert (entry["subresource"], entry["fieldsV1"]) == ("status", {"f:status": {".": {}, "f:url": {}}})


def test_an_object_from_before_managed_fields_is_owned_as_before_first_apply() -> None:
    live = {**obj({"a": 1}), "metadata": {"name": "a", "uid": "1"}}
    made = applies(live, obj({"b": {"c": 1}}))
    assert owners(made) == {"before-first-apply": {"spec", "spec.a"}, "me": {"spec.b.c"}}
    with pytest.raises(Conflicts):
        applies(live, obj({"a": 2}))


def test_an_update_of_such_an_object_makes_no_owner() -> None:
    live = {**obj({"a": 1}), "metadata": {"name": "a", "uid": "1"}}
    assert "managedFields" not in updates(live, {**live, "spec": {"a": 2}})["metadata"]


def test_written_managed_fields_hand_fields_over() -> None:
    live = applies(obj(), obj({"a": 1}))
    handed = [{**entry, "manager": "heir"} for entry in live["metadata"]["managedFields"]]
    made = updates(live, {**live, "metadata": {**live["metadata"], "managedFields": handed}})
    assert owners(made) == {"heir": {"spec.a"}}


def test_one_empty_entry_begins_anew() -> None:
    live = applies(obj(), obj({"a": 1}))
    assert owners(updates(live, {**live, "metadata": {**live["metadata"], "managedFields": [{}]}})) == {}


def test_kubectl_goes_over_from_client_side_apply_without_a_conflict() -> None:
    config = obj({"a": 1})
    annotated = {**config, "metadata": {"name": "a", "annotations": {LAST_APPLIED: '{"metadata":{},"spec":{"a":1}}'}}}
    live = updates(None, annotated, "kubectl-client-side-apply")
    made = applies(live, obj({"a": 2}), "kubectl")
    assert made["spec"] == {"a": 2}
    assert '"spec":{"a":2}' in made["metadata"]["annotations"][LAST_APPLIED]
    with pytest.raises(Conflicts):
        applies(live, obj({"a": 2}), "other")


def test_a_time_moves_only_when_something_was_taken() -> None:
    live = applies(obj(), obj({"a": 1}))
    assert applies(live, obj({"a": 1}), now=LATER)["metadata"]["managedFields"][0]["time"] == NOW
    assert applies(live, obj({"a": 2}), now=LATER)["metadata"]["managedFields"][0]["time"] == LATER


def test_many_updaters_become_one_so_that_the_list_does_not_grow() -> None:
    live = updates(None, obj({"a": 0}))
    for number in range(30):
        labels = {**live["metadata"].get("labels", {}), f"l{number}": "x"}
        made = {**live, "metadata": {**live["metadata"], "labels": labels}}
        live = updates(live, made, f"agent-{number}", f"2026-11-24T00:00:{number:02d}Z")
    assert len(live["metadata"]["managedFields"]) == 10
    assert "metadata.labels.l0" in owners(live)["ancient-changes"]


def test_without_a_field_manager_the_user_agent_says_who_it_is() -> None:
    assert manager_of("", "kubectl/v1.32.5 (linux/amd64)") == "kubectl"
    assert manager_of("me", "kubectl/v1.32.5") == "me"
    assert len(manager_of("", "a" * 500)) == 128


WRITES = st.lists(
    st.tuples(
        st.sampled_from(["apply", "force", "update"]),
        st.sampled_from(["x", "y"]),
        st.dictionaries(st.sampled_from("abc"), st.sampled_from("12"), max_size=3),
    ),
    max_size=12,
)


@settings(deadline=None)
@given(WRITES)
def test_any_sequence_of_writes_of_labels_follows_the_rules_one_label_at_a_time(writes: list) -> None:
    """Beside a model that knows labels only: value and owners by label."""
    live, values, held = updates(None, obj({"a": 1}), "maker"), {}, {}
    for way, manager, labels in writes:
        if way == "update":
            made = with_labels(live, {**values, **labels})
            live = updates(live, made, manager)
            for key, value in labels.items():
                if values.get(key) != value:
                    held[key] = {(manager, UPDATE)}
            values = {**values, **labels}
            continue
        me = (manager, APPLY)
        conflicts = [k for k, v in labels.items() if values.get(k, v) != v and held[k] - {me}]
        if conflicts and way == "apply":
            with pytest.raises(Conflicts) as caught:
                applies(live, obj(None, **labels), manager)
            assert {path[-1][2:] for _, path in caught.value.held} == set(conflicts)
            continue
        live = applies(live, obj(None, **labels), manager, force=way == "force")
        for key, value in labels.items():
            kept = held.get(key, set()) if values.get(key) == value else set()
            values[key], held[key] = value, kept | {me}
        for key in [key for key in values if me in held[key] and key not in labels]:
            held[key] -= {me}
            if not held[key]:
                del values[key], held[key]
        assert (live["metadata"].get("labels") or {}) == values
    found: dict[str, set] = {}
    for writer, owned in read_owners(live["metadata"]["managedFields"]).items():
        for path in owned.paths:
            if path[:2] == ("f:metadata", "f:labels") and len(path) == 3:
                found.setdefault(path[2][2:], set()).add((writer.manager, writer.operation))
    assert found == held


def with_labels(live: dict, labels: dict[str, str]) -> dict:
    return {**live, "metadata": {**live["metadata"], "labels": labels}} if labels else live


def test_entries_that_are_none_are_passed_over() -> None:
    managed = [None, {"operation": "Steal"}, {"manager": "me", "operation": "Apply", "fieldsV1": {"f:a": {}}}]
    assert [writer.manager for writer in read_owners(managed)] == ["me"]
    assert with_owners(obj(), {}) == obj()


def changes_on_a_cluster() -> list[tuple[dict, dict]]:
    """An InferenceService before and after each of its recorded writes; its deletion is none, and owns nothing."""
    objects = json.loads((RECORDED / "managed-fields.json").read_text("utf-8"))["objects"]
    return list(pairwise(made for made in objects if "deletionTimestamp" not in made["metadata"]))


@pytest.mark.parametrize(("before", "made"), changes_on_a_cluster())
def test_owners_after_each_change_on_a_cluster_are_those_that_it_told(before: dict, made: dict, recorded: dict) -> None:
    written = made["metadata"]["managedFields"]
    new = next((entry for entry in written if entry not in before["metadata"]["managedFields"]), None)
    # Where no entry changed, the controller wrote a status of the same fields within the same second.
    entry = new or next(entry for entry in written if entry.get("subresource") == "status")
    writer = Writer(entry["manager"], entry["operation"], entry["apiVersion"], entry.get("subresource", ""))
    if writer.operation == APPLY:
        config = json.loads(recorded["apply/server-side"]["request"]["body"])
        found = apply(before, config, schema_of("inferenceservices"), writer, entry["time"], force=True)
    else:
        sent = {**made, "metadata": {**made["metadata"], "managedFields": before["metadata"]["managedFields"]}}
        found = after_update(before, sent, schema_of("inferenceservices"), writer, entry["time"])
    assert found["metadata"]["managedFields"] == written
    assert found["spec"] == made["spec"]
