"""report.json, report.xml and report.html from the same claims."""

import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from modelyard.story.claims import ChapterResult, Claim
from modelyard.story.junit import junit
from modelyard.story.page import page
from modelyard.story.report import Report, exit_code, read_results, write_report


def claim(identity: str, held: bool = True, error: str = "", **more) -> Claim:
    told = {"value": 0.5, "evidence": {"run": "abc"}, "command": "kubectl get isvc", **more}
    return Claim(
        id=identity, claim=f"Claim {identity}", held=held, chapter=identity.partition(".")[0], error=error, **told
    )


def chapter(*claims: Claim, error: str = "", reached: bool = True) -> ChapterResult:
    return ChapterResult(claims[0].chapter, claims[0].chapter.title(), 2.5, claims, error, reached)


GOOD = chapter(claim("data.one"), claim("data.two"))
FALSE = chapter(claim("traffic.one"), claim("traffic.two", held=False))
BROKEN = chapter(claim("drift.one", held=False, error="error: no monitor"), error="error: no monitor")
FIGURES = {
    "drift": [
        {"phase": "January", "version": "1", "number": 1, "dewp": 0.05},
        {"phase": "July", "version": "1", "number": 2, "dewp": None},
        {"phase": "July", "version": "1", "number": 3, "dewp": 3.7},
    ],
    "quality": [{"phase": "July", "version": "1", "number": 1, "accuracy": 0.6, "early": None}],
    "mix": {"July, v1": {"early": 0.2, "on_time": 0.8}},
    "judged": [
        {
            "candidate": "version 2",
            "truths": 500,
            "action": "promote",
            "stable_log_loss": 0.86,
            "candidate_log_loss": 0.79,
            "stable_accuracy": None,
            "candidate_accuracy": None,
        }
    ],
}


def report(*chapters: ChapterResult, figures=None) -> Report:
    links = {"mlflow": "http://127.0.0.1:7602"}
    return Report(chapters, "2026-11-24T15:00:00+00:00", 150.0, "fast", "default", "/w", links, figures or {})


@pytest.mark.parametrize(
    ("chapters", "code"), [((GOOD,), 0), ((GOOD, FALSE), 1), ((GOOD, BROKEN), 1), ((), 1)], ids=repr
)
def test_the_exit_code_is_zero_only_when_every_claim_held_and_there_was_one(chapters, code):
    assert exit_code(chapters) == code
    assert report(*chapters).held is (code == 0)


def test_a_chapter_whose_claims_held_before_an_error_has_not_held():
    assert exit_code([chapter(claim("data.one"), error="error: the store went away")]) == 1


def test_junit_counts_false_claims_as_failures_and_undecided_ones_as_errors():
    root = ElementTree.fromstring(junit([GOOD, FALSE, BROKEN]).encode())
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("5", "1", "1")
    assert [suite.get("name") for suite in root] == ["data", "traffic", "drift"]
    assert [case.get("name") for case in root.iter("testcase")] == [
        "data.one",
        "data.two",
        "traffic.one",
        "traffic.two",
        "drift.one",
    ]
    assert root.find(".//failure").get("message") == "Claim traffic.two (value: 0.5)"
    assert root.find(".//error").text == "error: no monitor"
    assert float(root.get("time")) == 7.5


def test_junit_stays_xml_when_a_program_printed_colours():
    told = junit([chapter(claim("data.one", held=False, error="\x1b[31merror: <no> & \x00\x1b[0m"))])
    assert ElementTree.fromstring(told.encode()).find(".//error").text == "[31merror: <no> & [0m"


def test_report_json_has_each_claim_with_its_number_and_evidence(tmp_path):
    write_report(report(GOOD, FALSE), tmp_path)
    held = json.loads((tmp_path / "report.json").read_text())
    assert held["held"] is False
    assert held["claims"][0] == {
        "id": "data.one",
        "claim": "Claim data.one",
        "held": True,
        "value": 0.5,
        "evidence": {"run": "abc"},
        "command": "kubectl get isvc",
        "chapter": "data",
    }


def test_results_are_read_back_as_they_were_written(tmp_path):
    write_report(report(GOOD, FALSE, BROKEN), tmp_path)
    assert read_results(tmp_path / "report.json") == {r.id: r for r in (GOOD, FALSE, BROKEN)}
    assert read_results(tmp_path / "nothing.json") == {}


class Loaded(HTMLParser):
    """What a browser would fetch by itself."""

    def __init__(self):
        super().__init__()
        self.fetched, self.tags, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        held = dict(attrs)
        self.tags.append(tag)
        if "src" in held or tag in ("link", "script", "iframe", "object"):
            self.fetched.append((tag, held))

    def handle_data(self, data):
        self.text.append(data)


def read(html: str) -> Loaded:
    loaded = Loaded()
    loaded.feed(html)
    return loaded


def test_the_page_needs_no_network():
    html = page(report(GOOD, FALSE, BROKEN, figures=FIGURES))
    assert read(html).fetched == []
    assert not re.search(r"url\(|@import", html)


def test_the_page_shows_every_claim_with_its_number_its_evidence_and_its_command():
    html = page(report(GOOD, FALSE, BROKEN, figures=FIGURES))
    text = " ".join(read(html).text)
    for result in (GOOD, FALSE, BROKEN):
        for held in result.claims:
            assert held.claim in text
    assert text.count("abc") == text.count("kubectl get isvc") == 5
    assert "2 of 5 claims did not hold" in text
    assert "error: no monitor" in text


def test_the_page_draws_a_chart_a_figure_and_leaves_a_gap_where_nothing_was_measured():
    html = page(report(GOOD, figures=FIGURES))
    assert read(html).tags.count("svg") == 3
    assert "3.70" in html and "None" not in html
    assert "no data" in html


def test_what_a_claim_holds_is_text_and_never_markup():
    wrong = claim("data.one", value="<b>5</b>", evidence={"<i>": ["<script>alert(1)</script>", {"a": "&"}]})
    html = page(report(chapter(wrong)))
    assert "script" not in read(html).tags
    assert "&lt;script&gt;" in html


def test_a_report_without_figures_has_no_empty_charts():
    assert "<svg" not in page(report(GOOD))
