"""The SQLite file under the Store: its tables, its format and its transactions."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from modelyard.errors import FileDamaged, FileNewer

FORMAT = 1
"""Of the file (SQLite's user_version)."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS counter (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER, floor INTEGER);
CREATE TABLE IF NOT EXISTS objects (
    resource TEXT, namespace TEXT, name TEXT, body BLOB, PRIMARY KEY (resource, namespace, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS history (
    version INTEGER PRIMARY KEY, resource TEXT, type TEXT, body BLOB, labels_before BLOB);
"""


class Transaction:
    """All of it is written, or nothing."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")


def open_database(path: Path) -> sqlite3.Connection:
    """The SQLite file with its tables, made on first use.

    Raises:
        FileDamaged, FileNewer: it is no such file, or a newer modelyard wrote it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        found = db.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.DatabaseError as error:
        db.close()
        raise FileDamaged(f"{path} is not a store of objects: {error}", next_command="./invoke reset") from error
    if found > FORMAT:
        db.close()
        raise FileNewer(
            f"{path} has format {found}: this modelyard knows {FORMAT}",
            allowed=f"a store of format {FORMAT} or older, or another yard: MODELYARD_NAME=another ./invoke up",
            next_command="git pull",
        )
    db.executescript(SCHEMA)
    db.execute(f"PRAGMA user_version={FORMAT}")
    return db
