"""What is acknowledged is durable; what is no prediction is acknowledged too; strangers are refused."""

from __future__ import annotations

import json
import random
import threading
import time

import httpx
import psutil
import pytest

from modelyard.waiting import wait_until

REQUEST = {"instances": [{"dewp": 1.0}, {"dewp": 2.0}]}


def send_until_killed(monitor, kit, name: str, acknowledged: list[tuple[str, str]]) -> None:
    """Send halves as fast as they are taken; write down each one that was acknowledged."""
    response = {"predictions": kit["predictions"](["early", "late"])}
    with httpx.Client(base_url=monitor.address, timeout=10, trust_env=False) as http:
        for at in range(100_000):
            for kind, body in (("request", REQUEST), ("response", response)):
                identity = f"{name}-{at}"
                headers = monitor.headers(identity, kind, version="1", run_id="")
                try:
                    answer = http.post(monitor.events_path, content=json.dumps(body).encode(), headers=headers)
                except httpx.HTTPError:
                    return
                if answer.status_code == 202:
                    acknowledged.append((identity, kind))


def test_each_acknowledged_event_is_there_after_kills_under_load(monitor, kit):
    acknowledged: list[tuple[str, str]] = []
    pause = random.Random(7)
    for life in range(4):
        names = [f"life{life}-sender{at}" for at in range(5)]
        senders = [
            threading.Thread(target=send_until_killed, args=(monitor, kit, name, acknowledged)) for name in names
        ]
        before = len(acknowledged)
        for sender in senders:
            sender.start()
        kill_at = before + pause.randint(50, 300)
        wait_until(lambda at=kill_at: len(acknowledged) > at, what="events", deadline_s=30, interval_s=0.001)
        monitor.kill()
        for sender in senders:
            sender.join()
        monitor.start()
    kept = {row["id"] for row in monitor.rows()}
    pairs = {identity for identity, kind in acknowledged if kind == "response"}
    assert len(pairs) > 50
    assert pairs <= kept
    assert len(monitor.rows()) == 2 * len(kept) == monitor.version()["rows"]
    outcomes = {k: v for k, v in monitor.metrics().items() if k.startswith("modelyard_monitor_events_total")}
    assert sum(outcomes.values()) >= len(acknowledged)


def test_events_that_are_no_predictions_are_acknowledged_and_counted(monitor):
    assert monitor.send("get", "request", b"") == 202
    assert monitor.send("get", "response", b'{"ready":true}') == 202
    assert monitor.send("cut", "request", b'{"instances":') == 202
    assert monitor.send("iris", "request", {"instances": [[6.8, 2.8, 4.8, 1.4]]}) == 202
    assert monitor.send("iris", "response", {"predictions": [1]}) == 202
    assert monitor.metrics()['modelyard_monitor_events_total{outcome="ignored"}'] == 5
    assert monitor.status()["versions"] == []
    assert monitor.status()["backlog"] == {"events": 0, "windows": 0}


def test_halves_in_any_order_and_twice_make_one_pair(monitor, kit):
    response = {"predictions": kit["predictions"](["early", "late"])}
    for kind, body in (("response", response), ("response", response), ("request", REQUEST), ("request", REQUEST)):
        assert monitor.send("a", kind, body) == 202
    held = monitor.metrics()
    by_outcome = {name: held[f'modelyard_monitor_events_total{{outcome="{name}"}}'] for name in ("pair", "duplicate")}
    assert by_outcome == {"pair": 1, "duplicate": 2}
    rows = monitor.rows(inferenceservice="flights", model_version="1")
    assert [(r["id"], r["row"], r["class"], r["features"], r["truth"]) for r in rows] == [
        ("a", 0, "early", {"dewp": 1.0}, None),
        ("a", 1, "late", {"dewp": 2.0}, None),
    ]
    assert rows[0]["probabilities"] == {"early": 0.7, "on_time": 0.1, "late": 0.1, "very_late": 0.1}


def test_a_prediction_without_annotations_is_counted_under_no_version(monitor, kit):
    for kind, body in (("request", REQUEST), ("response", {"predictions": kit["predictions"](["early", "late"])})):
        headers = monitor.headers("a", kind, version="", run_id="")
        del headers["ce-annotations"]
        answer = monitor.http.post(monitor.events_path, content=json.dumps(body).encode(), headers=headers)
        assert answer.status_code == 202
    version = monitor.version("")
    assert version["rows"] == 2 and version["config"]["state"] == "none"


def test_a_batch_of_events_is_taken_whole(monitor, kit):
    common = {"specversion": "1.0", "source": "x", "namespace": "default", "inferenceservicename": "flights"}
    kind = "org.kubeflow.serving.inference."
    events = [
        {**common, "id": "a", "type": f"{kind}request", "data": REQUEST},
        {**common, "id": "a", "type": f"{kind}response", "data": {"predictions": kit["predictions"](["late", "late"])}},
    ]
    headers = {"content-type": "application/cloudevents-batch+json"}
    assert monitor.http.post(monitor.events_path, json=events, headers=headers).status_code == 202
    assert len(monitor.rows()) == 2


@pytest.mark.parametrize("path", ["/events/", "/events/guess", "/events/guess/more"])
def test_a_wrong_path_is_not_found(monitor, path):
    headers = monitor.headers("a", "request", version="1", run_id="")
    assert monitor.http.post(path, content=b"{}", headers=headers).status_code == 404


def test_posts_want_the_token(monitor):
    bodies = {"/truth": {"truths": []}, "/alerts": {"alerts": []}}
    bodies["/phase"] = {"namespace": "default", "inferenceservice": "flights", "name": "july"}
    for path, body in bodies.items():
        assert monitor.http.post(path, json=body).status_code == 401
        assert monitor.post(path, body, token="guess").status_code == 401
        assert monitor.post(path, body).status_code == 200


def test_what_cannot_be_read_is_refused_with_what_is_wanted(monitor):
    assert monitor.send("", "request", b"") == 400
    for path, body in (
        ("/truth", {"truths": [{"id": "a", "row": -1, "class": "early"}]}),
        ("/truth", {"truths": {"a": "early"}}),
        ("/truth", []),
        ("/phase", {"namespace": "default"}),
        ("/alerts", {"alerts": "x"}),
    ):
        answer = monitor.post(path, body)
        assert answer.status_code == 422 and "must be" in answer.json()["error"]
    assert monitor.http.get("/windows", params={"kind": "other"}).status_code == 422
    assert monitor.http.get("/rows", params={"after": "x"}).status_code == 422


def test_a_store_that_cannot_write_acknowledges_nothing_and_goes_on_when_it_can_again(monitor, kit):
    assert monitor.send("before", "request", REQUEST) == 202
    process = psutil.Process(monitor.process.pid)
    soft, hard = process.rlimit(psutil.RLIMIT_FSIZE)
    process.rlimit(psutil.RLIMIT_FSIZE, (4096, hard))
    assert monitor.send("refused", "request", REQUEST) == 503
    assert monitor.http.get("/healthz").status_code == 503
    assert monitor.post("/truth", {"truths": [{"id": "before", "row": 0, "class": "early"}]}).status_code == 503
    process.rlimit(psutil.RLIMIT_FSIZE, (soft, hard))
    assert monitor.is_healthy()
    response = {"predictions": kit["predictions"](["early", "late"])}
    for identity in ("before", "refused"):
        assert monitor.send(identity, "response", response) == 202
    assert {(row["id"], row["truth"]) for row in monitor.rows()} == {("before", None)}


def test_sigterm_ends_it_at_once_and_in_order(monitor):
    monitor.send("a", "request", REQUEST)
    began = time.monotonic()
    assert monitor.stop() == 0
    assert time.monotonic() - began < 10


def test_a_second_monitor_over_the_same_folder_says_no(monitor):
    second = monitor.spawn()
    assert second.wait(30) == 1
    assert "another monitor runs over" in monitor.log.read_text()
    assert monitor.is_healthy()
