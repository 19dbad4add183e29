"""What the doctor says of one thing: its state, what was found, why it matters, and the command that mends it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "problem"]
SEVERITY: dict[State, int] = {"problem": 0, "warning": 1, "ok": 2}


@dataclass(frozen=True)
class Finding:
    """One finding.

    Attributes:
        check: the noun that it is about: `ports`, `disk`.
        state: `problem` keeps a yard from working, `warning` may do so later, `ok`.
        found: a sentence with the value that was met.
        why: what would go wrong, as a clause; empty where all is well.
        next_command: a command that can be pasted; empty where all is well.
    """

    check: str
    state: State
    found: str
    why: str = ""
    next_command: str = ""


def fine(check: str, found: str) -> Finding:
    """A finding that asks for nothing."""
    return Finding(check, "ok", found)


def warning(check: str, found: str, why: str, next_command: str) -> Finding:
    """A finding that a person should know, and that stops nothing yet."""
    return Finding(check, "warning", found, why, next_command)


def problem(check: str, found: str, why: str, next_command: str) -> Finding:
    """A finding that has to be mended first."""
    return Finding(check, "problem", found, why, next_command)


def sort_by_severity(findings: Iterable[Finding]) -> list[Finding]:
    """Problems first, then warnings; else in the order in which they were found."""
    return sorted(findings, key=lambda finding: SEVERITY[finding.state])


def tell_bytes(size: float) -> str:
    """A size as a person says it: `350 MB`, `2.1 GB` (powers of ten, as shops and file managers count)."""
    if size < 1e9:
        return f"{size / 1e6:.0f} MB"
    return f"{size / 1e9:.1f} GB" if size < 1e11 else f"{size / 1e9:.0f} GB"
