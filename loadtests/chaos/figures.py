"""What a chaos program has measured, run by run, as a table and in a line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

HEAD = ("seed", "what was done", "repaired", "requests", "failed", "acknowledged", "lost", "ready after")


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
        seed: of the run's random choices.
        what: what was killed, and when.
        repaired: whether every service, the InferenceService among them, answered again in time.
        requests: predictions asked for by Locust from the kill until the end of the run.
        failed: of them, those that were not answered as they should.
        acknowledged: pairs of events that the monitor acknowledged since the run before.
        lost: of all that were ever acknowledged, those that it does not have at the end of the run.
        ready_s: seconds from the kill (or from the start of `up`) until everything was repaired.
        told: what was met; the first failure, or why it was not repaired.
    """

    seed: int
    what: str
    repaired: bool
    requests: int
    failed: int
    acknowledged: int
    lost: int
    ready_s: float
    told: str = ""

    @property
    def is_good(self) -> bool:
        """Whether what must never happen did not."""
        return self.repaired and self.lost == 0

    def row(self) -> tuple[str, ...]:
        """As a row of the table."""
        counts = (self.requests, self.failed, self.acknowledged, self.lost)
        return (
            str(self.seed),
            self.what,
            "yes" if self.repaired else "NO",
            *map(str, counts),
            f"{self.ready_s:.1f} s",
        )


def table(runs: Sequence[Run]) -> str:
    """A table in Markdown, one line a run."""
    rows = [HEAD, *(run.row() for run in runs)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(HEAD))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def summary(runs: Sequence[Run]) -> str:
    """All runs in a line."""
    seconds = sorted(run.ready_s for run in runs)
    middle = (seconds[(len(seconds) - 1) // 2] + seconds[len(seconds) // 2]) / 2
    asked, failed = sum(run.requests for run in runs), sum(run.failed for run in runs)
    return (
        f"{sum(run.repaired for run in runs)} of {len(runs)} repaired; {failed} of {asked} requests failed; "
        f"{sum(run.acknowledged for run in runs)} events acknowledged, {max(run.lost for run in runs)} lost; "
        f"time to ready: median {middle:.1f} s, longest {seconds[-1]:.1f} s"
    )


def write_json(path: Path, runs: Sequence[Run]) -> None:
    """Every figure, for whoever draws them."""
    path.write_text(json.dumps([asdict(run) for run in runs], indent=2) + "\n", "utf-8")
