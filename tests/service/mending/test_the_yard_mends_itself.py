"""Short forms of the chaos programs: the yard comes back, and nothing that was acknowledged is lost."""

import os
import signal

import pytest

from loadtests.chaos import away, kills, ups
from loadtests.chaos import disk as full_disk
from loadtests.chaos.ingest import Ingest
from modelyard.waiting import wait_until
from modelyard.yard.marks import is_alive

pytestmark = pytest.mark.timeout(1200)
KILLS, UPS = (7, 11, 19), (1, 2, 3)
AWAY_S = 2.0


def test_a_random_process_that_is_killed_comes_back_and_no_acknowledged_event_is_lost(held):
    runs = list(kills.conduct(held, KILLS))
    assert [(run.repaired, run.lost, run.told) for run in runs if not run.is_good] == []
    assert all(run.acknowledged > 0 and run.requests > 0 for run in runs)


def test_a_killed_supervisor_is_brought_back_by_its_keeper_and_model_servers_live_on(held):
    before = {process.pid for process in held.marked() if process.service == "replicas" and process.leads_session}
    victim = next(process for process in held.marked() if process.service == "supervisor")
    os.kill(victim.pid, signal.SIGKILL)
    assert held.wait_whole(lambda: not is_alive(victim)) == ""
    assert before <= {process.pid for process in held.marked()}


def test_a_store_or_the_monitor_that_is_away_costs_no_request_and_no_acknowledged_event(held):
    """The object store hangs, MLflow and the monitor are not there: each in turn, under one traffic."""
    absences = [
        away.Absence("objectstore", away.frozen(held, "objectstore")),
        away.Absence("mlflow", away.stopped(held, "mlflow")),
        away.Absence("monitor", away.stopped(held, "monitor")),
    ]
    with Ingest(held.conn) as ingest, held.locust("away") as traffic:
        runs = [away.go_away(held, absence, AWAY_S, traffic, ingest) for absence in absences]
    assert [(run.what, run.repaired, run.failed, run.lost, run.told) for run in runs] == [
        (absence.what, True, 0, 0, "") for absence in absences
    ]
    assert all(run.acknowledged > 0 for run in runs)
    assert ingest.refused > 0, "of the monitor that was not there"


def test_a_port_that_was_taken_away_is_told_with_its_holder_and_the_service_comes_back_by_itself(held):
    with away.without_port(held, "prometheus"):
        found = away.wait_loop(held, "prometheus")
    assert f"port {held.conn.port('prometheus')} (prometheus) is held by" in found.told
    assert f"pid {os.getpid()}" in found.told
    assert "address already in use" in found.log_line
    assert (found.state, found.restarts > 0, found.next_command) == ("crash looping", True, "./invoke why prometheus")
    assert held.wait_whole() == ""


def test_a_full_disk_or_writes_that_are_forbidden_below_the_stores_is_refused_and_then_goes_on_by_itself(held, disk):
    found = full_disk.conduct(held, is_small=disk[1], seconds=AWAY_S, up=ups.run_up)
    assert found.trouble == ""
    assert (found.failed, found.lost, found.run_before) == (0, 0, True)
    assert found.refused > 0
    assert any(told.startswith("503") for told in found.told), found.told
    if found.up_said:
        assert "error:" in found.up_said
        assert "Traceback" not in found.up_said
        assert "next:" in found.up_said


def test_the_second_of_two_ups_waits_for_the_first_and_says_so(held):
    service = next(process for process in held.marked() if process.service == "mlflow")
    os.kill(service.pid, signal.SIGSTOP)  # so that the first one has something to wait for
    with ups.start_up(held) as first:
        wait_until(lambda: lock_holder(held) == first.pid, what="the first up to hold the lock", deadline_s=60)
        with ups.start_up(held) as second:
            lines = []
            for line in second.stdout:
                lines.append(line)
                if "waiting: another command is changing this yard" in line:
                    break
            os.kill(service.pid, signal.SIGCONT)
            output, _ = second.communicate(timeout=120)
        first_output, _ = first.communicate(timeout=120)
    assert f"(pid {first.pid})" in lines[-1]
    assert (first.returncode, second.returncode) == (0, 0), first_output + output
    assert held.wait_whole() == ""


def lock_holder(held):
    folder = held.conn.layout.folder
    text = folder.with_name(f".{folder.name}.lock").read_text("utf-8")
    return int(text) if text.isdecimal() else None


def test_up_that_is_killed_at_a_random_moment_is_repaired_by_the_next(held):
    runs = list(ups.conduct(held, UPS))
    assert [(run.what, run.lost, run.told) for run in runs if not run.is_good] == []
    assert sum(run.failed for run in runs) == 0, "once up has said that every service answers"
