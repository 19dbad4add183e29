"""Which faults are in force: a file in the yard's folder, written before anything is broken, so that no end of a
process, of the yard or of the machine can make a fault that nobody knows how to undo."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from modelyard.connections import Connections
from modelyard.errors import FileDamaged, YardError
from modelyard.yard.record import write_private


@dataclass(frozen=True)
class FaultRecord:
    """One fault that somebody made on purpose.

    Attributes:
        kind: what is broken: replica, store, model, data or monitor.
        how: in which of its ways.
        since: seconds since 1970.
        target: what it hit, as a person names it: "isvc default/flights", "service objectstore".
        told: what is broken, one clause.
        undo: the command that undoes it.
        held: what undoing needs to know; no secrets.
    """

    kind: str
    how: str
    since: float
    target: str
    told: str
    undo: str
    held: dict[str, Any] = field(default_factory=dict)


def faults_file(conn: Connections) -> Path:
    """Where the faults of a yard are written down."""
    return conn.layout.folder / "faults.json"


def kept_folder(conn: Connections, kind: str) -> Path:
    """Where a fault keeps what it takes away, until it is undone."""
    return conn.layout.folder / "faults" / kind


def read_records(path: Path) -> list[FaultRecord]:
    """Every fault that is written down, oldest first.

    Raises:
        FileDamaged: the file holds something else.
    """
    try:
        return [FaultRecord(**held) for held in json.loads(path.read_text("utf-8"))["faults"]]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, KeyError) as error:
        raise FileDamaged(f"{path} is no list of faults: {error}", next_command=f"mv '{path}' '{path}.bad'") from error


def write_records(path: Path, records: Iterable[FaultRecord]) -> None:
    """Replace the list, whole or not at all; an empty one leaves no file."""
    held = [asdict(record) for record in records]
    if held:
        write_private(path, json.dumps({"faults": held}, indent=2) + "\n")
    else:
        path.unlink(missing_ok=True)


def in_force(conn: Connections) -> list[FaultRecord]:
    """The faults that are in force, oldest first; one that something else has undone meanwhile (`up` starts a service
    that was stopped) is none."""
    held = read_records(faults_file(conn))
    if not held:
        return []
    from modelyard.faults.catalog import fault_of

    return [record for record in held if fault_of(record).is_there(conn, record)]


def tell_in_force(conn: Connections) -> list[str]:
    """A line for each fault in force, as `up` and `status` print it; nothing where the list cannot be read."""
    try:
        held = in_force(conn)
    except (YardError, OSError):
        return []
    return [f"broken on purpose: {record.target}: {record.told}; undo: {record.undo}" for record in held]
