"""Rows that are sent to a model as a fault or to undo one: the story's held-out flights, by the gateway."""

from __future__ import annotations

import itertools
import json
import secrets
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
Flight = tuple[Row, str | None]


def ordinary_flights(conn: Connections, say: Say) -> Path:
    """A file of held-out flights, which look like the data that the first version was trained on.

    Raises:
        FaultNotMade: there are none yet.
    """
    from modelyard.workspace import ensure_workspace

    if not has_flights(conn):
        raise FaultNotMade("the workspace has no flights yet", next_command="./invoke data v1")
    return ensure_workspace(conn, say).traffic("heldout", rows=MOST_ROWS, seed=1)


def has_flights(conn: Connections) -> bool:
    """Whether the workspace has data."""
    return (conn.layout.workspace / "data" / "flights.parquet").exists()


def read_flights(path: Path) -> Iterator[Flight]:
    """Each flight of a file: its features, and its class of arrival (None where it never arrived)."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            held = json.loads(line)
            yield held["features"], held["truth"]


def scaled(flights: Iterator[Flight], column: str, factor: float) -> Iterator[Flight]:
    """Flights whose column is in another unit."""
    for row, truth in flights:
        value = row.get(column)
        yield (row if value is None else {**row, column: value * factor}), truth


def send_until(
    conn: Connections,
    held: Mapping[str, Any],
    flights: Iterator[Flight],
    *,
    enough: Callable[[], bool],
    label: str,
    truths: bool = False,
) -> int:
    """Send rows to an InferenceService, fifty at a time, until `enough` says so; the rows that were answered.

    The Ce-Ids begin with `broken-on-purpose`, so that the rows are known in the monitor's log for what they are. With
    `truths` the monitor is told what became of each flight.

    Raises:
        PredictionFailed: the InferenceService did not answer.
        FaultNotMade: all rows were sent and it was not enough.
    """
    from modelyard.endpoint import predict

    sent = 0
    monitor = Monitor(conn, held["name"], held["namespace"])
    while part := list(itertools.islice(flights, ROWS_A_REQUEST)):
        ce_id = f"broken-on-purpose.{label}.{sent}"
        predict(conn, held["name"], [row for row, _ in part], namespace=held["namespace"], ce_id=ce_id)
        sent += len(part)
        if truths:
            told = enumerate(truth for _, truth in part)
            monitor.tell_truths({"id": ce_id, "row": row, "class": truth} for row, truth in told if truth)
        if enough():
            return sent
    raise FaultNotMade(
        f"{sent} rows went to {held['name']} and the monitor has closed no window of them",
        next_command="./invoke why monitor",
    )


def closed_windows(conn: Connections, held: Mapping[str, Any], kind: str = "drift") -> Callable[[], int]:
    """How many windows of the version the monitor has closed, judged or not; `kind` is drift or quality."""
    monitor = Monitor(conn, held["name"], held["namespace"])

    def count() -> int:
        known = monitor.version(held["version"]) or {kind: {}}
        return sum(int(known[kind].get(state, 0)) for state in ("windows", "waiting", "failed"))

    return count


def send_windows(conn: Connections, held: Mapping[str, Any], windows: int, say: Say) -> int:
    """Send ordinary flights with their truths until the monitor has closed so many windows of truths.

    Raises:
        YardError: the model or the monitor does not answer.
    """
    closed = closed_windows(conn, held, "quality")
    wanted = closed() + windows
    flights = read_flights(ordinary_flights(conn, say))
    label = secrets.token_hex(4)
    return send_until(conn, held, flights, enough=lambda: closed() >= wanted, label=label, truths=True)
