"""What a model version asks of the monitor: the artifact `monitoring/monitoring.json` of the run that trained it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from modelyard.errors import MonitoringConfigInvalid


@dataclass(frozen=True)
class DriftConfig:
    """How a drift window is judged: rows a window, Evidently's method and threshold by kind of column."""

    window_rows: int = 1000
    num_method: str = "wasserstein"
    num_threshold: float = 1.5
    cat_method: str = "jensenshannon"
    cat_threshold: float = 0.4
    min_columns: int = 1


@dataclass(frozen=True)
class QualityConfig:
    """How a window of truths is judged: a class breaches where its recall is below the ratio given for it."""

    window_rows: int = 1000
    recall_below: Mapping[str, float] = field(default_factory=dict)
    in_a_row: int = 2


@dataclass(frozen=True)
class MonitoringConfig:
    """Columns by kind, the classes in their order, and the two kinds of window."""

    numerical: tuple[str, ...]
    categorical: tuple[str, ...]
    classes: tuple[str, ...]
    drift: DriftConfig
    quality: QualityConfig

    def threshold(self, column: str) -> float:
        """The distance from which on this column counts as drifted."""
        return self.drift.cat_threshold if column in self.categorical else self.drift.num_threshold


def parse_config(text: bytes | str) -> MonitoringConfig:
    """The configuration as it lies in the run.

    Raises:
        MonitoringConfigInvalid: names every value that is wrong, not only the first.
    """
    try:
        held = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise MonitoringConfigInvalid(f"monitoring.json is not JSON: {error}") from error
    if not isinstance(held, dict):
        raise MonitoringConfigInvalid(f"monitoring.json is {type(held).__name__}", allowed="a JSON object")
    problems: list[str] = []
    columns = _section(held, "columns", problems)
    drift, quality = _section(held, "drift", problems), _section(held, "quality", problems)
    parsed = MonitoringConfig(
        numerical=_names(columns, "columns.numerical", problems),
        categorical=_names(columns, "columns.categorical", problems),
        classes=_names(held, "classes", problems),
        drift=DriftConfig(
            window_rows=_count(drift, "drift.window_rows", 1000, problems),
            num_method=str(drift.get("num_method", "wasserstein")),
            num_threshold=_ratio(drift, "drift.num_threshold", 1.5, problems),
            cat_method=str(drift.get("cat_method", "jensenshannon")),
            cat_threshold=_ratio(drift, "drift.cat_threshold", 0.4, problems),
            min_columns=_count(drift, "drift.min_columns", 1, problems),
        ),
        quality=QualityConfig(
            window_rows=_count(quality, "quality.window_rows", 1000, problems),
            recall_below=_thresholds(quality, problems),
            in_a_row=_count(quality, "quality.in_a_row", 2, problems),
        ),
    )
    if not parsed.numerical + parsed.categorical:
        problems.append("columns: none is named")
    if problems:
        raise MonitoringConfigInvalid("monitoring.json: " + "; ".join(problems))
    return parsed


def _section(held: Mapping[str, Any], name: str, problems: list[str]) -> Mapping[str, Any]:
    found = held.get(name, {})
    if isinstance(found, dict):
        return found
    problems.append(f"{name} is {found!r}: must be an object")
    return {}


def _names(held: Mapping[str, Any], path: str, problems: list[str]) -> tuple[str, ...]:
    found = held.get(path.rpartition(".")[2], [])
    if isinstance(found, list) and all(isinstance(name, str) for name in found):
        return tuple(found)
    problems.append(f"{path} is {found!r}: must be a list of names")
    return ()


def _count(held: Mapping[str, Any], path: str, default: int, problems: list[str]) -> int:
    found = held.get(path.rpartition(".")[2], default)
    if isinstance(found, int) and not isinstance(found, bool) and found >= 1:
        return found
    problems.append(f"{path} is {found!r}: must be a whole number from 1")
    return default


def _ratio(held: Mapping[str, Any], path: str, default: float, problems: list[str]) -> float:
    found = held.get(path.rpartition(".")[2], default)
    if isinstance(found, (int, float)) and not isinstance(found, bool) and found > 0:
        return float(found)
    problems.append(f"{path} is {found!r}: must be a number above 0")
    return default


def _thresholds(quality: Mapping[str, Any], problems: list[str]) -> dict[str, float]:
    found = quality.get("recall_below", {})
    if isinstance(found, dict) and all(isinstance(v, (int, float)) and 0 < v <= 1 for v in found.values()):
        return {str(name): float(value) for name, value in found.items()}
    problems.append(f"quality.recall_below is {found!r}: must map a class to a ratio above 0 and up to 1")
    return {}
