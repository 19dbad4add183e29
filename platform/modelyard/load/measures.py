"""What Locust has measured, one line a request, and the figures and series that are made of it."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

COLUMNS = ("started", "seconds", "status", "answer", "error")


@dataclass(frozen=True)
class Request:
    """One request: `started` in seconds since 1970, `seconds` until its answer, `error` empty where it was answered."""

    started: float
    seconds: float
    status: int
    answer: str
    error: str = ""

    @property
    def ended(self) -> float:
        """When its answer was there, in seconds since 1970."""
        return self.started + self.seconds

    @property
    def failed(self) -> bool:
        """Whether it was not answered as it should."""
        return bool(self.error)


def read_requests(path: Path) -> list[Request]:
    """Requests of a file that Locust wrote, by their start; a last line that is not whole is left out."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as held:
        rows = [row for row in csv.reader(held) if len(row) == len(COLUMNS) and row[0] != COLUMNS[0]]
    made = [Request(float(row[0]), float(row[1]), int(row[2]), row[3], row[4]) for row in rows]
    return sorted(made, key=lambda request: request.started)


def between(requests: Iterable[Request], begin: float, end: float = math.inf) -> list[Request]:
    """Requests that started in a span of time (seconds since 1970)."""
    return [request for request in requests if begin <= request.started < end]


def answers(requests: Iterable[Request]) -> Counter[str]:
    """How often each answer came; failures have none."""
    return Counter(request.answer for request in requests if not request.failed)


def failures(requests: Iterable[Request]) -> int:
    """How many requests failed."""
    return sum(request.failed for request in requests)


def first_failure(requests: Iterable[Request]) -> str:
    """Why the first request that failed did; empty where none has."""
    return next((f"{request.status} {request.error}" for request in requests if request.failed), "")


def percentile(values: Sequence[float], percent: float) -> float | None:
    """The percentile by linear interpolation between neighbours, as numpy's; None where there is no value."""
    if not values:
        return None
    held = sorted(values)
    place = (len(held) - 1) * percent / 100
    low = math.floor(place)
    high = min(low + 1, len(held) - 1)
    return held[low] + (held[high] - held[low]) * (place - low)


def latency_ms(requests: Iterable[Request], percent: float) -> float | None:
    """A percentile of the time to an answer, in milliseconds; failures do not count."""
    found = percentile([request.seconds for request in requests if not request.failed], percent)
    return None if found is None else found * 1000


def concurrency(requests: Sequence[Request], begin: float, seconds: float, step_s: float = 1.0) -> list[float]:
    """Requests in flight, as averages over each step from `begin` on: the integral over the step, by its length."""
    held = [0.0] * math.ceil(seconds / step_s)
    for request in requests:
        first = max(int((request.started - begin) // step_s), 0)
        last = min(int((request.ended - begin) // step_s), len(held) - 1)
        for place in range(first, last + 1):
            low, high = begin + place * step_s, begin + (place + 1) * step_s
            held[place] += max(0.0, min(request.ended, high) - max(request.started, low)) / step_s
    return held


def rate(requests: Sequence[Request], begin: float, seconds: float, step_s: float = 1.0) -> list[float]:
    """Answers a second, for each step from `begin` on."""
    held = [0.0] * math.ceil(seconds / step_s)
    for request in requests:
        place = int((request.ended - begin) // step_s)
        if 0 <= place < len(held) and not request.failed:
            held[place] += 1 / step_s
    return held


def latency_series(
    requests: Sequence[Request], begin: float, seconds: float, percent: float, step_s: float = 1.0
) -> list[float | None]:
    """A percentile of the latency (ms) of the answers that came in each step; None where none came."""
    held: list[list[float]] = [[] for _ in range(math.ceil(seconds / step_s))]
    for request in requests:
        place = int((request.ended - begin) // step_s)
        if 0 <= place < len(held) and not request.failed:
            held[place].append(request.seconds * 1000)
    return [percentile(values, percent) for values in held]
