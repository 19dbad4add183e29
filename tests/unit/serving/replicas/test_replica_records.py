"""Records of replicas are believed only with their process."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from modelyard.serving.replicas.records import (
    ReplicaRecord,
    ReplicaSpec,
    ended_record,
    forget_replica,
    is_alive,
    read_replica_records,
    start_time_of,
    write_replica_record,
)

SPEC = ReplicaSpec("r1", "default", "flights", "flights-predictor-00001", "mlflow", "s3://mlflow/one")


def mine(**changes):
    return replace(ReplicaRecord(SPEC, os.getpid(), start_time_of(os.getpid()), 4000), **changes)


def test_a_record_comes_back_as_it_was_written(tmp_path):
    record = mine(state="serving")
    write_replica_record(tmp_path, record)
    assert read_replica_records(tmp_path, now=5) == [record]
    forget_replica(tmp_path, "r1")
    assert read_replica_records(tmp_path, now=5) == []


def test_the_pid_of_another_process_is_not_believed(tmp_path):
    write_replica_record(tmp_path, mine(start_time="1"))
    (held,) = read_replica_records(tmp_path, now=5)
    assert (held.state, held.ended, held.reason) == ("exited", 5, "ContainerCrashing")


def test_a_zombie_is_not_alive():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    record = mine(pid=child.pid, start_time=start_time_of(child.pid))
    assert is_alive(record)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not is_alive(record)
    child.communicate()
    assert start_time_of(child.pid) is None


def test_a_replica_that_told_its_failure_keeps_its_own_words():
    told = mine(state="failed", reason="ModelDigestMismatch", message="differs")
    held = ended_record(told, exit_code=1, now=5)
    assert (held.state, held.reason, held.message, held.exit_code) == ("exited", "ModelDigestMismatch", "differs", 1)
    assert ended_record(mine(), exit_code=137, now=5).message == "replica r1 was ended by SIGKILL (exit code 137)"


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"spec": {"name": "x"}}'])
def test_a_damaged_file_is_passed_over(tmp_path, text):
    (tmp_path / "r1.json").write_text(text)
    assert read_replica_records(tmp_path, now=5) == []
