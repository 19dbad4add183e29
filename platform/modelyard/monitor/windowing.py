"""Where windows begin and end: decided by the durable order of rows and phases alone, never by a clock.

A window holds rows of one phase. A row's phase is the last mark before it; the truth of a row that comes late counts
in the windows of the row's own phase. A mark drops every window that is not full.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """Rows `first`..`last` (numbers in the durable order, ends included) of the phase that began at `phase`."""

    phase: int
    first: int
    last: int
    rows: int
    whole: bool


class Cutter:
    """Cuts one version's rows, or truths, into windows of `size`; the same input gives the same windows."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._open: dict[int, Span] = {}

    @property
    def progress_ratio(self) -> float:
        """How full the fullest open window is."""
        return max((span.rows for span in self._open.values()), default=0) / self.size

    def add(self, phase: int, first: int, rows: int = 1) -> list[Span]:
        """Take rows `first`..`first + rows - 1`; the windows that they fill are returned."""
        filled: list[Span] = []
        while rows:
            held = self._open.get(phase)
            taken = min(rows, self.size - (held.rows if held else 0))
            span = Span(
                phase=phase,
                first=held.first if held else first,
                last=first + taken - 1,
                rows=taken + (held.rows if held else 0),
                whole=False,
            )
            first, rows = first + taken, rows - taken
            if span.rows == self.size:
                filled.append(Span(phase, span.first, span.last, span.rows, True))
                self._open.pop(phase, None)
            else:
                self._open[phase] = span
        return filled

    def end_phase(self) -> list[Span]:
        """A phase has ended: the windows that were open are dropped, and returned so that they can be counted."""
        dropped = list(self._open.values())
        self._open.clear()
        return dropped


def phase_of(marks: Sequence[int], row: int) -> int:
    """The mark that began the phase of a row, 0 before the first; `marks` in rising order."""
    at = bisect_right(marks, row)
    return marks[at - 1] if at else 0
