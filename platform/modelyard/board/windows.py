"""Which moments a graph has: from, to and step; equal steps at round times, so that lines do not dance."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from modelyard.errors import SettingError

STEPS_S = (2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600)
MOST_POINTS = 400
SHORTEST_S, LONGEST_S = 30.0, 15 * 86400.0
RELATIVE = re.compile(r"now(?:-(\d+)([smhd]))?")
UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
ALLOWED = "now, now-30m (s, m, h, d) or seconds since 1970"


@dataclass(frozen=True)
class Window:
    """Times in seconds since 1970; `start_s` and `end_s` are multiples of `step_s`."""

    start_s: int
    end_s: int
    step_s: int
    live: bool

    @property
    def range_s(self) -> int:
        """Length in seconds."""
        return self.end_s - self.start_s

    @property
    def points(self) -> int:
        """How many moments there are, both ends among them."""
        return self.range_s // self.step_s + 1


def choose_window(start: str, end: str, *, now_s: float, shortest_step_s: int) -> Window:
    """The window from what an address says, as Grafana writes it.

    Args:
        start: `now-30m`, or seconds since 1970.
        end: `now`, or seconds since 1970.
        now_s: seconds since 1970.
        shortest_step_s: seconds between two scrapes: finer steps would show nothing more.

    Raises:
        SettingError: one is no time, or the window is empty, shorter than 30 s or longer than what is kept.
    """
    start_s, end_s = read_time(start, now_s), read_time(end, now_s)
    length_s = end_s - start_s
    if not SHORTEST_S <= length_s <= LONGEST_S:
        raise SettingError(
            f"the time from {start} to {end} is {length_s:.0f}s",
            allowed="from 30s to 15d, which is how long Prometheus keeps its data",
        )
    step_s = choose_step(length_s, shortest_step_s)
    last = math.floor(end_s / step_s) * step_s
    first = math.floor(start_s / step_s) * step_s
    return Window(first, last, step_s, live=end.startswith("now"))


def choose_step(length_s: float, shortest_step_s: int) -> int:
    """The shortest round step with at most MOST_POINTS of them in the window."""
    fitting = (step for step in STEPS_S if step >= shortest_step_s and length_s / step <= MOST_POINTS)
    return next(fitting, math.ceil(length_s / MOST_POINTS))


def read_time(told: str, now_s: float) -> float:
    """Seconds since 1970.

    Raises:
        SettingError: it is no time.
    """
    found = RELATIVE.fullmatch(told)
    if found:
        return now_s - int(found[1] or 0) * UNITS_S[found[2] or "s"]
    try:
        held = float(told)
    except ValueError:
        raise SettingError(f"{told!r} is no time", allowed=ALLOWED) from None
    if not math.isfinite(held) or not 0 <= held < 1e11:
        raise SettingError(f"{told!r} is no time", allowed=ALLOWED)
    return held
