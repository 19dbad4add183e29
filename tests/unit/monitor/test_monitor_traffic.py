"""Statuses as a real KServe 0.20 on Knative answered them (recorded November 2026); annotations as we set them."""

import pytest

from modelyard.monitor.traffic import (
    Observed,
    Roles,
    decide_changes,
    decide_in_traffic,
    read_revision,
    read_service,
    versions_in_traffic,
)

SERVICE = ("rec", "flights")
UID = "6770fa39-ab70-4242-9a61-89276f966f12"
ONE, TWO = "flights-predictor-00001", "flights-predictor-00002"
PREV = {"latestRevision": False, "tag": "prev", "url": "http://prev-flights-predictor.rec.example.com"}
LATEST = {"latestRevision": True}


def recorded(
    version: str, *, generation: int, observed: int, created: str, traffic: list[dict], uid: str = UID
) -> dict:
    return {
        "metadata": {
            "name": "flights",
            "namespace": "rec",
            "uid": uid,
            "generation": generation,
            "annotations": {"modelyard.dev/model-version": version},
        },
        "status": {
            "observedGeneration": observed,
            "components": {"predictor": {"latestCreatedRevision": created, "traffic": traffic}},
        },
    }


FIRST = recorded("1", generation=1, observed=1, created=ONE, traffic=[{**LATEST, "percent": 100, "revisionName": ONE}])
SPLIT = [{**LATEST, "percent": 50, "revisionName": TWO}, {**PREV, "percent": 50, "revisionName": ONE}]
CANARY = recorded("2", generation=3, observed=3, created=TWO, traffic=SPLIT)
PROMOTED = recorded(
    "2", generation=4, observed=4, created=TWO, traffic=[{**LATEST, "percent": 100, "revisionName": TWO}]
)
ROLLED_BACK = recorded(
    "2",
    generation=5,
    observed=6,
    created=TWO,
    traffic=[{**LATEST, "percent": 0, "revisionName": TWO}, {**PREV, "percent": 100, "revisionName": ONE}],
)


def after(*seen: dict) -> Observed:
    observed = Observed()
    for held in seen:
        service, view = read_service(held)
        observed.services[service] = view
        found = read_revision(held)
        if found and found[:2] not in observed.known:
            observed.known[found[:2]] = (*service, found[2])
    return observed


@pytest.mark.parametrize(
    ("seen", "one", "two"),
    [
        ((FIRST,), True, False),
        ((FIRST, CANARY), True, True),
        ((FIRST, CANARY, PROMOTED), False, True),
        ((FIRST, CANARY, ROLLED_BACK), True, False),
    ],
    ids=["deployed", "canary", "promoted", "rolled back"],
)
def test_versions_in_traffic_follow_the_rollout(seen, one, two):
    observed = after(*seen)
    assert decide_in_traffic(observed, SERVICE, "1") is one
    assert decide_in_traffic(observed, SERVICE, "2") is two


def test_a_spec_that_the_controller_has_not_seen_names_no_revision():
    ahead = recorded("2", generation=2, observed=1, created=ONE, traffic=[])
    assert read_revision(ahead) is None


def test_a_changed_annotation_does_not_rename_the_revision_that_is_still_the_newest():
    changed = recorded(
        "2", generation=1, observed=1, created=ONE, traffic=FIRST["status"]["components"]["predictor"]["traffic"]
    )
    observed = after(FIRST, changed)
    assert observed.known[UID, ONE][2] == "1"
    assert decide_in_traffic(observed, SERVICE, "1")


def test_a_service_that_the_api_never_showed_counts_as_in_traffic():
    assert decide_in_traffic(Observed(), SERVICE, "1")


def test_a_service_that_was_deleted_has_no_traffic():
    observed = after(FIRST)
    observed.services.clear()
    assert not decide_in_traffic(observed, SERVICE, "1")


def test_a_monitor_that_comes_late_into_a_canary_keeps_the_version_that_it_cannot_name():
    observed = after(CANARY)
    assert decide_in_traffic(observed, SERVICE, "1") and decide_in_traffic(observed, SERVICE, "2")


def test_a_service_that_was_made_again_does_not_inherit_revisions_by_name():
    again = recorded(
        "2", generation=1, observed=1, created=ONE, traffic=[{**LATEST, "percent": 100, "revisionName": ONE}], uid="new"
    )
    observed = after(FIRST, again)
    assert not decide_in_traffic(observed, SERVICE, "1") and decide_in_traffic(observed, SERVICE, "2")


def test_an_object_without_status_has_no_traffic_and_no_revision():
    bare = {"metadata": {"name": "flights", "namespace": "rec", "uid": UID, "generation": 1}}
    assert read_service(bare)[1].revisions == frozenset() and read_revision(bare) is None


def told_of(*seen: set[str]) -> list[tuple[str, str]]:
    """Changes that are told while these versions get traffic, one look after the other."""
    roles, told = Roles(), []
    for versions in seen:
        for change in decide_changes(roles, frozenset(versions)):
            told.append(change)
            roles = roles.after(*change)
    return told


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ([set(), {"1"}, {"1"}], [("1", "promoted")]),
        ([{"1"}, {"1", "2"}, {"1", "2"}, {"2"}], [("1", "promoted"), ("2", "canary"), ("2", "promoted")]),
        ([{"1"}, {"1", "2"}, {"1"}, {"1"}], [("1", "promoted"), ("2", "canary"), ("2", "rolled back")]),
        (
            [{"1"}, {"1", "2"}, {"1"}, {"1", "2"}],
            [("1", "promoted"), ("2", "canary"), ("2", "rolled back"), ("2", "canary")],
        ),
        ([{"1"}, {"2"}, {"1"}], [("1", "promoted"), ("2", "promoted"), ("1", "promoted")]),
        # first seen in the middle of a canary: which one is the stable one is not known
        ([{"1", "2"}, {"2"}], [("2", "promoted")]),
        ([{"1"}, set(), {"1"}], [("1", "promoted")]),
    ],
    ids=["first", "promoted", "rolled back", "again", "straight", "seen late", "away for a moment"],
)
def test_what_happened_to_a_version_is_told_once(seen, expected):
    assert told_of(*seen) == expected


def test_versions_in_the_traffic_are_known_once_every_revision_with_traffic_is():
    seen = after(FIRST)
    assert versions_in_traffic(seen, read_service(FIRST)[1]) == {"1"}
    assert versions_in_traffic(seen, read_service(CANARY)[1]) is None
    assert versions_in_traffic(after(FIRST, CANARY), read_service(CANARY)[1]) == {"1", "2"}
