"""What a person reads, and what a program reads."""

import json

from modelyard.doctor.examination import look_safely, read_settings
from modelyard.doctor.finding import Finding, fine, problem, sort_by_severity, tell_bytes, warning
from modelyard.doctor.report import lines, to_json, verdict

HELD = problem(
    "ports", "Port 7602 (mlflow) is held by nginx (pid 4711).", "two cannot listen", "./invoke up --ports auto"
)
SLOW = warning("folders", "The checkout is on a drive of Windows.", "all is slow there", "git clone x")
GIT = fine("git", "git 2.39.5")


def text(findings):
    return "\n".join(line for line, _ in lines(findings))


def test_the_whole_page_of_a_machine_with_one_problem():
    assert text([HELD, SLOW, GIT]) == "\n".join(
        [
            "1 thing to mend before the yard can work, and 1 thing to know.",
            "",
            "MEND  ports: Port 7602 (mlflow) is held by nginx (pid 4711).",
            "      because two cannot listen.",
            "      paste:  ./invoke up --ports auto",
            "",
            "NOTE  folders: The checkout is on a drive of Windows.",
            "      because all is slow there.",
            "      paste:  git clone x",
            "",
            "ok    git  git 2.39.5",
            "",
            "Next: paste the line below the first MEND, then ./invoke doctor",
        ]
    )


def test_a_machine_without_any_problem_ends_with_up():
    assert verdict([GIT]) == "Nothing stands in the way of a yard."
    assert verdict([SLOW, GIT]) == "Nothing stands in the way of a yard; 1 thing to know."
    assert text([SLOW]).endswith("Next: ./invoke up")


def test_long_findings_are_wrapped_and_commands_never():
    command = "echo " + "x" * 300
    held = lines([problem("disk", "word " * 60 + "end.", "reason " * 40, command)], width=80)
    assert f"      paste:  {command}" in [line for line, _ in held]
    assert all(len(line) <= 80 for line, _ in held if command not in line)


def test_a_long_path_is_not_broken_so_that_it_can_be_copied():
    path = "/srv/" + "x" * 150
    assert any(path in line for line, _ in lines([problem("disk", f"The folder {path} is full.", "so", "df")]))


def test_problems_come_first_and_else_the_order_stays():
    other = fine("disk", "x")
    assert sort_by_severity([GIT, SLOW, other, HELD]) == [HELD, SLOW, GIT, other]


def test_json_has_every_finding_with_all_that_a_program_asks_for():
    held = json.loads(to_json([HELD, SLOW, GIT]))
    assert (held["ok"], held["problems"], held["warnings"]) == (False, 1, 1)
    assert held["findings"][0] == {
        "check": "ports",
        "state": "problem",
        "found": "Port 7602 (mlflow) is held by nginx (pid 4711).",
        "why": "two cannot listen",
        "next_command": "./invoke up --ports auto",
    }


def test_a_check_that_fails_on_a_strange_machine_is_a_finding_and_no_end():
    def fails():
        raise RuntimeError("no such sensor")

    (finding,) = look_safely("memory", fails)
    assert (finding.check, finding.state) == ("memory", "warning")
    assert "RuntimeError: no such sensor" in finding.found


def test_settings_that_are_not_allowed_are_each_a_finding_and_the_rest_is_examined(monkeypatch):
    monkeypatch.setenv("MODELYARD_NAME", "Ann's yard")
    monkeypatch.setenv("MODELYARD_SCRAPE_INTERVAL_S", "never")
    settings, found = read_settings()
    assert settings.name == "default"
    assert sorted(finding.next_command for finding in found) == [
        "unset MODELYARD_NAME",
        "unset MODELYARD_SCRAPE_INTERVAL_S",
    ]
    assert {finding.state for finding in found} == {"problem"}


def test_sizes_read_as_people_say_them():
    assert [tell_bytes(size) for size in (0, 350e6, 2.14e9, 250e9)] == ["0 MB", "350 MB", "2.1 GB", "250 GB"]


def test_a_finding_that_is_well_asks_for_nothing():
    assert Finding("git", "ok", "git 2.39.5") == GIT
