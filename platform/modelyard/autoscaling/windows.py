"""Averages over the last seconds: a ring of one bucket a second, and the largest of the last decisions.

`now` is any monotonic time in seconds. Two values of one second are added, because they come from different reporters
(the replicas, the activator), not averaged. Source: knative/serving pkg/autoscaler/aggregation/{bucketing,max}.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

BUCKET_S = 1
_DIGITS = 6
_SMALLEST_COEFFICIENT = 0.2
_WEIGHT_SUM = 0.9999


class Buckets:
    """A ring of `window_s` buckets of one second each; `average` is linear."""

    def __init__(self, window_s: int) -> None:
        self.window_s = window_s
        self._ring = [0.0] * window_s
        self._total = 0.0
        self._first: int | None = None  # second of the first write since the last empty window
        self._last: int | None = None

    def record(self, now: float, value: float) -> None:
        """Add `value` to its second; seconds in between become zero, one that is a window old is dropped."""
        second = math.floor(now)
        if self._last is None or self._first is None or second - self._last >= self.window_s:
            self._ring = [0.0] * self.window_s
            self._total = 0.0
            self._first = self._last = second
        elif second <= self._last - self.window_s:
            return
        else:
            self._first = min(self._first, second)
            for passed in range(self._last + 1, second + 1):
                self._total -= self._ring[passed % self.window_s]
                self._ring[passed % self.window_s] = 0.0
            self._last = max(self._last, second)
        self._ring[second % self.window_s] += value
        self._total += value

    def is_empty(self, now: float) -> bool:
        """Nothing was recorded for longer than the window: there is no value, not even zero."""
        return self._last is None or math.floor(now) - self._last > self.window_s

    def average(self, now: float) -> float:
        """Average of the seconds that are known: those since the first write, without those since the last one."""
        if self._last is None or self._first is None:
            return 0.0
        silent_s = max(0, math.floor(now) - self._last)
        if silent_s >= self.window_s:
            return 0.0
        fallen_out = range(self._last + 1, self._last + silent_s + 1)
        total = self._total - sum(self._ring[second % self.window_s] for second in fallen_out)
        known = min(self._last - self._first + 1, self.window_s - silent_s)
        return round(total / known, _DIGITS)

    def resize(self, window_s: int, now: float) -> None:
        """Another window; what is inside both is kept.

        Upstream then takes the old window as filled even where it was not, which makes the average too small for a
        while; here the first write stays known.
        """
        if window_s == self.window_s:
            return
        old, old_s, empty = self._ring, self.window_s, self.is_empty(now)
        self.window_s, self._ring, self._total = window_s, [0.0] * window_s, 0.0
        if empty or self._last is None or self._first is None:
            self._first = self._last = None
            return
        kept = min(old_s, window_s)
        for second in range(self._last - kept + 1, self._last + 1):
            self._ring[second % window_s] = old[second % old_s]
            self._total += old[second % old_s]
        self._first = max(self._first, self._last - old_s + 1)


class WeightedBuckets(Buckets):
    """Newer seconds weigh more: annotation metric-aggregation-algorithm: weighted-exponential."""

    def average(self, now: float) -> float:
        """Sum of c(1-c)^age over the window's seconds, newest first, c the smoothing coefficient."""
        if self._last is None or self.is_empty(now):
            return 0.0
        coefficient = smoothing_coefficient(self.window_s)
        silent_s = max(0, math.floor(now) - self._last)
        weight = coefficient * (1 - coefficient) ** silent_s
        total = 0.0
        for age in range(self.window_s - silent_s):
            total += self._ring[(self._last - age) % self.window_s] * weight
            weight *= 1 - coefficient
        return total


def smoothing_coefficient(buckets: int) -> float:
    """How much the newest of that many buckets weighs, so that all of them together weigh 0.9999; at least 0.2."""
    return max(1 - (1 - _WEIGHT_SUM) ** (1 / buckets), _SMALLEST_COEFFICIENT)


@dataclass(frozen=True)
class LargestOf:
    """The largest of the decisions of the last `window_s`, kept as a falling list of (slot, value).

    Immutable, because it is part of the state that one decision hands to the next.
    """

    falling: tuple[tuple[int, int], ...] = ()

    def record(self, now: float, value: int, *, window_s: float, slot_s: float) -> LargestOf:
        """With one more value; those older than ceil(window_s / slot_s) slots are gone."""
        slot = math.floor(now) // int(slot_s)
        oldest = slot - math.ceil(window_s / slot_s)
        kept = [(at, held) for at, held in self.falling if at > oldest and held > value]
        if kept and kept[-1][0] == slot:  # of two decisions of one slot the larger counts
            return LargestOf(tuple(kept))
        return LargestOf((*kept, (slot, value)))

    def largest(self) -> int:
        """The largest value that is still inside; record first."""
        return self.falling[0][1]
