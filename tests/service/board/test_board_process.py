import os
import subprocess
import sys

import httpx
import psutil
import pytest
from claimed_ports import claim_block

from modelyard.connections import FOLDER_VARIABLE, MARK_VARIABLE, connect
from modelyard.waiting import wait_until
from modelyard.yard.marks import SERVICE_VARIABLE
from modelyard.yard.record import new_record, read_record, write_record

MOST_BYTES = 60 * 2**20


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """The board's own process, in the folder of a yard of which nothing else runs: (connections, process)."""
    folder = tmp_path_factory.mktemp("yard")
    write_record(folder / "yard.json", new_record(substrate="local", ports=claim_block(), python="3", lock=""))
    conn = connect(folder)
    conn.layout.logs.mkdir()
    marks = {MARK_VARIABLE: read_record(folder / "yard.json").id, SERVICE_VARIABLE: "board"}
    environment = {**os.environ, FOLDER_VARIABLE: str(folder), **marks, "MODELYARD_STATE_DIR": str(folder.parent)}
    environment["MODELYARD_NAME"] = folder.name
    with (folder / "log").open("w") as log:
        argv = [sys.executable, "-m", "modelyard.board"]
        process = subprocess.Popen(argv, env=environment, stdout=log, stderr=log)

    def healthy():
        assert process.poll() is None, (folder / "log").read_text()
        try:
            return httpx.get(f"{conn.address('board')}/healthz").status_code == 200
        except httpx.HTTPError:
            return False

    try:
        wait_until(healthy, what="the board", deadline_s=60)
        yield conn, process
    finally:
        process.terminate()
        process.wait(20)


def test_a_yard_of_which_nothing_runs_is_shown_as_what_it_is(running):
    conn, process = running

    def seen():
        return httpx.get(f"{conn.address('board')}/api/yard").json()["status"]

    status = wait_until(seen, what="the first look", deadline_s=60)
    held = {one["name"]: one for one in status["services"]}
    assert held["board"]["pid"] == process.pid, "the board sees itself"
    assert held["mlflow"]["state"] == "down"
    assert held["mlflow"]["next_command"] == "./invoke up"
    assert status["inferenceservices"] == []


def test_it_takes_less_than_sixty_mebibytes_after_it_has_answered_everything(running):
    conn, process = running
    for held in httpx.get(f"{conn.address('board')}/api/dashboards").json()["dashboards"]:
        panels = ",".join(str(panel["id"]) for panel in held["panels"])
        told = httpx.get(f"{conn.address('board')}/api/dashboards/{held['uid']}/data?panels={panels}").json()
        assert told["told"] in ("", "Prometheus does not answer")
    assert httpx.get(f"{conn.address('board')}/plotly.min.js").status_code == 200
    assert b'modelyard_service_ready{service="board"}' in httpx.get(f"{conn.address('board')}/metrics").content
    assert psutil.Process(process.pid).memory_full_info().uss < MOST_BYTES


def test_it_listens_on_this_machine_only(running):
    _, process = running
    held = [held.laddr.ip for held in psutil.Process(process.pid).connections() if held.status == "LISTEN"]
    assert held == ["127.0.0.1"]
