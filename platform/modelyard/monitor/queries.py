"""The read side of the store: what /status, /windows, /rows, /metrics and the reporter see of what is committed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from modelyard.codec import decode_rows
from modelyard.monitor.pairing import read_answers
from modelyard.monitor.schema import OF_THIS_LIFE, open_for_reading

PAIRS_A_READ = 200


@dataclass(frozen=True)
class VersionView:
    """One model version as the store knows it; `last_drift` and `last_quality` are windows as `as_window` tells."""

    version: int
    namespace: str
    inferenceservice: str
    model_version: str
    run_id: str
    rows: int
    truths: int
    last_seq: int
    config_state: str
    config_error: str
    windows: Mapping[tuple[str, str], int]
    """Number of windows by kind and state (done, waiting, failed, dropped)."""
    last_drift: Mapping[str, Any] | None
    last_quality: Mapping[str, Any] | None
    confusions: Mapping[tuple[str, str], int]
    """Rows whose truth is known, by truth and predicted class."""

    @property
    def service(self) -> tuple[str, str]:
        """Namespace and name of the InferenceService."""
        return self.namespace, self.inferenceservice


@dataclass(frozen=True)
class TrafficChange:
    """A model version got its part of an InferenceService's traffic or lost it: promoted, canary, rolled back."""

    uid: str
    service: tuple[str, str]
    model_version: str
    change: str
    at: float


@dataclass(frozen=True)
class Waiting:
    """A drift window that has no report yet."""

    version: int
    run_id: str
    model_version: str
    number: int
    first: int
    last: int
    attempts: int
    config: str


def as_time(seconds: float | None) -> str | None:
    """Seconds since the epoch as ISO 8601 in UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def as_window(row: sqlite3.Row) -> dict[str, Any]:
    """A window as the HTTP API tells it."""
    verdict = orjson.loads(row["verdict"]) if row["verdict"] else {}
    return {
        "number": row["number"],
        "kind": row["kind"],
        "state": row["state"],
        "phase": row["phase_name"] or "",
        "rows": row["rows"],
        "started": as_time(row["started"]),
        "ended": as_time(row["ended"]),
        "first_seq": row["first"],
        "last_seq": row["last"],
        "report_seconds": row["seconds"],
        **verdict,
    }


WINDOWS = (
    "SELECT w.*, namespace, inferenceservice, model_version,"
    " (SELECT name FROM marks WHERE marks.seq = w.phase) AS phase_name"
    " FROM windows w JOIN versions USING (version)"
)


class Reader:
    """Reads of the store; each opens a connection of its own, so any thread may call."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def _open(self) -> closing[sqlite3.Connection]:
        return closing(open_for_reading(self._path))

    def versions(self) -> list[VersionView]:
        """Every model version that has answered, in the order in which it first did."""
        with self._open() as db:
            return [_version(db, row) for row in db.execute("SELECT * FROM versions ORDER BY version").fetchall()]

    def windows(self, *, kind: str = "", state: str = "done", **wanted: str) -> list[dict[str, Any]]:
        """Full windows of a state (done, waiting, failed; empty for any), oldest first.

        `wanted` holds namespace, inferenceservice and model_version, empty for any.
        """
        given = {name: value for name, value in {**wanted, "kind": kind, "state": state}.items() if value}
        asked = "".join(f" AND {name} = ?" for name in given)
        query = f"{WINDOWS} WHERE number IS NOT NULL{asked} ORDER BY version, kind, number"
        with self._open() as db:
            held = db.execute(query, tuple(given.values())).fetchall()
        names = ("namespace", "inferenceservice", "model_version")
        told = [{**{name: row[name] for name in names}, **as_window(row)} for row in held]
        for window in told:
            window.pop("distributions", None)  # for Prometheus; in a list of windows they would be most of it
        return told

    def waiting(self) -> Waiting | None:
        """The drift window whose turn it is: the oldest without a report."""
        with self._open() as db:
            row = db.execute(
                "SELECT version, run_id, model_version, number, first, last, attempts, config"
                " FROM windows JOIN versions USING (version) WHERE state = 'waiting' ORDER BY last LIMIT 1"
            ).fetchone()
            return Waiting(*row) if row else None

    def backlog(self, *, hoping_since: float, window_rows: int = 1000) -> dict[str, int]:
        """What is not done yet.

        Args:
            hoping_since: halves that came after this time (seconds since the epoch) may still find their other half.
            window_rows: rows of a window, as a guess for versions whose configuration is not known yet; each of them
                counts as one window at least.
        """
        with self._open() as db:
            halves = db.execute("SELECT count(*) FROM halves WHERE received >= ?", (hoping_since,)).fetchone()[0]
            waiting = db.execute("SELECT count(*) FROM windows WHERE state = 'waiting'").fetchone()[0]
            unknown = db.execute(
                "SELECT coalesce(sum(max(1, rows / ?)), 0) FROM versions WHERE config_state = 'pending'", (window_rows,)
            ).fetchone()[0]
        return {"events": halves, "windows": waiting + unknown}

    def outcomes(self) -> dict[str, int]:
        """Events counted by what became of them."""
        with self._open() as db:
            return dict(db.execute("SELECT outcome, n FROM outcomes").fetchall())

    def report_seconds(self) -> list[float]:
        """Seconds that each report took, of all windows."""
        with self._open() as db:
            held = db.execute("SELECT seconds FROM windows WHERE kind = 'drift' AND seconds IS NOT NULL")
            return [row[0] for row in held]

    def alerts(self) -> list[dict[str, Any]]:
        """The history of alerts, oldest first."""
        with self._open() as db:
            held = db.execute("SELECT * FROM alerts ORDER BY seq").fetchall()
        return [
            {
                "received": as_time(row["received"]),
                "status": row["status"],
                "labels": orjson.loads(row["labels"]),
                "annotations": orjson.loads(row["annotations"]),
                "startsAt": row["starts_at"],
                "endsAt": row["ends_at"],
                "fingerprint": row["fingerprint"],
            }
            for row in held
        ]

    def revisions(self) -> dict[tuple[str, str], tuple[str, str, str]]:
        """Model version by (uid, revision): namespace, InferenceService, model version."""
        with self._open() as db:
            held = db.execute("SELECT uid, revision, namespace, inferenceservice, model_version FROM revisions")
            return {(row[0], row[1]): (row[2], row[3], row[4]) for row in held}

    def traffic(self) -> dict[tuple[str, str], tuple[str, list[str]]]:
        """Uid and revisions with traffic by (namespace, InferenceService), as last seen."""
        with self._open() as db:
            held = db.execute("SELECT namespace, inferenceservice, uid, revisions FROM traffic")
            return {(row[0], row[1]): (row[2], orjson.loads(row[3])) for row in held}

    def changes(self) -> list[TrafficChange]:
        """When model versions got their parts of the traffic, oldest first."""
        with self._open() as db:
            held = db.execute(
                "SELECT uid, namespace, inferenceservice, model_version, change, at FROM changes ORDER BY number"
            )
            return [TrafficChange(row[0], (row[1], row[2]), *row[3:]) for row in held]

    def rows(self, *, after: int, limit: int, **wanted: str) -> Iterator[bytes]:
        """Rows of pairs as NDJSON, in the durable order, from the number after `after` on; many lines a piece."""
        given = {name: value for name, value in wanted.items() if value}
        asked = "".join(f" AND {name} = ?" for name in given)
        query = (
            "SELECT seq, id, rows, request, response FROM pairs JOIN versions USING (version)"  # noqa: S608
            f" WHERE seq > ? - ?{asked} AND seq + pairs.rows - 1 > ? ORDER BY seq LIMIT ?"
        ).replace("SELECT seq, id, rows,", "SELECT seq, id, pairs.rows AS rows,")
        with self._open() as db:
            widest = db.execute("SELECT coalesce(max(rows), 1) FROM pairs").fetchone()[0]
            while limit > 0:
                held = db.execute(query, (after, widest, *given.values(), after, PAIRS_A_READ)).fetchall()
                lines = [line for pair in held for line in _lines(db, pair, after)][:limit]
                if not held:
                    return
                yield b"".join(lines)
                after, limit = held[-1]["seq"] + held[-1]["rows"] - 1, limit - len(lines)


def _lines(db: sqlite3.Connection, pair: sqlite3.Row, after: int) -> Iterator[bytes]:
    truths = dict(db.execute("SELECT row, class FROM truths WHERE id = ?", (pair["id"],)).fetchall())
    answers = zip(decode_rows(pair["request"]) or [], read_answers(pair["response"]), strict=True)
    for row, (features, answer) in enumerate(answers):
        seq = pair["seq"] + row
        if seq > after:
            told = {"seq": seq, "id": pair["id"], "row": row, "features": features, **answer, "truth": truths.get(row)}
            yield orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE)


def _version(db: sqlite3.Connection, row: sqlite3.Row) -> VersionView:
    number = row["version"]
    counted = db.execute(
        "SELECT kind, state, count(*) FROM windows WHERE version = ? GROUP BY kind, state", (number,)
    ).fetchall()
    confused = db.execute("SELECT truth, predicted, n FROM confusions WHERE version = ?", (number,)).fetchall()
    names = ("version", "namespace", "inferenceservice", "model_version", "run_id", "rows", "truths", "last_seq")
    return VersionView(
        **{name: row[name] for name in names},
        config_state=row["config_state"],
        config_error=row["config_error"],
        windows={(kind, state): n for kind, state, n in counted},
        last_drift=_last(db, number, "drift"),
        last_quality=_last(db, number, "quality"),
        confusions={(truth, predicted): n for truth, predicted, n in confused},
    )


def _last(db: sqlite3.Connection, version: int, kind: str) -> dict[str, Any] | None:
    asked = f"{WINDOWS} WHERE w.version = ? AND w.kind = ? AND w.state = 'done'{OF_THIS_LIFE}"
    found = db.execute(f"{asked} ORDER BY w.number DESC LIMIT 1", (version, kind, version)).fetchone()
    return as_window(found) if found else None
