"""Commands beside each other, as real processes."""

import os
import sys

from modelyard.lanes import run_in_lanes

MEET = """
import pathlib, sys, time
mine, theirs = (pathlib.Path(name) for name in sys.argv[1:3])
mine.touch()
end = time.monotonic() + 60
while not theirs.exists():
    assert time.monotonic() < end, "the other one never ran"
    time.sleep(0.01)
print("met")
"""
ALONE = """
import pathlib
mark = pathlib.Path("running")
mark.mkdir()
import asyncio, http.server, unittest.mock
mark.rmdir()
"""
"""Fails if another one is there; its imports are what it does meanwhile."""


def run(tmp_path, steps, lanes):
    return run_in_lanes(steps, lanes=lanes, logs=tmp_path / "logs", folder=tmp_path, environment=os.environ)


def test_as_many_run_at_a_time_as_there_are_lanes(tmp_path, capsys):
    met = {name: [sys.executable, "-c", MEET, name, other] for name, other in (("a", "b"), ("b", "a"))}
    assert [outcome.code for outcome in run(tmp_path, met, 2)] == [0, 0]
    assert "== a: passed after" in capsys.readouterr().out
    alone = {name: [sys.executable, "-c", ALONE] for name in "cdefg"}
    assert [outcome.code for outcome in run(tmp_path, alone, 1)] == [0] * 5


def test_one_that_fails_is_told_with_its_output_and_the_others_go_on(tmp_path, capsys):
    steps = {"bad": [sys.executable, "-c", "print('why'); raise SystemExit(3)"], "good": [sys.executable, "-c", ""]}
    assert {(outcome.name, outcome.code) for outcome in run(tmp_path, steps, 1)} == {("bad", 3), ("good", 0)}
    told = capsys.readouterr().out
    assert "== bad: failed (3) after" in told and "\nwhy\n" in told
    assert "== good: passed" in told


def test_a_command_waits_for_nobody_at_the_keyboard(tmp_path):
    [outcome] = run(tmp_path, {"asks": [sys.executable, "-c", "print(input())"]}, 2)
    assert "EOFError" in outcome.log.read_text()
