"""How far a split may be from what was asked for when each request draws its revision by itself."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """Counts from `low` to `high`, both included."""

    low: int
    high: int

    def __contains__(self, count: object) -> bool:
        return isinstance(count, int) and self.low <= count <= self.high


def interval(requests: int, share: float, confidence: float) -> Interval:
    """The central interval of Binomial(requests, share): at most (1 - confidence) / 2 of the draws lie on each side.

    The quantiles of the distribution itself, not of a normal one: at 1 percent of a few hundred requests they differ.

    Args:
        requests: draws.
        share: probability of each, 0 to 1.
        confidence: 0.99 for 99 percent.

    Raises:
        ValueError: an argument is out of its range.
    """
    if requests < 0 or not 0 <= share <= 1 or not 0 < confidence < 1:
        raise ValueError(f"{requests} draws of {share} at {confidence}: shares are 0 to 1, a confidence between them")
    tail = (1 - confidence) / 2
    return Interval(_quantile(requests, share, tail), _quantile(requests, share, 1 - tail))


def _quantile(requests: int, share: float, probability: float) -> int:
    """The least count whose cumulated probability reaches `probability`."""
    below = 0.0
    for count in range(requests + 1):
        below += _mass(requests, share, count)
        if below >= probability:
            return count
    return requests


def _mass(requests: int, share: float, count: int) -> float:
    """Probability of exactly `count`; by logarithms, because binomial coefficients outgrow a float."""
    if share in (0.0, 1.0):
        return float(count == requests * share)
    ways = math.lgamma(requests + 1) - math.lgamma(count + 1) - math.lgamma(requests - count + 1)
    return math.exp(ways + count * math.log(share) + (requests - count) * math.log1p(-share))
