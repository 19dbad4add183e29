"""Kills of the monitor and of its Evidently process lose no window, and make none twice."""

from __future__ import annotations

import signal
import socket
import threading

import psutil
import pytest

from modelyard.waiting import wait_until

CALM = ["on_time"] * 200


def send_windows(monitor, kit, run_id: str, n: int, *, first_seed: int = 10) -> None:
    for at in range(n):
        monitor.send_pairs(kit["rows"](200, seed=first_seed + at), CALM, prefix=f"w{first_seed + at}", run_id=run_id)


def test_a_worker_that_is_killed_is_started_again_and_its_window_is_done(monitor, kit, run_id):
    send_windows(monitor, kit, run_id, 2)
    monitor.wait_worker().kill()
    windows = monitor.wait_windows(2)
    assert [w["number"] for w in windows] == [1, 2] and not any(w["drifted"] for w in windows)
    monitor.wait_worker().kill()
    send_windows(monitor, kit, run_id, 1, first_seed=20)
    assert len(monitor.wait_windows(3)) == 3


def test_a_worker_that_hangs_is_ended_and_never_holds_up_the_events(monitor, kit, run_id):
    monitor.stop()
    monitor.start(MODELYARD_REPORT_DEADLINE_S="12")
    send_windows(monitor, kit, run_id, 1)
    monitor.wait_windows(1)
    hung = monitor.wait_worker()
    hung.suspend()
    send_windows(monitor, kit, run_id, 1, first_seed=20)
    assert monitor.version()["rows"] == 400
    assert monitor.status()["backlog"]["windows"] == 1
    assert len(monitor.wait_windows(2)) == 2
    assert not psutil.pid_exists(hung.pid)


def test_a_monitor_that_is_killed_while_a_report_is_made_makes_it_once(monitor, kit, run_id):
    send_windows(monitor, kit, run_id, 1)
    monitor.wait_windows(1)
    send_windows(monitor, kit, run_id, 2, first_seed=20)
    truths = monitor.tell_truths(["on_time"] * 150 + ["early"] * 50, prefix="w10")
    assert truths == {"accepted": 200, "new": 200}
    worker = monitor.worker()
    monitor.kill()
    wait_until(lambda: not worker.is_running(), what="the worker of the killed monitor to end", deadline_s=30)
    monitor.start()
    windows = monitor.wait_windows(3)
    assert [(w["number"], w["rows"]) for w in windows] == [(1, 200), (2, 200), (3, 200)]
    assert [w["first_seq"] - v["last_seq"] for w, v in zip(windows[1:], windows, strict=False)] == [1, 1]
    reports = sorted((monitor.conn.layout.data("monitor") / "reports").rglob("*.html"))
    assert sorted(w["report"].rpartition("/")[2] for w in windows) == [report.name for report in reports]
    before = steady(monitor)
    monitor.kill()
    monitor.start()
    assert steady(monitor) == before
    assert monitor.version()["truths"] == 200


def steady(monitor) -> dict[str, float]:
    """Every metric that says what was seen; those of the process itself begin anew."""
    monitor.wait_drained()
    return {name: value for name, value in monitor.metrics().items() if name.startswith("modelyard_")}


def test_rows_that_came_while_mlflow_was_down_are_cut_into_windows_when_it_is_back(kit, mlflow, run_id, tmp_path):
    block = kit["block"]()
    monitor = kit["process"](tmp_path / "yard", block)
    monitor.start()
    try:
        send_windows(monitor, kit, run_id, 1)
        monitor.post("/phase", {"namespace": "default", "inferenceservice": "flights", "name": "july"})
        send_windows(monitor, kit, run_id, 1, first_seed=20)
        assert monitor.version()["config"]["state"] == "pending"
        with forwarding(block + 2, int(mlflow.address.rpartition(":")[2])):
            windows = monitor.wait_windows(2)
        assert [(w["number"], w["phase"], w["rows"]) for w in windows] == [(1, "", 200), (2, "july", 200)]
    finally:
        monitor.http.close()
        monitor.stop(signal.SIGKILL)


class forwarding:
    """Passes connections on from one port to another, as a service that has come back would answer there."""

    def __init__(self, port: int, to: int) -> None:
        self._server, self._to = socket.create_server(("127.0.0.1", port)), to

    def __enter__(self) -> None:
        threading.Thread(target=self._accept, daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            upstream = socket.create_connection(("127.0.0.1", self._to))
            for one, other in ((client, upstream), (upstream, client)):
                threading.Thread(target=self._copy, args=(one, other), daemon=True).start()

    def _copy(self, one: socket.socket, other: socket.socket) -> None:
        with one:
            try:
                while data := one.recv(65536):
                    other.sendall(data)
                other.shutdown(socket.SHUT_WR)
            except OSError:
                return


@pytest.mark.parametrize(
    ("config", "state"), [(None, "none"), ({"columns": {"numerical": []}}, "invalid")], ids=["absent", "invalid"]
)
def test_a_version_without_a_configuration_that_can_be_used_is_counted_only(monitor, mlflow, kit, config, state):
    run_id = mlflow.log_run(kit["rows"](20, seed=1) if config else None, config)
    monitor.send_pairs(kit["rows"](20, seed=1), ["early"] * 20, prefix="a", run_id=run_id)
    wait_until(lambda: monitor.version()["config"]["state"] == state, what=state, deadline_s=60)
    assert monitor.version()["rows"] == 20 and monitor.version()["config"]["error"]
    assert monitor.status()["backlog"] == {"events": 0, "windows": 0}
    assert monitor.worker() is None


def test_a_run_id_that_is_a_path_reaches_no_file(monitor, kit):
    monitor.send_pairs(kit["rows"](10, seed=1), ["early"] * 10, prefix="a", run_id="../../../etc")
    wait_until(lambda: monitor.version()["config"]["state"] == "none", what="none", deadline_s=60)
    assert "not a run id" in monitor.version()["config"]["error"]


def test_a_window_with_a_column_that_has_no_values_is_judged_by_the_others(monitor, kit, run_id):
    rows = [{**row, "wind": None} for row in kit["rows"](200, seed=5, shift=25)]
    monitor.send_pairs(rows, CALM, prefix="a", run_id=run_id)
    (window,) = monitor.wait_windows(1)
    assert window["columns"]["wind"] is None and window["drifted_columns"] == ["dewp"]
    assert not [name for name in monitor.metrics() if "column_drift" in name and 'column="wind"' in name]


def test_a_reference_that_was_deleted_is_fetched_again_and_no_window_is_given_up(monitor, kit, run_id):
    monitor.send_pairs(kit["rows"](10, seed=9), CALM[:10], prefix="first", run_id=run_id)
    wait_until(lambda: monitor.version()["config"]["state"] == "ready", what="the configuration", deadline_s=60)
    monitor.stop()
    (monitor.conn.layout.data("monitor") / "references" / run_id / "reference.parquet").unlink()
    monitor.start()
    send_windows(monitor, kit, run_id, 1)
    assert len(monitor.wait_windows(1)) == 1
