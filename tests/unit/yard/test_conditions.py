"""How a service is told to be, from what was seen of it."""

import pytest

from modelyard.services.service import Process, Service
from modelyard.yard.conditions import UNSUPERVISED, decide_condition, find_line_that_matters
from modelyard.yard.plan import Seen

REFUSED = "ConnectError: [Errno 111] Connection refused"


def service(*, optional=False):
    return Service("mlflow", "runs", ("mlflow",), lambda context: Process(()), lambda conn: None, optional=optional)


def decided(seen, *, answer="", lines=(), restarts=0, in_the_way="", optional=False):
    return decide_condition(
        service(optional=optional),
        seen,
        restarts=restarts,
        probe_answer=answer,
        log_tail=lines,
        in_the_way=in_the_way,
    )


def running(**known):
    return Seen(**{"state": "RUNNING", "pid": 11, "uptime_s": 100.0, **known})


def test_a_service_that_answers_is_ready_and_there_is_nothing_to_type():
    found = decided(running(), restarts=2, lines=["ERROR of yesterday"])
    assert (found.state, found.restarts, found.log_line, found.next_command) == ("ready", 2, "", "")


def test_a_service_that_answers_without_a_supervisor_is_ready_and_says_so():
    found = decided(Seen(pid=11, uptime_s=5.0))
    assert (found.state, found.told, found.next_command) == ("ready", UNSUPERVISED, "./invoke up")


@pytest.mark.parametrize(("uptime_s", "state"), [(5.0, "starting"), (59.0, "starting"), (61.0, "not answering")])
def test_a_service_that_does_not_answer_is_starting_for_a_minute(uptime_s, state):
    found = decided(running(uptime_s=uptime_s), answer=REFUSED)
    assert (found.state, found.told) == (state, REFUSED)


def test_a_service_that_is_held_back_says_when_it_is_started_and_what_its_log_said():
    lines = ["listening", "OSError: [Errno 28] No space left on device", "modelyard: mlflow ended 5 times"]
    found = decided(running(uptime_s=2.0, waits_s=3.8, short_lives=5), answer=REFUSED, lines=lines)
    assert found.state == "crash looping"
    assert found.told == "it ended 5 times soon after its start; next start in 4s"
    assert found.log_line == "OSError: [Errno 28] No space left on device"
    assert found.next_command == "./invoke why mlflow"


def test_a_crash_loop_is_shown_with_the_last_lines_of_the_log():
    lines = [f"line {number}" for number in range(9)] + ["", "modelyard: mlflow ended 5 times soon after its start"]
    found = decided(running(uptime_s=2.0, waits_s=3.8, short_lives=5), answer=REFUSED, lines=lines)
    assert found.log_tail == ("line 4", "line 5", "line 6", "line 7", "line 8")
    assert found.log_line == "line 8"


def test_between_two_crashes_it_is_still_a_crash_loop():
    assert decided(running(uptime_s=2.0, short_lives=3), answer=REFUSED).state == "crash looping"
    assert decided(running(uptime_s=2.0, short_lives=2), answer=REFUSED).state == "starting"
    assert decided(running(uptime_s=2.0, short_lives=3)).state == "ready"


def test_a_service_that_has_just_ended_is_in_a_crash_loop_where_it_was_before():
    assert decided(Seen(state="EXITED", short_lives=2), lines=["panic: no"]).log_line == "panic: no"
    assert decided(Seen(state="EXITED", short_lives=2)).state == "crash looping"
    assert decided(Seen(state="EXITED", short_lives=1)).state == "starting"


def test_a_start_that_the_supervisor_could_not_make_is_told_in_its_words():
    found = decided(Seen(state="BACKOFF", told="too many open files to spawn 'mlflow'"))
    assert (found.state, found.told) == ("crash looping", "too many open files to spawn 'mlflow'")


def test_a_service_that_is_given_up_says_so():
    found = decided(Seen(state="FATAL", told="Exited too quickly"), lines=["panic: no"])
    assert (found.state, found.told, found.log_line) == ("gave up", "Exited too quickly", "panic: no")
    assert found.next_command == "./invoke up"


def test_who_holds_its_port_is_what_matters():
    held = "port 7602 (mlflow) is held by python3 (pid 4711)"
    assert decided(running(uptime_s=2.0, waits_s=3.8, short_lives=5), in_the_way=held).told == held
    assert decided(running(), in_the_way=held).told == "it answers"


@pytest.mark.parametrize("seen", [None, Seen(state="STOPPED"), Seen(state="STOPPING"), Seen()])
def test_a_service_that_does_not_run_is_down(seen):
    assert decided(seen).state == "down"


def test_an_optional_service_that_nobody_started_is_left_out():
    assert decided(None, optional=True).state == "left out"
    assert decided(Seen(state="STOPPED"), optional=True).state == "down"


def test_a_probe_of_many_lines_is_told_in_one():
    assert decided(running(), answer="NotReady: 500:\n<html>\n  oops").told == "NotReady: 500: <html> oops"


@pytest.mark.parametrize(
    ("lines", "line"),
    [
        ([], ""),
        (["one", "two", ""], "two"),
        (["ERROR no space", "shutting down"], "ERROR no space"),
        (["\x1b[31mFATAL\x1b[0m: no port", "bye"], "FATAL: no port"),
        (["Traceback (most recent call last):", '  File "a.py"', "KeyboardInterrupt", "done"], "KeyboardInterrupt"),
        (["Traceback (most recent call last):", '  File "a.py"', "ValueError: no", "done"], "ValueError: no"),
        (["panic: runtime error", "goroutine 1 [running]:"], "panic: runtime error"),
        (["terrors of the deep", "errorless"], "errorless"),
        (
            ['level=error msg="bind: address already in use"', "level=info"],
            'level=error msg="bind: address already in use"',
        ),
        (["modelyard: mlflow ended 5 times soon after its start; it is started again in 2s"], ""),
    ],
)
def test_the_line_that_matters_is_the_last_that_tells_an_error(lines, line):
    assert find_line_that_matters(lines) == line


def test_a_service_that_is_started_again_shows_what_its_log_said_before():
    lines = ["ERROR: table logged_models already exists"]
    assert decided(running(uptime_s=20.0), answer=REFUSED, lines=lines, restarts=3).log_line == lines[0]
    assert decided(running(uptime_s=20.0), answer=REFUSED, lines=lines).log_line == ""
