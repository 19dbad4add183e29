"""What is told of commands that run beside each other."""

from modelyard.lanes import find_reasons, log_of, progress

PYTEST = """\
tests/a/test_one.py::test_x FAILED                                       [ 50%]
tests/a/test_one.py::test_y PASSED                                       [100%]

=================================== FAILURES ===================================
____________________________________ test_x ____________________________________
E   assert 1 == 2
=========================== short test summary info ============================
FAILED tests/a/test_one.py::test_x - assert 1 == 2
========================= 1 failed, 1 passed in 0.1s =========================="""


def test_of_a_failed_pytest_everything_from_the_first_failure_is_told():
    told = find_reasons(PYTEST).splitlines()
    assert (told[0].strip("= "), told[-1].strip("= ")) == ("FAILURES", "1 failed, 1 passed in 0.1s")
    assert find_reasons(PYTEST.replace("FAILURES", "ERRORS")).splitlines()[0].split()[1] == "ERRORS"


def test_of_another_program_the_last_lines_are_told():
    told = find_reasons("\n".join(map(str, range(1000)))).splitlines()
    assert (told[0], told[-1]) == ("500", "999")


def test_of_very_many_failures_the_first_and_the_summary_are_told():
    middle = "E   the fixture again\n" * 5000
    told = find_reasons(PYTEST.replace("E   assert 1 == 2\n", f"E   assert 1 == 2\n{middle}")).splitlines()
    assert told[0].strip("= ") == "FAILURES" and "E   assert 1 == 2" in told[:5]
    assert told[500] == f"[{5006 - 600} lines are left out]"
    assert told[-2] == "FAILED tests/a/test_one.py::test_x - assert 1 == 2"
    assert len(told) == 601


def test_progress_is_the_last_share_that_pytest_told(tmp_path):
    (tmp_path / "unit.log").write_text("a PASSED [  9%]\nb PASSED [ 41%]\nc ")
    (tmp_path / "linters.log").write_text("== mypy")
    logs = {name: tmp_path / f"{name}.log" for name in ("unit", "linters", "gone")}
    assert progress(179, logs) == "== 3 min: unit 41 %, linters, gone"


def test_each_name_is_a_file_in_the_folder_of_logs(tmp_path):
    assert log_of(tmp_path, "service/test_bootstrap") == tmp_path / "service-test_bootstrap.log"
    assert log_of(tmp_path, "../second Python").parent == tmp_path
