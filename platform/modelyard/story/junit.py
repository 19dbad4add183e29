"""The story as a JUnit file: a suite a chapter, a test case a claim, so that a CI server shows it as tests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from xml.etree import ElementTree as Xml

from modelyard.story.claims import ChapterResult, Claim


def junit(chapters: Sequence[ChapterResult], *, name: str = "modelyard story") -> str:
    """The XML document.

    A claim that did not hold is a `failure`; one that could not be decided because its chapter ended in an error is an
    `error`. Both make a CI job red. Nothing is `skipped`: a chapter that was not reached has proven nothing.
    """
    root = Xml.Element("testsuites", name=name)
    for chapter in chapters:
        failures = sum(not claim.held and not claim.error for claim in chapter.claims)
        errors = sum(bool(claim.error) for claim in chapter.claims)
        suite = Xml.SubElement(
            root,
            "testsuite",
            name=chapter.id,
            tests=str(len(chapter.claims)),
            failures=str(failures),
            errors=str(errors),
            skipped="0",
            time=f"{chapter.seconds:.3f}",
        )
        for number, claim in enumerate(chapter.claims):
            # a chapter is timed as a whole; its first case carries the time, so that the sum is right
            _case(suite, claim, chapter.seconds if number == 0 else 0.0)
    for total in ("tests", "failures", "errors"):
        root.set(total, str(sum(int(suite.get(total, "0")) for suite in root)))
    root.set("time", f"{sum(chapter.seconds for chapter in chapters):.3f}")
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: Xml.Element, claim: Claim, seconds: float) -> None:
    case = Xml.SubElement(suite, "testcase", classname=f"story.{claim.chapter}", name=claim.id, time=f"{seconds:.3f}")
    told = _clean(f"{claim.claim}\nvalue: {claim.value}\nevidence: {json.dumps(claim.evidence, default=str)}")
    if claim.error:
        Xml.SubElement(case, "error", message=_clean(claim.error.splitlines()[0])).text = _clean(claim.error)
    elif not claim.held:
        Xml.SubElement(case, "failure", message=_clean(f"{claim.claim} (value: {claim.value})")).text = told
    Xml.SubElement(case, "system-out").text = told


def _clean(text: str) -> str:
    """Text without the control characters that XML 1.0 does not allow."""
    return "".join(c for c in text if c in "\t\n\r" or ord(c) >= 32)
