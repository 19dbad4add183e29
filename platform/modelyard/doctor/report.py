"""The findings as a person reads them, and as JSON."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from dataclasses import asdict

from modelyard.doctor.finding import Finding

WIDTH = 100
HEADS = {"problem": "MEND", "warning": "NOTE", "ok": "ok"}
STYLES = {"problem": "bold red", "warning": "yellow", "ok": "green"}


def to_json(findings: Sequence[Finding]) -> str:
    """One JSON object: whether nothing has to be mended, the counts, and every finding."""
    count = {state: sum(held.state == state for held in findings) for state in HEADS}
    held = {
        "ok": not count["problem"],
        "problems": count["problem"],
        "warnings": count["warning"],
        "findings": [asdict(finding) for finding in findings],
    }
    return json.dumps(held, indent=2, ensure_ascii=False)


def lines(findings: Sequence[Finding], width: int = WIDTH) -> list[tuple[str, str]]:
    """Lines with rich's style of their first word: the verdict, what to mend, what to know, what is well."""
    told = [(verdict(findings), "")]
    for finding in findings:
        if finding.state != "ok":
            told += [("", ""), *_block(finding, width)]
    well = [finding for finding in findings if finding.state == "ok"]
    if well:
        told.append(("", ""))
        room = max(len(finding.check) for finding in well)
        told += [(f"{HEADS['ok']:<6}{finding.check:<{room}}  {finding.found}", STYLES["ok"]) for finding in well]
    return [*told, ("", ""), (_last_line(findings), "")]


def verdict(findings: Sequence[Finding]) -> str:
    """The first line: how it stands."""
    problems = sum(finding.state == "problem" for finding in findings)
    warnings = sum(finding.state == "warning" for finding in findings)
    notes = f"{warnings} thing{'s' * (warnings != 1)} to know"
    if problems:
        also = f", and {notes}" if warnings else ""
        return f"{problems} thing{'s' * (problems > 1)} to mend before the yard can work{also}."
    return f"Nothing stands in the way of a yard{f'; {notes}' if warnings else ''}."


def _block(finding: Finding, width: int) -> list[tuple[str, str]]:
    head = f"{HEADS[finding.state]:<6}{finding.check}: "
    told = textwrap.wrap(
        head + finding.found,
        width,
        subsequent_indent=" " * 6,
        break_long_words=False,
        break_on_hyphens=False,
    )
    why = textwrap.wrap(
        f"because {finding.why}.", width, initial_indent=" " * 6, subsequent_indent=" " * 6, break_long_words=False
    )
    return [
        (told[0], STYLES[finding.state]),
        *((line, "") for line in (*told[1:], *why)),
        (f"      paste:  {finding.next_command}", ""),
    ]


def _last_line(findings: Sequence[Finding]) -> str:
    if any(finding.state == "problem" for finding in findings):
        return "Next: paste the line below the first MEND, then ./invoke doctor"
    return "Next: ./invoke up"
