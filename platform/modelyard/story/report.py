"""The report of a story: one value, written as report.json, report.xml and report.html."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelyard.story.claims import ChapterResult, Claim
from modelyard.story.junit import junit


@dataclass(frozen=True)
class Report:
    """What a story was, chapter by chapter; `figures` is what the charts are drawn from, `links` where to look."""

    chapters: tuple[ChapterResult, ...]
    started: str
    seconds: float
    profile: str
    yard: str
    workspace: str = ""
    links: Mapping[str, str] = field(default_factory=dict)
    figures: Mapping[str, Any] = field(default_factory=dict)

    @property
    def claims(self) -> tuple[Claim, ...]:
        """Every claim, in the order of the chapters."""
        return tuple(claim for chapter in self.chapters for claim in chapter.claims)

    @property
    def held(self) -> bool:
        """Whether there is a claim at all, and every one held."""
        return bool(self.claims) and all(chapter.held for chapter in self.chapters)

    def as_dict(self) -> dict[str, Any]:
        """The report as report.json holds it."""
        return {
            "held": self.held,
            "started": self.started,
            "seconds": round(self.seconds, 1),
            "profile": self.profile,
            "yard": self.yard,
            "claims": [claim.as_dict() for claim in self.claims],
            "chapters": [
                {
                    "id": chapter.id,
                    "title": chapter.title,
                    "held": chapter.held,
                    "reached": chapter.reached,
                    "seconds": round(chapter.seconds, 1),
                    "error": chapter.error,
                }
                for chapter in self.chapters
            ],
            "links": dict(self.links),
            "figures": dict(self.figures),
        }


def write_report(report: Report, folder: Path) -> Path:
    """Write the three forms into `folder`; the path of report.html is returned."""
    from modelyard.story.page import page

    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder / "report.json", json.dumps(report.as_dict(), indent=2, default=str) + "\n")
    _replace(folder / "report.xml", junit(report.chapters))
    _replace(folder / "report.html", page(report))
    return folder / "report.html"


def read_results(path: Path) -> dict[str, ChapterResult]:
    """Chapter results of a report.json by chapter id; empty where there is none that can be read."""
    try:
        held = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    claims = [Claim(**{"error": "", **claim}) for claim in held["claims"]]
    return {
        chapter["id"]: ChapterResult(
            id=chapter["id"],
            title=chapter["title"],
            seconds=chapter["seconds"],
            claims=tuple(claim for claim in claims if claim.chapter == chapter["id"]),
            error=chapter["error"],
            reached=chapter["reached"],
        )
        for chapter in held["chapters"]
    }


def exit_code(chapters: Sequence[ChapterResult]) -> int:
    """0 when every claim of these chapters held, 1 otherwise; no chapter at all has proven nothing."""
    return 0 if chapters and all(chapter.held for chapter in chapters) else 1


def _replace(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
