"""kill -9 of each process of a yard in turn, under traffic: what is lost, and what may not be.

It stands after the story's tests, by its name: the yard is theirs, with a story told and a version in service.
"""

import json
import os
import secrets
import signal
import threading
from collections import Counter
from contextlib import contextmanager

import psutil
import pytest

from modelyard.endpoint import predict
from modelyard.errors import ServiceFailed
from modelyard.waiting import wait_until
from modelyard.yard.marks import find_marked
from modelyard.yard.status import observe

pytestmark = pytest.mark.timeout(600)
ROWS = 10
SERVICES = (
    "objectstore",
    "mlflow",
    "prometheus",
    "alertmanager",
    "activator",
    "envoy",
    "replicas",
    "serving",
    "monitor",
)
PATHS_OF_A_REQUEST = {"envoy"}
"""Only this stands between a client and its answer; what a replica breaks off, the activator brings to the next one."""


@pytest.fixture(scope="module", autouse=True)
def served(told, story_yard, invoke):
    """The first version in service, whatever the tests before have left."""
    again = invoke(story_yard, "demo", "--fast", "--only", "deployment")
    assert again.code == 0, again.output


@pytest.fixture
def rows(story_yard):
    cache = story_yard.conn.layout.workspace / ".cache" / "traffic"
    with next(cache.glob("heldout*.ndjson")).open() as lines:
        return [json.loads(line)["features"] for _, line in zip(range(ROWS), lines, strict=False)]


@contextmanager
def steady_traffic(yard, rows):
    """Requests one after the other; a Counter of answered and failed ones."""
    counted, ended, run = Counter(), threading.Event(), secrets.token_hex(6)

    def send():
        while not ended.is_set():
            try:
                predict(yard.conn, "flights", rows, ce_id=f"{run}-{sum(counted.values())}")
                counted["answered"] += 1
            except ServiceFailed:
                counted["failed"] += 1

    sender = threading.Thread(target=send)
    sender.start()
    try:
        wait_until(lambda: counted["answered"] >= 20, what="traffic", deadline_s=120)
        yield counted
        done = counted["answered"] + 20
        wait_until(lambda: counted["answered"] >= done, what="traffic after the kill", deadline_s=180)
    finally:
        ended.set()
        sender.join()


def victim_of(yard, name):
    if name == "a replica":
        records = (yard.conn.layout.data("serving") / "replicas").glob("*.json")
        return next(held["pid"] for held in map(read_json, records) if psutil.pid_exists(held["pid"]))
    return pid_of(yard, name)


def read_json(path):
    return json.loads(path.read_text("utf-8"))


def pid_of(yard, name):
    return next(held.pid for held in observe(yard.settings).services if held.name == name)


def total_rows(yard):
    return sum(held["rows"] for held in yard.monitor().status()["versions"])


def drained(yard):
    wait_until(
        lambda: not any(yard.monitor().status()["backlog"].values()) or None,
        what="the monitor's backlog",
        deadline_s=180,
    )
    return total_rows(yard)


def kept(yard):
    """What must never be lost: versions and runs, data in the store, alerts, windows with reports."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(yard.conn.address("mlflow"))
    versions = client.search_model_versions("name='flights'")
    folder = yard.conn.layout.data("objectstore") / "dvc"
    monitor = yard.monitor()
    windows = {
        (held["model_version"], kind, window["number"])
        for held in monitor.status()["versions"]
        for kind in ("drift", "quality")
        for window in monitor.windows(held["model_version"], kind)
    }
    return {
        "versions": {(v.version, client.get_run(v.run_id).info.run_id) for v in versions},
        "data": {path.name for path in folder.rglob("*") if path.is_file()},
        "alerts": {(alert["fingerprint"], alert["startsAt"], alert["status"]) for alert in monitor.alerts()},
        "windows": windows,
        "reports": {path.name for path in yard.conn.layout.reports.iterdir()},
    }


@pytest.mark.parametrize("name", [*SERVICES, "a replica"])
def test_nothing_that_was_acknowledged_is_lost(story_yard, rows, name, capsys):
    before, rows_before = kept(story_yard), drained(story_yard)
    victim = victim_of(story_yard, name)
    with steady_traffic(story_yard, rows) as counted:
        os.kill(victim, signal.SIGKILL)
        wait_until(
            lambda: victim not in {held.pid for held in find_marked(story_yard.conn.layout.yard_id)} or None,
            what=f"{name} to end",
            deadline_s=30,
        )
        wait_until(lambda: observe(story_yard.settings).ready or None, what=f"{name} to come back", deadline_s=180)
    seen = drained(story_yard) - rows_before
    with capsys.disabled():
        print(
            f"\n{name}: {counted['answered']} requests answered, {counted['failed']} failed,"
            f" {seen} of {counted['answered'] * ROWS} acknowledged rows seen by the monitor"
        )
    after = kept(story_yard)
    assert {thing: held - after[thing] for thing, held in before.items()} == {thing: set() for thing in before}
    if name not in PATHS_OF_A_REQUEST:
        assert counted["failed"] == 0
    if name != "a replica":  # the payload log of a replica that is killed dies with it, as KServe's agent would
        assert seen >= counted["answered"] * ROWS
    # A request whose way back was cut was predicted and logged all the same, so it may be seen without an answer.
    assert seen <= (counted["answered"] + counted["failed"]) * ROWS
