"""The store's promise: windows follow from the durable order alone, whatever was killed and whenever config came."""

import json
import random
import tempfile
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.monitor.cloudevents import Event
from modelyard.monitor.queries import Reader
from modelyard.monitor.store import Store

CLASSES = ["early", "late"]
CONFIG = json.dumps(
    {
        "columns": {"numerical": ["x"], "categorical": []},
        "classes": CLASSES,
        "drift": {"window_rows": 7},
        "quality": {"window_rows": 5, "recall_below": {"early": 0.5}},
    }
).encode()
SERVICE = ("default", "flights")


def event(identity: str, kind: str, rows: int, version: str = "1") -> Event:
    request = {"instances": [{"x": float(at)} for at in range(rows)]}
    answer = {"class": "early", "probabilities": {"early": 0.75, "late": 0.25}}
    body = request if kind == "request" else {"predictions": [answer] * rows}
    return Event(identity, kind, *SERVICE, version, "run", orjson.dumps(body))


def apply(store: Store, step: tuple) -> None:
    what, *given_ = step
    if what == "event":
        store.add_event(event(*given_), 1.0)
    elif what == "truth":
        store.add_truths([tuple(given_)], 2.0)
    elif what == "phase":
        store.add_phase(*SERVICE, given_[0], 3.0)


def configure(store: Store) -> None:
    for version in store.versions.values():
        store.set_config(version, state="ready", config=CONFIG)


def opened(path: Path) -> Store:
    """A store that leaves the disk its time: nobody pulls the plug here, and it is a hundred times faster."""
    store = Store(path)
    store.db.execute("PRAGMA synchronous = OFF")
    return store


def everything(store: Store) -> dict[str, list[tuple]]:
    """All that must not depend on kills: windows, rows, labels, counts."""
    queries = {
        "windows": "SELECT version, kind, phase, first, last, number, rows, state, verdict FROM windows"
        " ORDER BY version, kind, phase, last",
        "pairs": "SELECT seq, version, id, rows FROM pairs ORDER BY seq",
        "labels": "SELECT seq, version, row_seq, truth, predicted FROM labels ORDER BY seq",
        "versions": "SELECT version, model_version, rows, truths, last_seq FROM versions ORDER BY version",
        "confusions": "SELECT version, truth, predicted, n FROM confusions ORDER BY 1, 2, 3",
        "outcomes": "SELECT outcome, n FROM outcomes ORDER BY outcome",
    }
    return {name: [tuple(row) for row in store.db.execute(query)] for name, query in queries.items()}


def story(seed: int) -> list[tuple]:
    """A few dozen calls of two versions with truths, early, late, twice and for nobody, in random order."""
    rng = random.Random(seed)
    steps: list[tuple] = []
    for at in range(12):
        rows, version = rng.randint(1, 9), rng.choice("112")
        steps += [("event", f"id{at}", "request", rows, version), ("event", f"id{at}", "response", rows, version)]
        steps += [("truth", f"id{at}", row, rng.choice(CLASSES)) for row in range(rows) if rng.random() < 0.8]
    steps += [*rng.sample(steps, 6), ("truth", "nobody", 0, "early"), ("truth", "id0", 99, "early")]
    rng.shuffle(steps)
    for name in ("july", "august"):
        steps.insert(rng.randrange(len(steps)), ("phase", name))
    return steps


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_kills_and_a_late_configuration_change_no_window_no_row_and_no_count(seed):
    steps, rng = story(seed), random.Random(seed + 1)
    with tempfile.TemporaryDirectory() as folder:
        straight = opened(Path(folder) / "straight.db")
        for step in steps:
            apply(straight, step)
            configure(straight)
        killed = opened(Path(folder) / "killed.db")
        configured_at = rng.randrange(len(steps))
        for at, step in enumerate(steps):
            apply(killed, step)
            if at >= configured_at:
                configure(killed)
            if rng.random() < 0.3:
                killed.close()
                killed = opened(Path(folder) / "killed.db")
        assert everything(killed) == everything(straight)
        straight.close()
        killed.close()


@pytest.fixture
def store(tmp_path):
    held = Store(tmp_path / "monitor.db")
    yield held
    held.close()


def send(store: Store, identity: str, rows: int, version: str = "1") -> None:
    for kind in ("request", "response"):
        store.add_event(event(identity, kind, rows, version), 1.0)


def windows(store: Store, kind: str = "") -> list[tuple]:
    held = Reader(store.path).windows(kind=kind, state="")
    return [(w["kind"], w["number"], w["phase"], w["first_seq"], w["last_seq"], w["state"]) for w in held]


def test_a_window_never_mixes_two_phases(store):
    send(store, "a", 7)
    configure(store)
    send(store, "b", 5)
    assert store.add_phase(*SERVICE, "july", 2.0) == 1
    send(store, "c", 7)
    assert windows(store) == [
        ("drift", 1, "", 1, 7, "waiting"),
        ("drift", 2, "july", 14, 20, "waiting"),
    ]


def test_a_phase_of_one_service_leaves_the_windows_of_another_alone(store):
    send(store, "a", 3)
    configure(store)
    assert store.add_phase("default", "other", "july", 2.0) == 0
    send(store, "b", 4)
    assert windows(store) == [("drift", 1, "", 1, 8, "waiting")]


def test_truth_of_the_phase_before_does_not_enter_a_window_of_this_one(store):
    send(store, "a", 5)
    configure(store)
    store.add_phase(*SERVICE, "july", 2.0)
    send(store, "b", 5)
    store.add_truths([("b", row, "late") for row in range(4)], 3.0)
    store.add_truths([("a", row, "early") for row in range(5)], 4.0)
    store.add_truths([("b", 4, "late")], 5.0)
    held = Reader(store.path).windows(kind="quality")
    assert [(w["phase"], w["accuracy"]) for w in held] == [("", 1.0), ("july", 0.0)]


def test_truth_may_come_before_its_pair_and_twice_and_the_first_one_stays(store):
    assert store.add_truths([("a", 0, "late"), ("a", 1, "early")], 1.0) == 2
    assert store.add_truths([("a", 0, "early")], 1.0) == 0
    send(store, "a", 2)
    version = Reader(store.path).versions()[0]
    assert version.truths == 2
    assert version.confusions == {("late", "early"): 1, ("early", "early"): 1}


def test_a_drift_window_is_finished_once(store):
    send(store, "a", 14)
    configure(store)
    measured = {"distances": {"x": 9.0}, "prediction": {"early": 1.0}, "report": "/reports/a"}
    store.finish_drift(1, 7, measured, 1.0)
    store.finish_drift(1, 7, {**measured, "distances": {"x": 0.0}}, 1.0)
    store.finish_drift(1, 14, measured, 1.0)
    assert [w["breaches_in_a_row"] for w in Reader(store.path).windows()] == [1, 2]
    store.fail_drift(1, 14, "too late")
    assert [w["state"] for w in Reader(store.path).windows(state="")] == ["done", "done"]


def test_a_window_that_failed_leaves_the_breaches_as_they_were(store):
    send(store, "a", 21)
    configure(store)
    warm = {"distances": {"x": 9.0}, "prediction": {}, "report": ""}
    store.finish_drift(1, 7, warm, 1.0)
    store.fail_drift(1, 14, "no values")
    store.finish_drift(1, 21, warm, 1.0)
    assert [w.get("breaches_in_a_row") for w in Reader(store.path).windows(state="")] == [1, None, 2]


def test_rows_are_read_in_the_durable_order_from_any_row_on(store):
    send(store, "a", 3)
    store.add_truths([("a", 1, "late")], 1.0)
    send(store, "b", 2)
    reader = Reader(store.path)

    def read(after: int, limit: int) -> list[tuple]:
        lines = b"".join(reader.rows(after=after, limit=limit, inferenceservice="flights")).splitlines()
        return [(r["id"], r["row"], r["features"]["x"], r["truth"]) for r in map(json.loads, lines)]

    rows = [("a", 0, 0.0, None), ("a", 1, 1.0, "late"), ("a", 2, 2.0, None), ("b", 0, 0.0, None), ("b", 1, 1.0, None)]
    assert read(0, 100) == rows
    assert read(1, 2) == rows[1:3]
    assert read(2, 100) == rows[2:]
    assert list(reader.rows(after=0, limit=10, inferenceservice="another")) == []


def test_an_alert_that_is_told_again_is_kept_once(store):
    firing = {
        "status": "firing",
        "fingerprint": "f",
        "startsAt": "t1",
        "endsAt": "",
        "labels": {"alertname": "InputDrift"},
    }
    assert store.add_alerts([firing, firing], 1.0) == 1
    assert store.add_alerts([firing, {**firing, "status": "resolved"}], 2.0) == 1
    assert store.add_alerts([{**firing, "startsAt": "t2"}], 3.0) == 1
    assert [a["status"] for a in Reader(store.path).alerts()] == ["firing", "resolved", "firing"]


def test_a_half_whose_other_half_was_lost_is_given_up_and_counted(store):
    store.add_event(event("a", "request", 3), 10.0)
    reader = Reader(store.path)
    assert reader.backlog(hoping_since=5.0)["events"] == 1
    assert reader.backlog(hoping_since=11.0)["events"] == 0
    assert store.expire_halves(10.0) == 0 and store.expire_halves(10.1) == 1
    assert reader.outcomes() == {"waiting": 1, "unpaired": 1}


def test_full_windows_of_a_version_whose_configuration_is_not_known_yet_are_backlog(store):
    send(store, "a", 25)
    reader = Reader(store.path)
    assert reader.backlog(hoping_since=0, window_rows=10)["windows"] == 2
    assert reader.backlog(hoping_since=0, window_rows=100)["windows"] == 1
    store.set_config(1, state="none", config=None)
    assert reader.backlog(hoping_since=0, window_rows=10)["windows"] == 0


def test_two_runs_under_one_version_number_are_watched_apart(store):
    send(store, "a", 2)
    for kind in ("request", "response"):
        held = event("b", kind, 3)
        store.add_event(Event(held.id, kind, *SERVICE, "1", "another run", held.body), 1.0)
    assert [(v.run_id, v.rows) for v in Reader(store.path).versions()] == [("run", 2), ("another run", 3)]


def test_a_commit_has_reached_the_disk_when_it_returns(store):
    full = 2
    assert store.db.execute("PRAGMA synchronous").fetchone()[0] == full
    assert store.db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


def test_an_inferenceservice_that_is_made_again_owes_nothing_to_the_windows_of_the_one_before(tmp_path):
    store = opened(tmp_path / "monitor.db")
    reader = Reader(tmp_path / "monitor.db")

    def serve(uid: str, *identities: str) -> None:
        store.keep_traffic({SERVICE: (uid, ["flights-predictor-00001"])})
        for identity in identities:
            apply(store, ("event", identity, "request", 7))
            apply(store, ("event", identity, "response", 7))
            configure(store)
            if waiting := reader.waiting():
                measured = {"distances": {"x": 9.0}, "prediction": {}, "report": ""}
                store.finish_drift(waiting.version, waiting.last, measured, 1.0)

    serve("first", "a", "b")
    assert reader.versions()[0].last_drift["breaches_in_a_row"] == 2
    serve("first")
    assert reader.versions()[0].last_drift["breaches_in_a_row"] == 2
    serve("second")
    assert reader.versions()[0].last_drift is None
    serve("second", "c")
    assert reader.versions()[0].last_drift["breaches_in_a_row"] == 1
    assert reader.versions()[0].windows["drift", "done"] == 3
    store.close()
