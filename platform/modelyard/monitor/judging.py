"""The verdict on a window: pure functions from distances and counts to what is exported and alerted on."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from modelyard.monitor.config import MonitoringConfig

SMALLEST_PROBABILITY = 1e-15
"""Clip of the log-loss, as the float64 default of scikit-learn's `log_loss` was until 1.5."""


@dataclass(frozen=True)
class DriftVerdict:
    """`columns` maps each column to its distance, None where the window had no value of it (no data is not zero)."""

    columns: Mapping[str, float | None]
    drifted_columns: list[str]
    columns_drifted: int
    share_ratio: float
    drifted: bool
    breaches_in_a_row: int

    def as_dict(self) -> dict[str, Any]:
        """The verdict as JSON holds it."""
        return asdict(self)


@dataclass(frozen=True)
class Label:
    """One row whose truth is known; `p_truth` is the probability that the model gave the true class."""

    truth: str
    predicted: str
    p_truth: float | None


@dataclass(frozen=True)
class QualityVerdict:
    """Quality over one window of truths; a recall is None where the window held no row of the class."""

    accuracy: float | None
    log_loss: float | None
    recall: Mapping[str, float | None]
    breaches_in_a_row: Mapping[str, int]

    def as_dict(self) -> dict[str, Any]:
        """The verdict as JSON holds it."""
        return asdict(self)


def judge_drift(distances: Mapping[str, float | None], config: MonitoringConfig, *, before: int = 0) -> DriftVerdict:
    """Judge one window by its columns' distances to the reference.

    Args:
        distances: normalised distance by column; None or not finite means that there was nothing to measure.
        config: thresholds, and how many columns make a breach.
        before: breaches in a row up to the window before.
    """
    measured = {name: _finite(value) for name, value in distances.items()}
    over = [name for name, value in measured.items() if value is not None and value >= config.threshold(name)]
    drifted = len(over) >= config.drift.min_columns
    return DriftVerdict(
        columns=measured,
        drifted_columns=over,
        columns_drifted=len(over),
        share_ratio=len(over) / len(measured) if measured else 0.0,
        drifted=drifted,
        breaches_in_a_row=before + 1 if drifted else 0,
    )


def judge_quality(
    labels: Iterable[Label], config: MonitoringConfig, *, before: Mapping[str, int] | None = None
) -> QualityVerdict:
    """Judge one window of truths.

    Args:
        labels: the rows of the window.
        config: classes, and the recall below which a class breaches.
        before: breaches in a row by class up to the window before; a window without a row of the class keeps them.
    """
    seen = list(labels)
    of_class, recalled = Counter(row.truth for row in seen), Counter(r.truth for r in seen if r.truth == r.predicted)
    names = [*config.classes, *sorted(of_class.keys() - set(config.classes))]
    recall = {name: recalled[name] / of_class[name] if of_class[name] else None for name in names}
    losses = [-math.log(min(max(p, SMALLEST_PROBABILITY), 1.0)) for p in (r.p_truth for r in seen) if p is not None]
    before = before or {}
    return QualityVerdict(
        accuracy=recalled.total() / len(seen) if seen else None,
        log_loss=sum(losses) / len(losses) if losses else None,
        recall=recall,
        breaches_in_a_row={
            name: count_breaches(recall.get(name), below, before.get(name, 0))
            for name, below in config.quality.recall_below.items()
        },
    )


def count_breaches(recall: float | None, below: float, before: int) -> int:
    """Breaches in a row after this window; nothing measured leaves the count as it was."""
    if recall is None:
        return before
    return before + 1 if recall < below else 0


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None
