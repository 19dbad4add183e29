"""How the values of a column are spread, in the reference and in a window: shares of rows by range.

The ranges hold both sides, so that both humps of a column that has moved away are seen. They are few, so that as
Prometheus series they stay few: at most `MOST_RANGES` and one for what is missing, of `MOST_COLUMNS` columns.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from modelyard.monitor.config import MonitoringConfig

MOST_RANGES = 11
MOST_COLUMNS = 20
LONGEST_NAME = 40
MISSING, OTHER = "(missing)", "(other)"
TAILS = 0.01
"""Part of a side that may lie below the first and above the last of the closed ranges, about."""
DIGITS = 4


def choose_columns(distances: Mapping[str, float | None], config: MonitoringConfig) -> list[str]:
    """The columns that are farthest away, measured by their thresholds; at most `MOST_COLUMNS`."""
    measured = {name: value / config.threshold(name) for name, value in distances.items() if value is not None}
    return sorted(measured, key=lambda name: (-measured[name], name))[:MOST_COLUMNS]


def plan_edges(low: float, high: float, most: int = MOST_RANGES) -> list[float]:
    """Round numbers that cut the way from `low` to `high` into at most `most` ranges, those beyond the ends included.

    Steps are 1, 2 or 5 times a power of ten. Where both ends are the same, or too far apart for floats, there is one
    edge.
    """
    if not (high > low and math.isfinite(high - low)):
        return [low]
    power = math.floor(math.log10((high - low) / most))
    for step, decimals in _steps(power):
        first, last = math.floor(low / step), math.ceil(high / step)
        if last - first + 2 <= most:
            return [round(number * step, max(decimals, 0)) for number in range(first, last + 1)]
    raise AssertionError("unreachable: a step of the whole way always fits")  # pragma: no cover


def _steps(power: int) -> Iterable[tuple[float, int]]:
    """Round steps from 10**power on, each with the decimals that a multiple of it has."""
    for exponent in range(power, power + 4):
        for digit in (1, 2, 5):
            yield digit * 10.0**exponent, -exponent


def name_ranges(edges: Sequence[float]) -> list[str]:
    """A name for the range below the first edge, for each between two edges (the lower one included), and above."""
    told = [f"{edge:.10g}" for edge in edges]
    between = [f"{low} to {high}" for low, high in pairwise(told)]
    return [f"below {told[0]}", *between, f"{told[-1]} and more"]


def spread_numbers(reference: Any, current: Any) -> dict[str, Any]:
    """Shares of two float arrays; NaN is missing, infinities lie beyond the ends."""
    import numpy as np

    known = [side[np.isfinite(side)] for side in (reference, current)]
    ends = [np.quantile(side, [TAILS, 1 - TAILS]) for side in known if side.size]
    low, high = (min(end[0] for end in ends), max(end[1] for end in ends)) if ends else (0.0, 0.0)
    edges = plan_edges(float(low), float(high))
    names = name_ranges(edges)

    def counts(values: Any) -> list[int]:
        there = values[~np.isnan(values)]
        counted = np.bincount(np.searchsorted(edges, there, side="right"), minlength=len(names))
        return [*counted.tolist(), values.size - there.size]

    return _shares([*names, MISSING], counts(reference), counts(current))


def spread_names(reference: Sequence[str | None], current: Sequence[str | None]) -> dict[str, Any]:
    """Shares of two lists of names: the most frequent ones of the reference, all others together, and None."""
    found = Counter(name for name in reference if name is not None)
    frequent = sorted(found, key=lambda name: (-found[name], name))[: MOST_RANGES - 1]
    names = list(dict.fromkeys(_short(name) for name in [*frequent, OTHER, MISSING]))

    def counts(values: Sequence[str | None]) -> list[int]:
        counted = Counter(
            MISSING if value is None else _short(value) if value in frequent else OTHER for value in values
        )
        return [counted[name] for name in names]

    return _shares(names, counts(reference), counts(current))


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


def _shares(names: Sequence[str], reference: Sequence[int], current: Sequence[int]) -> dict[str, Any]:
    """Ratios by range; ranges at the ends that hold no row on either side are left out."""
    held = list(zip(names, reference, current, strict=True))
    tail = [row for row in held if row[0] in (OTHER, MISSING)]
    body = [row for row in held if row[0] not in (OTHER, MISSING)]
    while body and not any(body[0][1:]):
        body.pop(0)
    while body and not any(body[-1][1:]):
        body.pop()
    kept = [*body, *(row for row in tail if any(row[1:]))]
    n_reference, n_current = max(sum(reference), 1), max(sum(current), 1)
    return {
        "ranges": [name for name, _, _ in kept],
        "trained_on": [round(rows / n_reference, DIGITS) for _, rows, _ in kept],
        "now": [round(rows / n_current, DIGITS) for _, _, rows in kept],
    }


def spread(
    reference: pd.DataFrame, current: pd.DataFrame, columns: Iterable[str], config: MonitoringConfig
) -> dict[str, dict[str, Any]]:
    """Of each column: `ranges` in order, and `trained_on` and `now`, the part of the rows in each.

    Args:
        reference: the rows that the version was trained on, as `worker.as_frame` makes them.
        current: the rows of the window, likewise.
        columns: which.
        config: tells numbers from categories.
    """
    told = {}
    for name in columns:
        if name in config.numerical:
            told[name] = spread_numbers(reference[name].to_numpy(), current[name].to_numpy())
        else:
            told[name] = spread_names(_names(reference[name]), _names(current[name]))
    return told


def _names(column: pd.Series) -> list[str | None]:
    return column.astype(object).where(column.notna(), None).tolist()
