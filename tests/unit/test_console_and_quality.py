import pytest

from modelyard.connections import REPOSITORY
from modelyard.console import ends_cleanly
from modelyard.errors import CommandFailed, SettingError, YardError
from modelyard.quality import (
    LANES,
    choose_lanes,
    choose_suites,
    decide_second_python,
    find_pieces,
    longest_first,
    pytest_command,
    raise_failures,
    test_environment,
)

test_environment.__test__ = False


def test_an_error_of_the_yard_ends_in_lines_and_its_exit_code(capsys):
    @ends_cleanly
    def task():
        raise SettingError("ports is 'x'", allowed="auto", next_command="./invoke up")

    with pytest.raises(SystemExit) as ended:
        task()
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "error: ports is 'x'\n  allowed: auto\n  more: docs/troubleshooting.md#settingerror\n  next: ./invoke up\n"
    )


def test_ctrl_c_ends_in_one_line(capsys):
    @ends_cleanly
    def task():
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as ended:
        task()
    assert ended.value.code == 130
    assert capsys.readouterr().err.startswith("\ninterrupted: ")


def test_a_number_that_a_task_returns_is_its_exit_code():
    ends_cleanly(lambda: 0)()
    ends_cleanly(lambda: None)()
    with pytest.raises(SystemExit) as ended:
        ends_cleanly(lambda: 3)()
    assert ended.value.code == 3


def test_the_second_python_is_the_newest_other_one():
    assert decide_second_python((3, 11), [(3, 11), (3, 12), (3, 13)]) == (3, 13)
    assert decide_second_python((3, 13), [(3, 11), (3, 13)]) == (3, 11)
    assert decide_second_python((3, 12), [(3, 12)]) is None


def test_suites_are_known_by_name():
    assert choose_suites("") == ("unit", "service", "e2e")
    assert choose_suites("unit,smoke") == ("unit", "smoke")
    with pytest.raises(SettingError, match="unit, service, e2e, smoke"):
        choose_suites("units")


def test_smoke_is_a_marker_and_not_a_folder():
    assert pytest_command("smoke", "")[-2:] == ["-m", "smoke"]
    assert pytest_command("unit", "two_yards")[-2:] == ["-k", "two_yards"]


def test_every_file_of_the_service_suite_is_in_one_piece():
    pieces = find_pieces(("unit", "service", "smoke"))
    assert pieces["unit"] == ("tests/unit",)
    assert pieces["smoke"] == ("tests/service", "-m", "smoke")
    service = [REPOSITORY / where for name, (where, *_) in pieces.items() if name.startswith("service/")]
    held = [path for where in service for path in ([where] if where.is_file() else where.rglob("test_*.py"))]
    assert sorted(held) == sorted((REPOSITORY / "tests" / "service").rglob("test_*.py"))


def test_the_long_ones_begin_first_and_what_is_not_known_is_not_left_out():
    assert longest_first(["new", "unit", "e2e"]) == ["e2e", "unit", "new"]


def test_lanes_are_a_few():
    assert choose_lanes("") == LANES
    assert choose_lanes("1") == 1
    for wrong in ("0", "9", "two", "-1"):
        with pytest.raises(SettingError, match=f"lanes is '{wrong}'"):
            choose_lanes(wrong)


def test_tests_do_not_see_the_yard_of_the_shell():
    shell = {"MODELYARD_NAME": "mine", "KUBECONFIG": "/k", "MODELYARD_CACHE_DIR": "/c", "PATH": "/bin"}
    assert test_environment(shell) == {"MODELYARD_CACHE_DIR": "/c", "PATH": "/bin"}


def test_what_failed_is_named():
    raise_failures([], "./invoke test")
    with pytest.raises(CommandFailed, match="failed: unit, e2e") as failed:
        raise_failures(["unit", "e2e"], "./invoke test")
    assert isinstance(failed.value, YardError)
