"""What `status` says below its table."""

from modelyard.yard.status import ServiceStatus, YardStatus, describe_trouble


def service(name, state, **known):
    fields = {"told": "", "log_line": "", "next_command": "", "log_tail": (), **known}
    return ServiceStatus(name, state == "ready", False, 11, "", None, 5.0, state, 0, **fields)


def told(*services):
    return describe_trouble(YardStatus("ann", "/yard", "local", "", "", services, ()))


def test_where_all_is_well_nothing_is_said():
    assert told(service("mlflow", "ready"), service("grafana", "left out")) == []


def test_a_crash_loop_shows_the_end_of_its_log_and_the_line_that_matters_once():
    looping = service(
        "mlflow",
        "crash looping",
        told="it ended 5 times soon after its start; next start in 4s",
        log_line="OSError: no space",
        log_tail=("Traceback", "OSError: no space"),
        next_command="./invoke why mlflow",
    )
    assert told(looping) == [
        "mlflow is crash looping: it ended 5 times soon after its start; next start in 4s",
        "  log: Traceback",
        "  log: OSError: no space",
        "  next: ./invoke why mlflow",
    ]


def test_a_line_that_matters_is_told_where_it_stands_further_up():
    looping = service("mlflow", "crash looping", told="it ended", log_line="panic: no", log_tail=("bye",))
    assert told(looping) == [
        "mlflow is crash looping: it ended",
        "  log: bye",
        "  last line of its log that matters: panic: no",
    ]


def test_a_service_that_does_not_answer_shows_one_line_of_its_log():
    silent = service("mlflow", "not answering", told="ReadTimeout", log_line="last", log_tail=("a", "last"))
    assert told(silent) == ["mlflow is not answering: ReadTimeout", "  last line of its log that matters: last"]


def test_a_yard_that_was_taken_down_is_told_in_two_lines():
    down = service("mlflow", "down", told="it does not run", next_command="./invoke up")
    assert told(down, down, service("grafana", "left out")) == [
        "the yard is down; its data are kept",
        "  next: ./invoke up",
    ]
    assert told(down, service("serving", "ready")) == ["mlflow is down: it does not run", "  next: ./invoke up"]
