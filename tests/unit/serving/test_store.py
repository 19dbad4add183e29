"""The store: versions, generations, history and what a watcher sees."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.errors import YardError
from modelyard.serving.store import AlreadyExists, Conflict, Event, Expired, NotFound, Store

KIND = "inferenceservices"
NOON = 1_763_985_600.0  # 2025-11-24T12:00:00Z


def isvc(name: str = "flights", namespace: str = "default", **spec: object) -> dict:
    return {"metadata": {"name": name, "namespace": namespace}, "spec": spec}


@pytest.fixture
def store(tmp_path: Path):
    held = Store(tmp_path / "objects.db", now=lambda: NOON)
    yield held
    held.close()


def test_a_new_object_gets_its_identity_from_the_store(store: Store) -> None:
    sent = isvc(replicas=1)
    sent["metadata"] |= {"resourceVersion": "7", "generation": 9, "uid": "mine"}
    made = store.create(KIND, sent)
    meta = made["metadata"]
    assert meta["generation"] == 1
    assert meta["creationTimestamp"] == "2025-11-24T12:00:00Z"
    assert len(meta["uid"]) == 36
    assert meta["resourceVersion"] == str(store.version)
    assert store.get(KIND, "default", "flights") == made


def test_a_name_can_be_taken_once_in_each_namespace(store: Store) -> None:
    store.create(KIND, isvc())
    store.create(KIND, isvc(namespace="team"))
    with pytest.raises(AlreadyExists):
        store.create(KIND, isvc())


def test_only_a_change_of_the_spec_raises_the_generation(store: Store) -> None:
    made = store.create(KIND, isvc(replicas=1))
    made["metadata"]["labels"] = {"team": "a"}
    labelled = store.replace(KIND, made)
    assert labelled["metadata"]["generation"] == 1
    assert labelled["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]
    labelled["spec"]["replicas"] = 2
    assert store.replace(KIND, labelled)["metadata"]["generation"] == 2


def test_a_replace_that_changes_nothing_keeps_the_version(store: Store) -> None:
    made = store.create(KIND, isvc(replicas=1))
    assert store.replace(KIND, made) == made


def test_a_replace_keeps_the_status_and_a_status_keeps_the_spec(store: Store) -> None:
    store.create(KIND, isvc(replicas=1))
    store.update_status(KIND, "default", "flights", {"url": "http://a"})
    replaced = store.replace(KIND, {**isvc(replicas=2), "status": {"url": "http://forged"}})
    assert replaced["status"] == {"url": "http://a"}
    updated = store.update_status(KIND, "default", "flights", {"url": "http://b"})
    assert updated["spec"] == {"replicas": 2}
    assert updated["metadata"]["generation"] == 2


def test_the_same_status_again_keeps_the_version(store: Store) -> None:
    store.create(KIND, isvc())
    first = store.update_status(KIND, "default", "flights", {"url": "http://a"})
    assert store.update_status(KIND, "default", "flights", {"url": "http://a"}) == first


def test_a_writer_that_read_an_older_version_is_refused(store: Store) -> None:
    old = store.create(KIND, isvc(replicas=1))["metadata"]["resourceVersion"]
    store.replace(KIND, isvc(replicas=2))
    with pytest.raises(Conflict):
        store.replace(KIND, isvc(replicas=3), expected_version=old)
    with pytest.raises(Conflict):
        store.update_status(KIND, "default", "flights", {}, expected_version=old)


def test_identity_survives_a_replace_that_forges_it(store: Store) -> None:
    made = store.create(KIND, isvc(replicas=1))
    forged = isvc(replicas=1)
    forged["metadata"] |= {"uid": "forged", "creationTimestamp": "1970-01-01T00:00:00Z", "generation": 40}
    assert store.replace(KIND, forged) == made


def test_a_dry_run_stores_nothing(store: Store) -> None:
    before = store.version
    planned = store.create(KIND, isvc(replicas=1), dry_run=True)
    assert "resourceVersion" not in planned["metadata"]
    store.create(KIND, isvc(replicas=1))
    assert store.replace(KIND, isvc(replicas=2), dry_run=True)["metadata"]["generation"] == 2
    store.delete(KIND, "default", "flights", dry_run=True)
    assert store.get(KIND, "default", "flights")["spec"] == {"replicas": 1}
    assert store.version == before + 1


def test_what_is_not_there_is_not_found(store: Store) -> None:
    for attempt in (
        lambda: store.get(KIND, "default", "flights"),
        lambda: store.replace(KIND, isvc()),
        lambda: store.update_status(KIND, "default", "flights", {}),
        lambda: store.delete(KIND, "default", "flights"),
    ):
        with pytest.raises(NotFound):
            attempt()


def test_a_returned_object_is_the_callers_own(store: Store) -> None:
    store.create(KIND, isvc(replicas=1))["spec"]["replicas"] = 99
    store.get(KIND, "default", "flights")["spec"]["replicas"] = 99
    assert store.get(KIND, "default", "flights")["spec"]["replicas"] == 1


def test_a_deletion_has_a_version_of_its_own(store: Store) -> None:
    made = store.create(KIND, isvc())
    store.delete(KIND, "default", "flights")
    event = store.events_after(KIND, int(made["metadata"]["resourceVersion"]))[0]
    assert (event.type, event.version) == ("DELETED", store.version)
    assert event.obj["metadata"]["resourceVersion"] == str(store.version)


def test_history_and_counter_survive_a_restart(tmp_path: Path) -> None:
    first = Store(tmp_path / "objects.db")
    start = first.version
    first.create(KIND, isvc(replicas=1))
    first.create("events", isvc("other"))
    first.replace(KIND, isvc(replicas=2))
    first.close()
    second = Store(tmp_path / "objects.db")
    assert second.version == start + 3
    assert [event.type for event in second.events_after(KIND, start)] == ["ADDED", "MODIFIED"]
    assert second.create(KIND, isvc("next"))["metadata"]["resourceVersion"] == str(start + 4)
    second.close()


def test_a_watcher_that_is_too_far_back_is_told(tmp_path: Path) -> None:
    store = Store(tmp_path / "objects.db", history_events=3)
    start = store.version
    for number in range(5):
        store.create(KIND, isvc(f"a{number}"))
    with pytest.raises(Expired):
        store.events_after(KIND, start + 1)
    assert [event.version for event in store.events_after(KIND, start + 2)] == [start + 3, start + 4, start + 5]
    store.close()


def test_the_history_on_disk_stays_bounded(tmp_path: Path) -> None:
    store = Store(tmp_path / "objects.db", history_events=5)
    store.create(KIND, isvc())
    for number in range(50):
        store.update_status(KIND, "default", "flights", {"n": number})
    assert store._db.execute("SELECT count(*) FROM history").fetchone() == (5,)
    store.close()


def test_a_watcher_of_an_earlier_yard_is_told(store: Store) -> None:
    with pytest.raises(Expired):
        store.events_after(KIND, 1)
    with pytest.raises(Expired):
        store.events_after(KIND, store.version + 1)


def test_events_older_than_the_memory_come_from_disk_in_the_same_order(store: Store) -> None:
    start = store.version
    for number in range(200):
        store.create(KIND, isvc(f"a{number}"))
    names = [event.obj["metadata"]["name"] for event in store.events_after(KIND, start)]
    assert names == [f"a{number}" for number in range(200)]
    recent = store.events_after(KIND, start + 150)
    assert [event.version for event in recent] == list(range(start + 151, start + 201))


def test_watchers_wake_up_for_each_change_and_end_with_the_store(store: Store) -> None:
    async def follow() -> list[Event]:
        return [event async for event in store.watch(KIND, store.version)]

    async def scene() -> list[Event]:
        watcher = asyncio.create_task(follow())
        await asyncio.sleep(0)
        store.create(KIND, isvc(replicas=1))
        await asyncio.sleep(0)
        store.create("events", isvc("not-watched"))
        store.delete(KIND, "default", "flights")
        await asyncio.sleep(0.01)
        store.end_watches()
        return await asyncio.wait_for(watcher, 5)

    assert [event.type for event in asyncio.run(scene())] == ["ADDED", "DELETED"]


def test_a_full_disk_refuses_the_write_and_keeps_the_rest(tmp_path: Path) -> None:
    store = Store(tmp_path / "objects.db")
    store.create(KIND, isvc("small"))
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count={pages}")
    before = store.version
    with pytest.raises(sqlite3.OperationalError, match="full"):
        store.create(KIND, isvc("large", text="x" * 100_000))
    assert (store.version, store.events_after(KIND, before)) == (before, [])
    store._db.execute("PRAGMA max_page_count=100000")
    assert store.create(KIND, isvc("later"))["metadata"]["resourceVersion"] == str(before + 1)
    assert [item["metadata"]["name"] for item in store.list(KIND)[0]] == ["later", "small"]
    store.close()


def test_a_file_of_another_kind_or_of_a_newer_modelyard_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database at all, but long enough to have a header" * 10)
    with pytest.raises(YardError, match="not a store"):
        Store(tmp_path / "text.db")
    Store(tmp_path / "newer.db").close()
    with closing(sqlite3.connect(tmp_path / "newer.db")) as db:
        db.execute("PRAGMA user_version=99")
    with pytest.raises(YardError, match="format 99"):
        Store(tmp_path / "newer.db")


def test_who_waits_for_changes_goes_on_waiting_when_watches_end(store: Store) -> None:
    async def scene() -> None:
        since = store.version
        waiting = asyncio.create_task(store.changed(since))
        await asyncio.sleep(0)
        store.end_watches()
        assert await asyncio.wait_for(waiting, 5) == since
        again = asyncio.create_task(store.changed(since))
        await asyncio.sleep(0.01)
        assert not again.done()
        store.create(KIND, isvc())
        assert await asyncio.wait_for(again, 5) == since + 1

    asyncio.run(scene())


NAMES = st.sampled_from(["a", "b", "c"])
ACTIONS = st.lists(st.tuples(st.sampled_from(["create", "replace", "status", "delete"]), NAMES, st.integers(0, 3)))


@settings(max_examples=50, deadline=None)
@given(actions=ACTIONS)
def test_replaying_the_history_gives_the_list(tmp_path_factory: pytest.TempPathFactory, actions: list) -> None:
    store = Store(tmp_path_factory.mktemp("store") / "objects.db")
    start = store.version
    for action, name, number in actions:
        try:
            if action == "create":
                store.create(KIND, isvc(name, n=number))
            elif action == "replace":
                store.replace(KIND, isvc(name, n=number))
            elif action == "status":
                store.update_status(KIND, "default", name, {"n": number})
            else:
                store.delete(KIND, "default", name)
        except (AlreadyExists, NotFound):
            continue
    replayed: dict[str, dict] = {}
    versions = []
    for event in store.events_after(KIND, start):
        versions.append(event.version)
        replayed[event.obj["metadata"]["name"]] = event.obj
        if event.type == "DELETED":
            del replayed[event.obj["metadata"]["name"]]
    items, version = store.list(KIND)
    assert sorted(replayed.values(), key=lambda obj: obj["metadata"]["name"]) == items
    assert versions == list(range(start + 1, version + 1))
    store.close()
