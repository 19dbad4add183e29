"""Replicas by fork and by a pool of warm processes: the same promises."""

import os
import signal

import httpx
import psutil
import pytest

from modelyard.waiting import wait_until


@pytest.fixture(params=["forking", "spawning"])
def any_fleet(request):
    held = request.getfixturevalue(request.param)
    held.made.clear()
    yield held
    for name in held.made:
        if any(record.state != "exited" for record in held.known(name)):
            held.stop(name)
            held.ended(name)


def test_a_replica_answers_from_a_process_of_its_own_and_ends_in_order(any_fleet, predict):
    record = any_fleet.start("spinner")
    assert predict(record, [[0]]).json()["predictions"] == [record.pid]
    assert record.pid != any_fleet.program.pid
    any_fleet.stop(record.name)
    last = any_fleet.ended(record.name)
    assert (last.exit_code, last.stopping) == (0, True)


def test_credentials_are_in_no_record_log_argument_or_environment_of_a_process(any_fleet):
    secret = "a-secret-that-nobody-may-see"
    storage = {"AWS_ACCESS_KEY_ID": "somebody", "AWS_SECRET_ACCESS_KEY": secret}
    record = any_fleet.start("spinner", storage=storage, env={"GREETING": "hello"})
    process = psutil.Process(record.pid)
    told = [*process.cmdline(), *process.environ().values(), any_fleet.log(record.name)]
    told += [path.read_text() for path in any_fleet.records.iterdir()]
    told += [any_fleet.conn.layout.log("replicas").read_text()]
    assert not [text for text in told if secret in text]


def test_a_killed_replica_is_told_with_its_signal(fleet):
    record = fleet.start("spinner")
    os.kill(record.pid, signal.SIGKILL)
    last = fleet.ended(record.name)
    assert (last.exit_code, last.stopping) == (137, False)
    assert "SIGKILL" in last.message


def test_a_model_that_does_not_load_is_told_by_the_last_line_of_the_traceback(fleet):
    last = fleet.ended(fleet.start("unloadable").name)
    assert last.reason == "ModelLoadFailed"
    assert last.message == "ModuleNotFoundError: No module named 'library_that_is_not_there'"
    assert "Traceback (most recent call last)" in fleet.log(last.name)


def test_a_process_that_ends_by_itself_is_told_by_the_last_line_of_the_traceback(fleet, predict):
    record = fleet.start("exiting")
    with pytest.raises(Exception, match=r"disconnected|closed|reset"):
        predict(record, [[0]])
    last = fleet.ended(record.name)
    assert (last.exit_code, last.message) == (3, "MemoryError: no room for the third layer")


def test_the_pool_is_filled_again_when_a_waiting_process_was_killed(spawning, predict):
    waiting = psutil.Process(spawning.program.pid).children()
    for process in waiting:
        process.kill()
    wait_until(lambda: {p.status() for p in waiting} == {"zombie"}, what="the kills", deadline_s=60)
    record = spawning.start("spinner")
    assert predict(record, [[0]]).json()["predictions"] == [record.pid]
    spawning.stop(record.name)
    spawning.ended(record.name)
    children = psutil.Process(spawning.program.pid).children
    wait_until(
        lambda: len([c for c in children() if c.status() != "zombie"]) == 1, what="a new one to wait", deadline_s=60
    )


def test_arguments_of_the_model_server_count(fleet, predict):
    record = fleet.start("spinner", args=["--enable_docs_url=true", "--enable_latency_logging", "true"])
    assert "swagger" in httpx.get(f"{record.address}/docs").text
    predict(record, [[0]])
    wait_until(lambda: "predict_ms" in fleet.log(record.name), what="a line for the request", deadline_s=60)


def test_variables_of_the_predictor_are_there_when_the_model_is_loaded(fleet, predict):
    record = fleet.start("greeter", env={"GREETING": "hello"}, gpus=["GPU-7", "GPU-8"])
    assert predict(record, [[0]]).json() == {"predictions": ["hello", "GPU-7,GPU-8"]}
