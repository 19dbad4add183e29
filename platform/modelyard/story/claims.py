"""What the story claims, and what it found: plain data that every form of the report is made from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Evidence = dict[str, Any]
"""Name -> run id, md5, count, time, address: what the claim was decided from."""


@dataclass(frozen=True)
class Finding:
    """What a chapter found out about one of its claims.

    Args:
        id: one of the claims that the chapter declares.
        held: whether the claim is true.
        value: the number (or short text) that it was decided by, as it is printed.
        evidence: what can be looked up.
        command: a command that shows it again.
    """

    id: str
    held: bool
    value: str | float | int | None
    evidence: Evidence = field(default_factory=dict)
    command: str = ""


@dataclass(frozen=True)
class Claim:
    """A finding with its sentence and its chapter; `error` says why nothing could be found out."""

    id: str
    claim: str
    held: bool
    value: str | float | int | None
    evidence: Evidence
    command: str
    chapter: str
    error: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The claim as report.json holds it."""
        told: dict[str, Any] = {
            "id": self.id,
            "claim": self.claim,
            "held": self.held,
            "value": self.value,
            "evidence": self.evidence,
            "command": self.command,
            "chapter": self.chapter,
        }
        return {**told, "error": self.error} if self.error else told


@dataclass(frozen=True)
class ChapterResult:
    """How one chapter ended: its claims, how long it took, and the error that ended it early."""

    id: str
    title: str
    seconds: float
    claims: tuple[Claim, ...]
    error: str = ""
    reached: bool = True

    @property
    def held(self) -> bool:
        """Whether it was told to its end and every claim of it held."""
        return self.reached and not self.error and all(claim.held for claim in self.claims)
