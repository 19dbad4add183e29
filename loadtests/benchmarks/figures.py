"""What a benchmark says: one ratio with its aim and the measurements behind it; printed as a table, kept as JSON."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """One result.

    Attributes:
        name: of the benchmark.
        about: what is compared with what.
        value: the ratio, or the amount where there is nothing to compare with.
        unit: "x" for a ratio, else of the amount.
        aim: the value that should not be missed.
        at_most: whether the aim is an upper limit; else it is a lower one.
        rounds: every measurement of every round, by what was measured; the unit is in the name.
        notes: what a reader must know to read the figure right.
    """

    name: str
    about: str
    value: float
    unit: str
    aim: float
    at_most: bool
    rounds: Mapping[str, Sequence[float]] = field(default_factory=dict)
    notes: str = ""

    @property
    def is_held(self) -> bool:
        """Whether the aim was reached."""
        return self.value <= self.aim if self.at_most else self.value >= self.aim


def ratio_of_rounds(numerators: Sequence[float], denominators: Sequence[float]) -> float:
    """Median of the rounds' own ratios: both parts of a round met the same machine."""
    return statistics.median(one / other for one, other in zip(numerators, denominators, strict=True))


def ratio_of_medians(numerators: Sequence[float], denominators: Sequence[float]) -> float:
    """Ratio of two medians, for short measurements whose rounds are too noisy to be paired."""
    return statistics.median(numerators) / statistics.median(denominators)


def describe(figure: Figure) -> str:
    """A figure as lines: the verdict, then the medians behind it."""
    sign = "<=" if figure.at_most else ">="
    verdict = "held" if figure.is_held else "MISSED"
    lines = [
        f"{figure.name:<14} {figure.value:>8.2f} {figure.unit:<4} aim {sign} {figure.aim:g} {figure.unit}"
        f"  {verdict:<7} {figure.about}"
    ]
    for measured, values in figure.rounds.items():
        middle, low, high = statistics.median(values), min(values), max(values)
        spread = f" ({low:.4g} to {high:.4g}, {len(values)} rounds)" if len(values) > 1 else ""
        lines.append(f"{'':<15}{measured}: {middle:.4g}{spread}")
    if figure.notes:
        lines.append(f"{'':<15}{figure.notes}")
    return "\n".join(lines)


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "load_1_5_15": [round(load, 2) for load in os.getloadavg()],
    }


def write_json(path: Path, figures: Sequence[Figure], before: Mapping[str, object]) -> None:
    """Keep the figures with every round, and the machine as it was before and after."""
    held = [{**asdict(figure), "held": figure.is_held} for figure in figures]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"before": before, "after": machine(), "figures": held}, indent=2) + "\n", "utf-8")
