"""Each load test in its shortest form on the story's yard; the story itself has told those of autoscale and zero."""

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import psutil
import pytest

from modelyard.connections import REPOSITORY
from modelyard.load.running import AUTOSCALER
from modelyard.waiting import wait_until

pytestmark = pytest.mark.timeout(900)
FILES = {"requests.csv", "samples.csv", "verdicts.json", "chart.svg", "report.html", "locust.html", "locust_stats.csv"}


@pytest.fixture(autouse=True)
def yard_with_a_story(told):
    """Its registered versions are what `drift` serves."""


def newest(yard, kind):
    return max(yard.conn.layout.reports.glob(f"load-{kind}-*"), key=lambda folder: folder.stat().st_mtime)


def verdicts(folder):
    held = json.loads((folder / "verdicts.json").read_text("utf-8"))
    return held, {verdict["claim"]: verdict["held"] for verdict in held["verdicts"]}


def assert_whole(folder, headline="The SLO is met"):
    """Every file is there, the chart is a chart, and the requests are one a line."""
    assert {path.name for path in folder.iterdir()} >= FILES
    assert ElementTree.parse(folder / "chart.svg").getroot().tag.endswith("svg")
    with (folder / "requests.csv").open() as lines:
        assert sum(1 for _ in csv.DictReader(lines)) > 10
    assert headline in (folder / "report.html").read_text("utf-8")


@pytest.mark.parametrize("kind", ["autoscale", "zero"])
def test_the_story_keeps_the_reports_of_its_load_tests(told, kind):
    held, _ = verdicts(told.folder / f"load-{kind}")
    assert held["held"]
    assert_whole(told.folder / f"load-{kind}")


def test_what_the_story_set_for_its_sleep_is_as_before(told, story_yard):
    assert "scale-to-zero-grace-period" not in story_yard.services.config_map(*AUTOSCALER)


def test_drift_is_told_within_its_floor_and_its_load_test_leaves_nothing_but_its_report(story_yard):
    missed = [verdict for verdict in story_yard.load("drift") if not verdict.held]
    assert missed == []
    assert_whole(newest(story_yard, "drift"))
    assert story_yard.services.get("load-drift") is None


def test_a_missed_slo_is_told_and_is_an_exit_code_and_all_else_of_the_canary_holds(story_yard, invoke):
    """Chance is a part of a split, and may not be one of a test: the interval here is that of a million draws."""
    done = invoke(story_yard, "load", "canary", "--fast", "--slo", "p95_ms=0.001", "--slo", "draws_percent=99.9999")
    assert done.code == 1
    assert "THE SLO IS MISSED" in done.output and "Traceback" not in done.output
    folder = newest(story_yard, "canary")
    assert str(folder / "report.html") in done.output.replace("\n", "")
    held, claims = verdicts(folder)
    assert not held["held"]
    assert [claim for claim, kept in claims.items() if not kept] == ["A request is answered in time, whoever answers"]
    assert_whole(folder, "1 of 7 objectives is missed")
    assert story_yard.services.get("load-canary") is None


def test_ctrl_c_ends_locust_and_removes_what_was_deployed(story_yard):
    environment = {**os.environ, "MODELYARD_NAME": story_yard.settings.name}
    environment["MODELYARD_STATE_DIR"] = str(story_yard.settings.state_dir)
    argv = [sys.executable, "-m", "invoke", "load", "zero"]
    with subprocess.Popen(
        argv, cwd=REPOSITORY, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as running:
        wait_until(lambda: psutil.Process(running.pid).children(), what="Locust", deadline_s=60)
        locust = psutil.Process(running.pid).children()
        running.send_signal(signal.SIGINT)
        _, told = running.communicate(timeout=60)
    assert running.returncode == 130
    after_the_mark, line = told.splitlines()
    assert not after_the_mark and line.startswith("interrupted: ")
    assert story_yard.services.get("load-zero") is None
    assert psutil.wait_procs(locust, timeout=5)[1] == []


def test_a_load_test_needs_a_yard_and_an_inferenceservice_that_is_there(story_yard, invoke, tmp_path):
    done = invoke(story_yard, "load", "zero", "--name", "nobody")
    assert done.code == 1
    assert "InferenceService default/nobody does not exist" in done.output and "Traceback" not in done.output
    environment = {**os.environ, "MODELYARD_STATE_DIR": str(tmp_path)}
    argv = [sys.executable, "-m", "invoke", "load", "zero"]
    without = subprocess.run(argv, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert without.returncode == 1 and "./invoke up" in without.stderr
    assert list(Path(tmp_path).iterdir()) == []
