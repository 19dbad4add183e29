"""Windows in the database: spans kept, and cut again from the durable order after a start or once a config is known."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from heapq import merge
from typing import TYPE_CHECKING, Any

import orjson

from modelyard.monitor.judging import Label, judge_quality
from modelyard.monitor.schema import OF_THIS_LIFE
from modelyard.monitor.windowing import Span, phase_of

if TYPE_CHECKING:
    from modelyard.monitor.store import Store

Item = tuple[int, str, int, int]
"""Position in the durable order, what it is (row, truth, mark), its row, how many rows."""


def keep_span(store: Store, version: int, kind: str, span: Span) -> None:
    """Write a window down; one that is there already (cut before a kill) stays as it is."""
    state = "dropped" if not span.whole else "waiting" if kind == "drift" else "done"
    present = store.db.execute(
        "SELECT 1 FROM windows WHERE version = ? AND kind = ? AND phase = ? AND last = ?",
        (version, kind, span.phase, span.last),
    ).fetchone()
    if present:
        return
    verdict = orjson.dumps(_judge(store, version, span)).decode() if state == "done" else None
    number = _next_number(store.db, version, kind) if span.whole else None
    started, ended = _times(store.db, version, kind, span)
    store.db.execute(
        "INSERT INTO windows VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, NULL, ?)",
        (version, kind, span.phase, span.first, span.last, number, span.rows, state, started, ended, verdict),
    )


def _next_number(db: sqlite3.Connection, version: int, kind: str) -> int:
    highest = db.execute("SELECT max(number) FROM windows WHERE version = ? AND kind = ?", (version, kind)).fetchone()
    return (highest[0] or 0) + 1


def _times(db: sqlite3.Connection, version: int, kind: str, span: Span) -> tuple[float | None, float | None]:
    table = "pairs" if kind == "drift" else "labels"
    received = f"SELECT received FROM {table} WHERE version = ? AND seq <= ? ORDER BY seq DESC LIMIT 1"  # noqa: S608
    found = [db.execute(received, (version, at)).fetchone() for at in (span.first, span.last)]
    return (found[0][0] if found[0] else None, found[1][0] if found[1] else None)


def _judge(store: Store, version: int, span: Span) -> dict[str, object]:
    marks = store.marks.get(store.services[version], [])
    following = next((mark for mark in marks if mark > span.phase), 2**62)
    held = store.db.execute(
        "SELECT truth, predicted, p_truth FROM labels"
        " WHERE version = ? AND seq BETWEEN ? AND ? AND row_seq >= ? AND row_seq < ?",
        (version, span.first, span.last, span.phase, following),
    )
    row = breaches_before(store.db, version, "quality")
    return judge_quality((Label(*label) for label in held), store.configs[version], before=row).as_dict()


def breaches_before(db: sqlite3.Connection, version: int, kind: str, last: int = 2**62) -> Any:
    """Breaches in a row up to the window before the one that ends at `last`; None where there is none to go on from."""
    verdict = "SELECT verdict FROM windows WHERE version = ? AND kind = ? AND state = 'done' AND last < ?"
    query = f"{verdict}{OF_THIS_LIFE} ORDER BY number DESC LIMIT 1"
    before = db.execute(query, (version, kind, last, version)).fetchone()
    return orjson.loads(before["verdict"])["breaches_in_a_row"] if before else None


def replay(store: Store, version: int, *, whole: bool) -> None:
    """Cut a version's windows from the durable order; windows that exist are met again and left alone.

    Args:
        store: the store; its cutters of this version are new.
        version: the version's number.
        whole: from the first row on, for a configuration that was not known before; else from where something is open.
    """
    service = store.services[version]
    marks = store.marks.get(service, [])
    for kind in ("drift", "quality"):
        cutter, start = store.cutters[version, kind], 0 if whole else _start(store, version, kind)
        for seq, what, row, rows in merge(_items(store.db, version, kind, start), _marks(marks, start)):
            spans = cutter.end_phase() if what == "mark" else cutter.add(phase_of(marks, row), seq, rows)
            for span in spans:
                keep_span(store, version, kind, span)


def _start(store: Store, version: int, kind: str) -> int:
    """The position from which on something may be uncut: nothing was open right after the last mark."""
    marks = store.marks.get(store.services[version], [])
    last = marks[-1] if marks else 0
    if kind == "drift":
        cut = store.db.execute("SELECT max(last) FROM windows WHERE version = ? AND kind = 'drift'", (version,))
        last = max(last, (cut.fetchone()[0] or 0) + 1)
    return last


def _items(db: sqlite3.Connection, version: int, kind: str, start: int) -> Iterable[Item]:
    if kind == "quality":
        labels = "SELECT seq, row_seq FROM labels WHERE version = ? AND seq >= ? ORDER BY seq"
        return [(seq, "truth", row, 1) for seq, row in db.execute(labels, (version, start))]
    pairs = "SELECT seq, rows FROM pairs WHERE version = ? AND seq + rows > ? ORDER BY seq"
    rows = db.execute(pairs, (version, start))
    return [(max(seq, start), "row", max(seq, start), seq + n - max(seq, start)) for seq, n in rows]


def _marks(marks: list[int], start: int) -> Iterable[Item]:
    return [(mark, "mark", mark, 0) for mark in marks if mark >= start]
