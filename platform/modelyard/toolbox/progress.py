"""How far a fetch is: counted by the thread that fetches, told by the one that draws."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field

BEGINNING = "looking for it"
MEGABYTE = 1_000_000
RATE_WINDOW_S = 5.0
BAR_CELLS = 16
JUDGED_AFTER_S = 4.0
"""Before that a rate says nothing: connections begin slowly."""


class Stopped(Exception):
    """A fetch was told to stop; what has arrived stays for the next time."""


@dataclass
class Progress:
    """One program on its way.

    `done_bytes` counts from the beginning of the file, `gained_bytes` only what came in this try; `total_bytes` is 0
    while nobody has said it. `stop` is set by whoever wants it ended.
    """

    name: str
    stage: str = BEGINNING
    done_bytes: int = 0
    total_bytes: int = 0
    gained_bytes: int = 0
    stop: threading.Event = field(default_factory=threading.Event)
    _samples: deque[tuple[float, int]] = field(default_factory=deque)

    def begin(self, stage: str, done_bytes: int = 0, total_bytes: int = 0) -> None:
        """Another stage of the same program."""
        self.stage, self.done_bytes, self.total_bytes = stage, done_bytes, total_bytes
        self._samples.clear()

    def add(self, arrived_bytes: int) -> None:
        """Count bytes."""
        now = time.monotonic()
        self.done_bytes += arrived_bytes
        self.gained_bytes += arrived_bytes
        self._samples.append((now, self.done_bytes))
        while now - self._samples[0][0] > RATE_WINDOW_S:
            self._samples.popleft()

    def rate(self, now: float) -> float | None:
        """Bytes a second over the last seconds; None while too little is known."""
        samples = list(self._samples)
        if len(samples) < 2 or now - samples[0][0] <= 0:
            return None
        return (samples[-1][1] - samples[0][1]) / (now - samples[0][0])

    def told(self, *, bar: bool = False) -> str:
        """As a person reads it."""
        return describe_progress(
            self.stage, self.done_bytes, self.total_bytes, self.rate(time.monotonic()), bar_cells=BAR_CELLS * bar
        )


def describe_progress(
    stage: str, done_bytes: int, total_bytes: int, rate_bytes_s: float | None, *, bar_cells: int = 0
) -> str:
    """As in `fetching: 31.4 of 104.3 MB (30%), 2.1 MB/s, 35 s left`; with a bar in front where one is wanted."""
    if not total_bytes:
        return stage + (f": {describe_size(done_bytes)}" if done_bytes else "")
    share = min(1.0, done_bytes / total_bytes)
    told = f"{stage}: {done_bytes / MEGABYTE:.1f} of {describe_size(total_bytes)} ({share:.0%})"
    if rate_bytes_s:
        told += f", {describe_size(rate_bytes_s)}/s, {describe_seconds((total_bytes - done_bytes) / rate_bytes_s)} left"
    filled = round(share * bar_cells)
    return f"{'━' * filled}{'╌' * (bar_cells - filled)} {told}" if bar_cells else told


def describe_size(size_bytes: float) -> str:
    """Megabytes with a digit, kilobytes below."""
    return f"{size_bytes / MEGABYTE:.1f} MB" if size_bytes >= MEGABYTE / 10 else f"{size_bytes / 1000:.0f} kB"


def describe_seconds(seconds: float) -> str:
    """`45 s`, `3 min`, `2 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.0f} h"


def decide_too_slow(
    done_bytes: int, gained_bytes: int, total_bytes: int, elapsed_s: float, *, patience_s: float
) -> bool:
    """Whether a program that a yard can do without is given up for now, so that it does not hold the yard up.

    Args:
        done_bytes: that are here, with those of earlier tries.
        gained_bytes: of them, in this try.
        total_bytes: of the file; 0 while it is not known.
        elapsed_s: seconds of this try.
        patience_s: seconds that it may take.
    """
    if elapsed_s >= patience_s:
        return True
    if elapsed_s < min(JUDGED_AFTER_S, patience_s) or not total_bytes:
        return False
    rate = gained_bytes / elapsed_s
    return rate * (patience_s - elapsed_s) < total_bytes - done_bytes
