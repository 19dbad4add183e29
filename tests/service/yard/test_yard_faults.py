"""Whatever is killed, the next `up` repairs it, and nothing that was kept is lost."""

import os
import signal

import httpx
import pytest

from modelyard.services.catalog import CATALOG
from modelyard.waiting import wait_until
from modelyard.yard.down import take_down
from modelyard.yard.status import observe
from modelyard.yard.up import bring_up

NEEDED = [service.name for service in CATALOG if not service.optional]


@pytest.mark.parametrize("victim", NEEDED)
def test_up_repairs_a_service_that_was_killed(up, yards, shared, victim):
    before = yards.pids(shared)
    os.kill(before[victim], signal.SIGKILL)
    bring_up(shared)
    after = yards.pids(shared)
    assert observe(shared).ready
    assert after.pop(victim) != before.pop(victim)
    assert after == before, "the others were left alone"


def test_a_killed_service_comes_back_without_up(up, yards, shared):
    before = yards.pids(shared)["objectstore"]
    os.kill(before, signal.SIGKILL)
    wait_until(
        lambda: yards.pids(shared).get("objectstore", before) != before and observe(shared).ready,
        what="the supervisor to start it again",
        deadline_s=20,
    )


def test_up_repairs_after_the_supervisor_was_killed_and_its_children_lived_on(up, yards, shared):
    before = yards.pids(shared)
    os.kill(before["supervisor"], signal.SIGKILL)
    wait_until(lambda: "supervisor" not in yards.pids(shared), what="its end", deadline_s=5)
    assert "mlflow" in yards.pids(shared), "children of a killed supervisor live on"
    bring_up(shared)
    assert observe(shared).ready
    assert set(before.values()).isdisjoint(process.pid for process in yards.marked(shared))


def test_down_sweeps_what_a_killed_supervisor_left(up, yards, shared):
    os.kill(yards.pids(shared)["supervisor"], signal.SIGKILL)
    take_down(shared)
    assert yards.marked(shared) == []


def test_up_repairs_when_everything_was_killed_at_once(up, yards, shared):
    for process in yards.marked(shared):
        os.kill(process.pid, signal.SIGKILL)
    bring_up(shared)
    assert observe(shared).ready


def test_a_run_and_an_object_outlive_every_kill(up, yards, shared):
    def mlflow(path, body):
        answer = httpx.post(f"{up.address('mlflow')}/api/2.0/mlflow/{path}", json=body, trust_env=False)
        answer.raise_for_status()
        return answer.json()

    run = mlflow("runs/create", {"experiment_id": "0", "run_name": "outlives"})["run"]["info"]["run_id"]
    (up.layout.data("objectstore") / "dvc" / "object").write_text("kept")
    for process in yards.marked(shared):
        os.kill(process.pid, signal.SIGKILL)
    bring_up(shared)
    answer = httpx.get(f"{up.address('mlflow')}/api/2.0/mlflow/runs/get", params={"run_id": run}, trust_env=False)
    assert answer.json()["run"]["info"]["run_name"] == "outlives"
    assert (up.layout.data("objectstore") / "dvc" / "object").read_text() == "kept"
