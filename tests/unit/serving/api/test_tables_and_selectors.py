"""Ages as kubectl tells them, selectors, and what a request's Accept header asks for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from modelyard.serving.api import query
from modelyard.serving.api.errors import ApiError
from modelyard.serving.api.resources import EVENTS, INFERENCESERVICES
from modelyard.serving.api.selectors import Selection, parse_fields, parse_labels
from modelyard.serving.api.tables import age
from modelyard.serving.store import Store

MINUTE, HOUR, DAY = 60, 3600, 86400


# Cases of k8s.io/apimachinery pkg/util/duration/duration_test.go (TestHumanDurationBoundaries).
@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-2, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (1, "1s"),
        (119, "119s"),
        (2 * MINUTE, "2m"),
        (2 * MINUTE + 1, "2m1s"),
        (10 * MINUTE - 1, "9m59s"),
        (10 * MINUTE, "10m"),
        (10 * MINUTE + 1, "10m"),
        (3 * HOUR - 1, "179m"),
        (3 * HOUR, "3h"),
        (3 * HOUR + MINUTE, "3h1m"),
        (8 * HOUR - 1, "7h59m"),
        (8 * HOUR, "8h"),
        (8 * HOUR + 59 * MINUTE, "8h"),
        (2 * DAY - 1, "47h"),
        (2 * DAY, "2d"),
        (2 * DAY + HOUR, "2d1h"),
        (8 * DAY - 1, "7d23h"),
        (8 * DAY, "8d"),
        (8 * DAY + 23 * HOUR, "8d"),
        (2 * 365 * DAY - 1, "729d"),
        (2 * 365 * DAY, "2y"),
        (2 * 365 * DAY + DAY, "2y1d"),
        (3 * 365 * DAY, "3y"),
        (8 * 365 * DAY - 1, "7y364d"),
        (8 * 365 * DAY, "8y"),
    ],
)
def test_an_age_reads_as_kubectl_prints_it(seconds: int, told: str) -> None:
    noon = 1_763_985_600
    assert age("2025-11-24T12:00:00Z", noon + seconds) == told


def test_an_unknown_age_is_told_as_unknown() -> None:
    assert age(None, 0.0) == "<unknown>"


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ("", {"a", "b", "none"}),
        ("team=x", {"a"}),
        ("team==x", {"a"}),
        ("team!=x", {"b", "none"}),
        ("team in (x, y)", {"a", "b"}),
        ("team notin (x)", {"b", "none"}),
        ("team", {"a", "b"}),
        ("!team", {"none"}),
        ("team in (x,y),tier=gold", {"b"}),
        ("app.example.com/part=web", set()),
    ],
)
def test_labels_are_selected_as_kubernetes_does(selector: str, selected: set[str]) -> None:
    labels = {"a": {"team": "x"}, "b": {"team": "y", "tier": "gold"}, "none": None}
    selection = Selection(parse_labels(selector))
    found = {name for name, held in labels.items() if selection.matches({"metadata": {"labels": held}})}
    assert found == selected


@pytest.mark.parametrize("selector", ["==", "a=b=c", "a in x", "a,,b", "a!", "(a)"])
def test_a_selector_that_says_nothing_is_refused(selector: str) -> None:
    with pytest.raises(ApiError) as caught:
        parse_labels(selector)
    assert caught.value.code == 400


def test_fields_select_by_name_and_events_by_what_they_are_about() -> None:
    selection = Selection(fields=parse_fields("metadata.name=a,metadata.namespace!=b", INFERENCESERVICES))
    assert selection.matches({"metadata": {"name": "a", "namespace": "c"}})
    assert not selection.matches({"metadata": {"name": "a", "namespace": "b"}})
    path = "involvedObject.apiVersion=serving.kserve.io/v1beta1,involvedObject.name=flights"
    about = {"apiVersion": "serving.kserve.io/v1beta1", "name": "flights"}
    assert Selection(fields=parse_fields(path, EVENTS)).matches({"metadata": {}, "involvedObject": about})


def test_another_field_is_refused_and_never_ignored() -> None:
    with pytest.raises(ApiError, match="field label not supported: spec\\.x"):
        parse_fields("spec.x=1", INFERENCESERVICES)


@pytest.mark.parametrize("value", ["1", "t", "T", "true", "TRUE", "True"])
def test_every_client_has_its_own_true(value: str) -> None:
    assert query.flag({"watch": value}, "watch")


@pytest.mark.parametrize("value", ["0", "f", "false", "False", ""])
def test_every_client_has_its_own_false(value: str) -> None:
    assert not query.flag({"watch": value}, "watch")


def test_a_boolean_that_is_none_is_refused() -> None:
    with pytest.raises(ApiError, match="yes"):
        query.flag({"watch": "yes"}, "watch")


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io", "table"),
        ("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1", "partial"),
        ("application/vnd.kubernetes.protobuf,application/json", "json"),
        ("application/vnd.kubernetes.protobuf", "json"),
        ("application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json", "json"),
        ("*/*", "json"),
        ("", "json"),
    ],
)
def test_the_first_form_that_is_served_is_taken(accept: str, form: str) -> None:
    assert query.representation(accept) == form


def test_dry_run_is_taken_from_the_query_and_from_the_body_of_a_delete() -> None:
    assert query.is_dry_run({"dryRun": "All"})
    assert query.is_dry_run({}, {"dryRun": ["All"]})
    assert not query.is_dry_run({}, {"propagationPolicy": "Background"})
    with pytest.raises(ApiError):
        query.is_dry_run({"dryRun": "Some"})
    with pytest.raises(ApiError):
        query.is_dry_run({}, {"dryRun": ["Some"]})


def test_a_watch_from_zero_begins_with_what_is_there() -> None:
    assert query.watch_options({}).since is None
    assert query.watch_options({"resourceVersion": "0"}).since is None
    assert query.watch_options({"resourceVersion": "12", "timeoutSeconds": "3"}) == query.WatchOptions(
        since=12, timeout_s=3.0, bookmarks=False, initial_events_end=False
    )


def test_a_watch_list_needs_its_match_rule() -> None:
    asked = {"sendInitialEvents": "true", "allowWatchBookmarks": "true", "resourceVersionMatch": "NotOlderThan"}
    options = query.watch_options(asked)
    assert options.since is None
    assert options.initial_events_end
    with pytest.raises(ApiError) as caught:
        query.watch_options({"sendInitialEvents": "true"})
    assert caught.value.code == 422


def test_a_list_of_objects_as_they_are_stored_is_the_list_of_the_objects(ask: Callable, store: Store) -> None:
    for name in ("one", "two"):
        meta = {"name": name, "namespace": "default", "labels": {"team": "é\\"}}
        store.create("configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"items": "[]"}})
    plain = ask("GET", "/api/v1/namespaces/default/configmaps").json()
    assert plain["items"] == store.list("configmaps", "default")[0]
    selected = ask("GET", "/api/v1/namespaces/default/configmaps?labelSelector=!absent").json()
    assert plain == selected
    assert ask("GET", "/api/v1/namespaces/rec/configmaps").json()["items"] == []
