"""What a watcher is sent, line by line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable

import pytest

from modelyard.serving.api import watch
from modelyard.serving.api.query import JSON, TABLE, WatchOptions
from modelyard.serving.api.representations import Encoder
from modelyard.serving.api.resources import INFERENCESERVICES
from modelyard.serving.api.selectors import Selection, parse_fields, parse_labels
from modelyard.serving.store import Store

KIND = "inferenceservices"


def isvc(name: str, namespace: str = "default", **labels: str) -> dict:
    meta = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "metadata": meta, "spec": {}}


def options(since: int | None = None, timeout_s: float | None = 0.05, **more: bool) -> WatchOptions:
    return WatchOptions(since, timeout_s, more.get("bookmarks", False), more.get("initial_events_end", False))


def watched(form: str = JSON, labels: str = "", fields: str = "", namespace: str | None = "default") -> watch.Watched:
    selection = Selection(parse_labels(labels), parse_fields(fields, INFERENCESERVICES))
    return watch.Watched(KIND, namespace, selection, Encoder(INFERENCESERVICES, form))


def told(lines: list[bytes]) -> list[tuple[str, str]]:
    events = [json.loads(line) for line in lines]
    return [(event["type"], event["object"]["metadata"].get("name", "")) for event in events]


async def lines_of(stream: AsyncIterator[bytes]) -> list[bytes]:
    return [line async for line in stream]


def follow(
    store: Store, seen: watch.Watched, asked: WatchOptions, act: Callable[[], object] | None = None
) -> list[bytes]:
    """All lines of a watch that is open while `act` happens."""

    async def scene() -> list[bytes]:
        task = asyncio.create_task(lines_of(watch.stream(store, seen, asked)))
        await asyncio.sleep(0)
        if act:
            act()
        return await asyncio.wait_for(task, 10)

    return asyncio.run(scene())


def test_a_watch_without_a_version_begins_with_what_is_there(store: Store) -> None:
    store.create(KIND, isvc("a"))
    store.create(KIND, isvc("elsewhere", "team"))
    assert told(follow(store, watched(), options(), lambda: store.create(KIND, isvc("b")))) == [
        ("ADDED", "a"),
        ("ADDED", "b"),
    ]


def test_a_watch_from_a_version_begins_after_it(store: Store) -> None:
    store.create(KIND, isvc("a"))
    since = store.version
    store.create(KIND, isvc("b"))
    assert told(follow(store, watched(), options(since))) == [("ADDED", "b")]


def test_a_watch_of_a_namespace_sees_no_other(store: Store) -> None:
    since = store.version
    store.create(KIND, isvc("elsewhere", "team"))
    store.create(KIND, isvc("a"))
    assert told(follow(store, watched(), options(since))) == [("ADDED", "a")]


def test_a_watch_of_all_namespaces_sees_each(store: Store) -> None:
    since = store.version
    store.create(KIND, isvc("a"))
    store.create(KIND, isvc("b", "team"))
    assert told(follow(store, watched(namespace=None), options(since))) == [("ADDED", "a"), ("ADDED", "b")]


def test_a_watch_ends_after_its_timeout_without_a_word(store: Store) -> None:
    assert follow(store, watched(), options(timeout_s=0.01)) == []


def test_a_version_that_is_compacted_away_is_one_error(store: Store, recorded: dict) -> None:
    event = json.loads(follow(store, watched(), options(since=1))[0])
    wanted = recorded["watch/too-old"]["response"]["body"]
    floor = event["object"]["message"].split("(")[1]
    wanted["object"]["message"] = f"too old resource version: 1 ({floor}"
    assert event == wanted


def test_a_watch_list_ends_its_first_events_with_a_bookmark(store: Store) -> None:
    store.create(KIND, isvc("a"))
    asked = options(bookmarks=True, initial_events_end=True)
    added, bookmark = (json.loads(line) for line in follow(store, watched(), asked)[:2])
    assert added["type"] == "ADDED"
    assert bookmark["type"] == "BOOKMARK"
    assert bookmark["object"]["metadata"] == {
        "resourceVersion": str(store.version),
        "annotations": {"k8s.io/initial-events-end": "true"},
    }


def test_bookmarks_come_only_to_those_who_ask(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "BOOKMARK_PERIOD_S", 0.02)
    assert {kind for kind, _ in told(follow(store, watched(), options(bookmarks=True)))} == {"BOOKMARK"}
    assert follow(store, watched(), options()) == []


def test_changes_of_other_kinds_do_not_put_bookmarks_off(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "BOOKMARK_PERIOD_S", 0.05)

    async def busy() -> list[bytes]:
        lines = watch.stream(store, watched(), options(bookmarks=True, timeout_s=1.0))

        async def change() -> None:
            for number in range(1000):
                store.create("pods", {"metadata": {"name": f"p{number}", "namespace": "default"}})
                await asyncio.sleep(0.005)

        changing = asyncio.create_task(change())
        try:
            return [await anext(lines) for _ in range(3)]
        finally:
            changing.cancel()

    bookmarks = [json.loads(line) for line in asyncio.run(busy())]
    assert {held["type"] for held in bookmarks} == {"BOOKMARK"}
    versions = [int(held["object"]["metadata"]["resourceVersion"]) for held in bookmarks]
    assert versions == sorted(set(versions))


def test_the_last_word_of_a_watch_with_bookmarks_is_where_to_go_on(store: Store) -> None:
    (last,) = follow(store, watched(), options(bookmarks=True, timeout_s=0.01))
    assert json.loads(last)["object"]["metadata"]["resourceVersion"] == str(store.version)


def test_an_object_enters_and_leaves_a_selection_by_its_label(store: Store) -> None:
    store.create(KIND, isvc("a", team="x"))
    since = store.version
    store.replace(KIND, isvc("a", team="y"))
    store.replace(KIND, isvc("a", team="y", tier="gold"))
    store.replace(KIND, isvc("a", team="x"))
    store.delete(KIND, "default", "a")
    assert told(follow(store, watched(labels="team=y"), options(since))) == [
        ("ADDED", "a"),
        ("MODIFIED", "a"),
        ("DELETED", "a"),
    ]


def test_a_watch_of_one_name_sees_only_that(store: Store) -> None:
    since = store.version
    store.create(KIND, isvc("a"))
    store.create(KIND, isvc("b"))
    assert told(follow(store, watched(fields="metadata.name=b"), options(since))) == [("ADDED", "b")]


def test_a_table_watch_has_a_table_of_one_row_in_each_event(store: Store) -> None:
    store.create(KIND, isvc("a"))
    event = json.loads(follow(store, watched(TABLE), options())[0])
    assert event["object"]["kind"] == "Table"
    assert [row["cells"][0] for row in event["object"]["rows"]] == ["a"]


def test_an_event_is_encoded_once_for_all_watchers(store: Store) -> None:
    since = store.version
    store.create(KIND, isvc("a"))
    first = follow(store, watched(), options(since))
    store.events_after(KIND, since)[0].obj["metadata"]["name"] = "not encoded again"
    assert follow(store, watched(), options(since)) == first
