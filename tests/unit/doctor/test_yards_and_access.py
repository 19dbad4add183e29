"""What earlier yards left, this yard's record, and what came of trying the folders."""

import errno
import os
from pathlib import Path

import pytest

from modelyard.doctor.access import Trial, decide_access
from modelyard.doctor.system import System
from modelyard.doctor.yards import Family, Leftovers, Record, decide_leftovers, decide_record, gather_record
from modelyard.yard.record import SCHEMA

LINUX = System(uid=1000, home=Path("/home/ann"))
HERE = Path("/home/ann/modelyard")


def only(findings):
    (finding,) = findings
    return finding


def test_processes_of_a_yard_that_is_gone_are_ended_by_their_pids():
    held = Leftovers((Family("/tmp/gone", "orphans", (41, 42), ("mlflow", "envoy"), 600_000_000),))
    finding = only(decide_leftovers(held, LINUX))
    assert finding.state == "problem"
    assert "2 processes (mlflow, envoy; 600 MB)" in finding.found
    assert finding.next_command == "kill 41 42; sleep 3; kill -9 41 42 2>/dev/null"


def test_another_yard_is_taken_down_by_its_name_even_in_an_awkward_folder():
    held = Leftovers((Family("/home/ann/my yards/other", "other", (41,), ("mlflow",)),))
    finding = only(decide_leftovers(held, LINUX))
    assert finding.state == "warning"
    assert finding.next_command == "MODELYARD_STATE_DIR='/home/ann/my yards' MODELYARD_NAME=other ./invoke down"


def test_several_other_yards_are_one_finding_with_a_command_for_each():
    yards = [Family(f"/y/{name}", "other", (41,), ("mlflow",), 1_000_000_000) for name in ("a", "b")]
    finding = only(decide_leftovers(Leftovers(tuple(yards)), LINUX))
    assert finding.found == "2 other yards of yours are up (2.0 GB of memory)."
    assert finding.next_command.count("./invoke down") == 2


def test_this_yard_s_own_processes_are_no_leftovers():
    assert only(decide_leftovers(Leftovers((Family("/y", "this", (41,)),)), LINUX)).state == "ok"


def test_downloads_that_were_cut_are_told_when_they_take_room():
    small = Leftovers(parts=(Path("/c/a.part"),), parts_bytes=1000)
    large = Leftovers(parts=(Path("/c/a b.part"),), parts_bytes=120_000_000)
    assert only(decide_leftovers(small, LINUX)).state == "ok"
    assert only(decide_leftovers(large, LINUX)).next_command == "rm -rf '/c/a b.part'"


@pytest.mark.parametrize(
    ("record", "state", "word"),
    [
        (Record(Path("/y/yard.json"), "none"), "ok", "none yet"),
        (Record(Path("/y/yard.json"), "good", 2, str(HERE)), "ok", "/y"),
        (Record(Path("/y/yard.json"), "older", 1), "ok", "brings it up to date"),
        (Record(Path("/y/yard.json"), "newer", 9, version="2.0.0"), "problem", "by modelyard 2.0.0 with schema 9"),
        (Record(Path("/y/yard.json"), "damaged"), "problem", "cannot be read"),
        (Record(Path("/y/yard.json"), "good", 2, "/home/ann/old", there=False), "warning", "which is gone"),
    ],
)
def test_the_record_of_this_yard(record, state, word):
    finding = only(decide_record(record, LINUX, HERE))
    assert finding.state == state
    assert word in finding.found


@pytest.mark.parametrize(
    ("text", "state"),
    [
        (None, "none"),
        ('{"schema": 1, "id": "0011223344556677"}', "older"),
        (f'{{"schema": {SCHEMA}, "id": "x", "checkout": "/"}}', "good"),
        (f'{{"schema": {SCHEMA + 1}, "id": "x"}}', "newer"),
        ('{"schema": "one", "id": "x"}', "damaged"),
        ('{"schema": 1', "damaged"),
    ],
)
def test_a_record_is_looked_at_whatever_stands_in_it(tmp_path, text, state):
    path = tmp_path / "yard.json"
    if text is not None:
        path.write_text(text)
    assert gather_record(path).state == state


def trial(failed, *, use="folder of yards", path="/home/ann/.local/state/modelyard", owner=1000):
    return Trial(use, Path(path), Path(path), owner, failed)


def test_a_folder_that_sudo_left_to_root_is_given_back():
    finding = only(decide_access([trial({"write": "Permission denied"}, owner=0)], LINUX))
    assert finding.state == "problem"
    assert finding.next_command == 'sudo chown -R "$(id -un)" /home/ann/.local/state/modelyard'


def test_a_folder_of_one_s_own_without_the_right_is_given_the_right():
    finding = only(decide_access([trial({"write": "Permission denied"})], LINUX))
    assert finding.next_command == "chmod u+rwx /home/ann/.local/state/modelyard"


def test_a_folder_of_others_is_left_for_another():
    finding = only(decide_access([trial({"write": "Permission denied"}, path="/srv/yards", owner=0)], LINUX))
    assert finding.next_command == 'export MODELYARD_STATE_DIR="/var/tmp/modelyard-$(id -un)"'


def test_a_folder_on_a_full_disk_is_not_left_for_another():
    finding = only(decide_access([trial({"write": os.strerror(errno.ENOSPC)})], LINUX))
    assert finding.state == "problem"
    assert finding.next_command.startswith("df -h /home/ann")


def test_a_checkout_that_cannot_be_written_stops_no_yard():
    assert only(decide_access([trial({"write": "Read-only file system"}, use="checkout")], LINUX)).state == "warning"


@pytest.mark.parametrize("name", ["private", "lock", "link", "socket", "run"])
def test_each_thing_that_a_folder_cannot_do_is_a_problem_by_itself(name):
    finding = only(decide_access([trial({name: "Operation not permitted"})], LINUX))
    assert finding.state == "problem"
    assert "Operation not permitted" in finding.found
