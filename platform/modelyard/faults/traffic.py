"""Rows that are sent to a model as a fault or to undo one: the story's held-out flights, by the gateway."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from modelyard.connections import Connections
from modelyard.errors import FaultNotMade
from modelyard.faults.fault import Say
from modelyard.monitor.client import Monitor

ROWS_A_REQUEST = 50
MOST_ROWS = 6000
Row = dict[str, Any]


def ordinary_flights(conn: Connections, say: Say) -> Path:
    """A file of held-out flights, which look like the data that the first version was trained on.

    Raises:
        FaultNotMade: there are none yet.
    """
    from modelyard.workspace import ensure_workspace

    if not (conn.layout.workspace / "data" / "flights.parquet").exists():
        raise FaultNotMade("the workspace has no flights yet", next_command="./invoke data v1")
    return ensure_workspace(conn, say).traffic("heldout", rows=MOST_ROWS, seed=1)


def read_rows(path: Path) -> Iterator[Row]:
    """The features of each flight of a file."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)["features"]


def scaled(rows: Iterator[Row], column: str, factor: float) -> Iterator[Row]:
    """Rows whose column is in another unit."""
    for row in rows:
        value = row.get(column)
        yield row if value is None else {**row, column: value * factor}


def send_until(
    conn: Connections,
    held: Mapping[str, Any],
    rows: Iterator[Row],
    *,
    enough: Callable[[], bool],
    label: str,
) -> int:
    """Send rows to an InferenceService, fifty at a time, until `enough` says so; the rows that were answered.

    The Ce-Ids begin with `broken-on-purpose`, so that the rows are known in the monitor's log for what they are.

    Raises:
        PredictionFailed: the InferenceService did not answer.
        FaultNotMade: all rows were sent and it was not enough.
    """
    from modelyard.endpoint import predict

    sent = 0
    while part := list(itertools.islice(rows, ROWS_A_REQUEST)):
        ce_id = f"broken-on-purpose.{label}.{sent}"
        predict(conn, held["name"], part, namespace=held["namespace"], ce_id=ce_id)
        sent += len(part)
        if enough():
            return sent
    raise FaultNotMade(
        f"{sent} rows went to {held['name']} and the monitor has closed no window of them",
        next_command="./invoke why monitor",
    )


def closed_windows(conn: Connections, held: Mapping[str, Any]) -> Callable[[], int]:
    """How many drift windows of the version the monitor has closed, judged or not."""
    monitor = Monitor(conn, held["name"], held["namespace"])

    def count() -> int:
        known = monitor.version(held["version"]) or {"drift": {}}
        return sum(int(known["drift"].get(state, 0)) for state in ("windows", "waiting", "failed"))

    return count
