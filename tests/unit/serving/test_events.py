"""The recorder of events: equal ones are counted, old ones go, a noisy object is held back."""

import pytest

from modelyard.serving.events import KEPT_EVENTS, Recorder
from modelyard.serving.store import Store, timestamp

START = 1_790_000_000.0
ISVC = {
    "apiVersion": "serving.kserve.io/v1beta1",
    "kind": "InferenceService",
    "metadata": {"name": "flights", "namespace": "default", "uid": "u-1", "resourceVersion": "7"},
}


class Clock:
    now = START

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(tmp_path, clock):
    held = Store(tmp_path / "objects.db", now=clock)
    yield held
    held.close()


@pytest.fixture
def recorder(store, clock):
    return Recorder(store, now=clock)


def events(store):
    return store.list("events")[0]


def test_an_event_names_the_object_by_all_that_kubectl_selects(store, recorder):
    recorder.event(ISVC, "Normal", "InferenceServiceReady", "InferenceService [flights] is Ready")
    (event,) = events(store)
    about = {"kind": "InferenceService", "apiVersion": "serving.kserve.io/v1beta1", "namespace": "default"}
    assert about.items() <= event["involvedObject"].items()
    assert (event["involvedObject"]["name"], event["involvedObject"]["uid"]) == ("flights", "u-1")
    assert (event["type"], event["reason"], event["count"]) == ("Normal", "InferenceServiceReady", 1)
    assert event["metadata"]["name"].startswith("flights.")


def test_equal_events_are_one_with_a_count_and_two_times(store, recorder, clock):
    for step in range(3):
        clock.now = START + 10 * step
        changed = {**ISVC, "metadata": {**ISVC["metadata"], "resourceVersion": str(step)}}
        recorder.event(changed, "Warning", "BackOff", "restarting failed container")
    (event,) = events(store)
    assert event["count"] == 3
    assert (event["firstTimestamp"], event["lastTimestamp"]) == (timestamp(START), timestamp(START + 20))


def test_another_message_is_another_event(store, recorder):
    for message in ("one", "two"):
        recorder.event(ISVC, "Normal", "Scaled", message)
    assert sorted(event["message"] for event in events(store)) == ["one", "two"]


def test_a_new_process_counts_on(store, recorder, clock):
    recorder.event(ISVC, "Warning", "BackOff", "again")
    Recorder(store, now=clock).event(ISVC, "Warning", "BackOff", "again")
    assert [event["count"] for event in events(store)] == [2]


def test_an_event_goes_one_hour_after_it_was_last_seen(store, recorder, clock):
    recorder.event(ISVC, "Normal", "Old", "old")
    clock.now += 1800
    recorder.event(ISVC, "Normal", "Lasting", "lasting")
    clock.now += 1801
    recorder.event(ISVC, "Normal", "Lasting", "lasting")
    assert [event["reason"] for event in events(store)] == ["Lasting"]
    clock.now += 3601
    recorder.prune()
    assert events(store) == []


def test_one_noisy_object_is_held_back_and_others_are_not(store, recorder, clock):
    for number in range(100):
        recorder.event(ISVC, "Normal", "Noise", f"message {number}")
    assert len(events(store)) == 25
    recorder.event({**ISVC, "metadata": {**ISVC["metadata"], "name": "quiet"}}, "Normal", "Noise", "hello")
    assert len(events(store)) == 26
    clock.now += 300
    recorder.event(ISVC, "Normal", "Noise", "after five minutes one more")
    assert len(events(store)) == 27


def test_the_number_of_events_is_bounded(store, recorder, clock, monkeypatch):
    monkeypatch.setattr("modelyard.serving.events.KEPT_EVENTS", 10)
    for number in range(30):
        clock.now += 1
        about = {"kind": "Pod", "apiVersion": "v1", "namespace": "default", "name": f"pod-{number}"}
        recorder.event(about, "Normal", "Started", "started")
    assert sorted(event["involvedObject"]["name"] for event in events(store)) == [f"pod-{n}" for n in range(20, 30)]
    assert KEPT_EVENTS == 1000


def test_an_event_that_somebody_deleted_begins_anew(store, recorder):
    recorder.event(ISVC, "Normal", "Scaled", "one")
    store.delete("events", "default", events(store)[0]["metadata"]["name"])
    recorder.event(ISVC, "Normal", "Scaled", "one")
    assert [event["count"] for event in events(store)] == [1]


def test_two_events_of_one_moment_have_two_names(store, recorder):
    for reason in ("A", "B"):
        recorder.event(ISVC, "Normal", reason, "at once")
    assert len({event["metadata"]["name"] for event in events(store)}) == 2


def test_a_long_message_is_cut(store, recorder):
    recorder.event(ISVC, "Normal", "Long", "x" * 5000)
    assert len(events(store)[0]["message"]) == 1024
