"""The fast story on a fresh yard: every claim holds, and every form of the report and every panel shows it."""

import json
import subprocess

import pytest

from dashboards.queries import panel_queries
from modelyard.connections import REPOSITORY
from modelyard.story.chapters import CHAPTERS
from modelyard.waiting import wait_until
from modelyard.yard.next_steps import next_steps

pytestmark = pytest.mark.timeout(900)
"""The first test waits for the whole story."""
OF_OTHERS = {"Are there more requests a second than they are meant for?"}
"""Panels of services that are scaled by another figure than the story's."""


def test_every_claim_of_the_story_holds(told):
    failed = {name: claim["value"] for name, claim in told.claims.items() if not claim["held"]}
    assert (told.code, failed) == (0, {}), told.output[-4000:]
    assert list(told.claims) == [claim for chapter in CHAPTERS for claim in chapter.claims]


def test_each_claim_has_a_number_its_evidence_and_a_command_that_shows_it_again(told):
    for part in ("value", "evidence", "command"):
        assert [name for name, claim in told.claims.items() if not claim[part]] == []


def test_the_junit_file_says_the_same(told):
    assert (told.junit.get("failures"), told.junit.get("errors")) == ("0", "0")
    assert [case.get("name") for case in told.junit.iter("testcase")] == list(told.claims)


def test_what_a_person_reads_names_the_chapters_the_claims_and_the_report(told):
    for chapter in CHAPTERS:
        assert chapter.title in told.output
    for claim in told.claims.values():
        assert claim["claim"] in told.output
    assert str(told.folder / "report.html") in told.output
    assert "Traceback" not in told.output and "Warning" not in told.output


@pytest.mark.parametrize(
    ("claim", "measured", "expected", "width"),
    [
        ("traffic.accuracy", lambda c: c["value"], 0.679, 0.03),
        ("drift.metrics", lambda c: c["value"], 3.7, 0.15),
        ("drift.accuracy", lambda c: c["evidence"]["July"], 0.608, 0.035),
        ("drift.early", lambda c: c["value"], 0.25, 0.06),
        ("recovery.early", lambda c: c["value"], 0.549, 0.06),
        ("recovery.healthy", lambda c: c["evidence"]["accuracy"], 0.630, 0.035),
        ("canary.bad_refused", lambda c: c["evidence"]["log-loss, stable and candidate"][0], 0.863, 0.12),
        ("canary.good_judged", lambda c: c["evidence"]["log-loss, stable and candidate"][0], 0.863, 0.12),
        ("canary.good_judged", lambda c: c["evidence"]["log-loss, stable and candidate"][1], 0.795, 0.12),
    ],
)
def test_the_figures_are_those_that_were_measured_before_there_was_code(told, claim, measured, expected, width):
    """Means of the same model over whole months; a width is four standard deviations of what the story samples."""
    assert measured(told.claims[claim]) == pytest.approx(expected, abs=width)


def test_the_versions_of_the_story_are_the_two_and_the_refused_one(told):
    judged = {row["candidate"]: row["action"] for row in told.report["figures"]["judged"]}
    assert list(judged.values()) == ["roll back", "promote"]
    assert told.claims["canary.bad_refused"]["evidence"]["stable"].startswith("version 1,")
    assert told.claims["canary.good_judged"]["evidence"]["stable"].startswith("version 1,")
    assert told.claims["recovery.served"]["evidence"]["model version"] == "2"


@pytest.mark.parametrize("dashboard", sorted((REPOSITORY / "dashboards" / "json").glob("*.json")), ids=lambda p: p.stem)
def test_every_panel_of_a_dashboard_has_data(told, story_yard, invoke, dashboard):
    """What callers wait for now is known only while somebody calls."""

    def silent():
        queries = panel_queries(dashboard, inferenceservice="flights", namespace="default")
        return [title for title, promql in queries if title not in OF_OTHERS and not story_yard.metrics(promql)]

    assert told.code == 0
    assert invoke(story_yard, "predict", "--rows", "2").code == 0
    wait_until(lambda: not silent(), what=f"data in {dashboard.stem}", deadline_s=60, last_answer=lambda: str(silent()))


def test_status_tells_of_the_service_that_the_story_left(told, story_yard, invoke):
    shown = invoke(story_yard, "status", "--json")
    held = json.loads(shown.output)
    assert shown.code == 0
    assert [(item["name"], item["ready"]) for item in held["inferenceservices"]] == [("flights", True)]


def test_lineage_leads_both_ways(told, story_yard, invoke):
    shown = invoke(story_yard, "lineage", "flights")
    md5 = told.claims["retraining.version"]["value"]
    assert shown.code == 0
    assert shown.output.count(md5) >= 2
    assert "100 %" in shown.output and "DIFFERS" not in shown.output


def test_predict_asks_the_served_model(told, story_yard, invoke):
    shown = invoke(story_yard, "predict", "--rows", "2")
    assert shown.code == 0
    assert shown.output.count("at push-back") == 2


def test_the_request_that_up_gives_to_paste_is_answered(told, story_yard):
    (line,) = [step for step in next_steps(story_yard.conn) if "curl" in step]
    done = subprocess.run(line, shell=True, capture_output=True, text=True, check=True)  # a person pastes it into one
    assert json.loads(done.stdout)["predictions"][0]["class"]


def test_nothing_of_the_checkout_is_changed_by_the_story(told):
    """The workspace is a copy: what DVC and Git do there is not done here."""
    argv = ["git", "status", "--porcelain", "--", "sample-model/.dvc", "sample-model/data", "sample-model/dvc.lock"]
    assert subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout == ""
