"""The process that runs Evidently: `python -m modelyard.monitor.worker`, one JSON line in, one JSON line out.

In: `{"database", "version", "first", "last", "reference", "config", "report"}`. Out: `{"distances": {column: number or
null}, "distributions": {column: shares by range}, "prediction": {class: ratio}, "seconds"}` or `{"error", "again"}`,
where `again` says that the machine stood in the way and not the window. It ends when its standard input does, so a
monitor that was killed leaves no worker behind.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from modelyard.codec import decode_rows
from modelyard.monitor.config import MonitoringConfig, parse_config
from modelyard.monitor.distributions import choose_columns, spread
from modelyard.monitor.pairing import read_answers
from modelyard.monitor.schema import open_for_reading

if TYPE_CHECKING:
    import pandas as pd

NICENESS = 3
"""A report may wait for the model servers rather than the other way round; half their share keeps it going."""


def read_window(database: Path, version: int, first: int, last: int) -> tuple[list[dict[str, Any]], list[str]]:
    """Features and predicted classes of a window's rows."""
    features: list[dict[str, Any]] = []
    classes: list[str] = []
    with closing(open_for_reading(database)) as db:
        held = db.execute(
            "SELECT seq, request, response FROM pairs WHERE version = ?1 AND seq <= ?3 AND seq >="
            " (SELECT max(seq) FROM pairs WHERE version = ?1 AND seq <= ?2) ORDER BY seq",
            (version, first, last),
        )
        for seq, request, response in held:
            pair = zip(decode_rows(request) or [], read_answers(response), strict=True)
            for row, (values, answer) in enumerate(pair):
                if first <= seq + row <= last:
                    features.append(values)
                    classes.append(answer["class"])
    return features, classes


def predicted_ratios(classes: Sequence[str], known: Sequence[str]) -> dict[str, float]:
    """Share of each class among predictions; a known class that was never predicted has 0."""
    counted = Counter(classes)
    names = [*known, *sorted(counted.keys() - set(known))]
    return {name: counted[name] / len(classes) if classes else 0.0 for name in names}


def as_frame(rows: Sequence[Mapping[str, Any]], config: MonitoringConfig) -> pd.DataFrame:
    """Rows as a frame of the configured columns: floats and texts; what is missing or of the wrong kind is NaN."""
    import pandas as pd

    frame = pd.DataFrame(list(rows), columns=[*config.numerical, *config.categorical])
    for column in config.numerical:
        frame[column] = pd.to_numeric(frame[column], errors="coerce").astype("float64")
    for column in config.categorical:
        frame[column] = frame[column].map(str, na_action="ignore").astype("object")
    return frame


def measure(reference: pd.DataFrame, current: pd.DataFrame, config: MonitoringConfig, report: Path) -> dict[str, Any]:
    """Evidently's drift preset over one window; its page is written to `report`, whole or not at all.

    Returns:
        The distance of each configured column; None for a column without a value on either side.
    """
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    columns = [*config.numerical, *config.categorical]
    usable = [name for name in columns if current[name].notna().any() and reference[name].notna().any()]
    definition = DataDefinition(
        numerical_columns=[name for name in config.numerical if name in usable],
        categorical_columns=[name for name in config.categorical if name in usable],
    )
    preset = DataDriftPreset(
        columns=usable,
        drift_share=config.drift.min_columns / len(columns),
        num_method=config.drift.num_method,
        num_threshold=config.drift.num_threshold,
        cat_method=config.drift.cat_method,
        cat_threshold=config.drift.cat_threshold,
    )
    snapshot = Report([preset]).run(
        Dataset.from_pandas(current[usable], data_definition=definition),
        Dataset.from_pandas(reference[usable], data_definition=definition),
    )
    write_report(report, snapshot.get_html_str(as_iframe=False))
    return dict.fromkeys(columns) | read_distances(snapshot.dict())


def read_distances(snapshot: Mapping[str, Any]) -> dict[str, float]:
    """Distances by column out of a snapshot's dict (evidently 0.7: metrics of type ValueDrift)."""
    return {
        metric["config"]["column"]: float(metric["value"])
        for metric in snapshot["metrics"]
        if metric.get("config", {}).get("type", "").endswith(":ValueDrift")
    }


def write_report(path: Path, page: str) -> None:
    """Write a page and have it on the disk before anybody is told of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with part.open("w", encoding="utf-8") as out:
        out.write(page)
        out.flush()
        os.fsync(out.fileno())
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class References:
    """References as frames; the last few stay in memory, because a version has many windows."""

    def __init__(self, most: int = 3) -> None:
        self._most = most
        self._held: dict[str, pd.DataFrame] = {}

    def get(self, path: str, config: MonitoringConfig) -> pd.DataFrame:
        """The reference in a Parquet file, as a frame of the configured columns."""
        import pandas as pd

        if path not in self._held:
            while len(self._held) >= self._most:
                self._held.pop(next(iter(self._held)))
            self._held[path] = as_frame(pd.read_parquet(path).to_dict("records"), config)
        return self._held[path]


def answer(job: Mapping[str, Any], references: References) -> dict[str, Any]:
    """Do one job; an error is an answer too."""
    began = time.monotonic()
    try:
        config = parse_config(job["config"])
        rows, classes = read_window(Path(job["database"]), job["version"], job["first"], job["last"])
        reference = references.get(job["reference"], config)
        current = as_frame(rows, config)
        distances = measure(reference, current, config, Path(job["report"]))
        distributions = spread(reference, current, choose_columns(distances, config), config)
    except Exception as error:
        again = isinstance(error, (OSError, MemoryError, sqlite3.OperationalError))
        return {"error": f"{type(error).__name__}: {error}", "again": again}
    prediction = predicted_ratios(classes, config.classes)
    return {
        "distances": distances,
        "distributions": distributions,
        "prediction": prediction,
        "seconds": time.monotonic() - began,
    }


def main() -> None:
    """Serve jobs until standard input ends; standard output belongs to the answers alone."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    os.nice(NICENESS)
    from evidently.presets import DataDriftPreset  # noqa: F401  the import is what takes seconds

    answers.write(b'{"ready": true}\n')
    references = References()
    for line in sys.stdin.buffer:
        answers.write(orjson.dumps(answer(orjson.loads(line), references)) + b"\n")


if __name__ == "__main__":
    main()
