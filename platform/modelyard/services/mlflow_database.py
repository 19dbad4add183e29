"""MLflow's SQLite file is made whole or not at all.

MLflow makes its tables in some fifty migrations that are not one transaction (its own docstring of `_upgrade_db` says
so): a server that is killed among them finds "table already exists" at every later start. Here they are made in a file
beside it, which takes its place when it is complete. That file needs no sync after each step, which is quicker, too.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

PREFIX = "sqlite:///"
HOLDERS = ("experiments", "runs", "registered_models")
"""Tables one of which has a row as soon as MLflow has served once."""


def find_database(argv: Sequence[str]) -> Path | None:
    """The SQLite file that `mlflow server` is told to use; None where it is told another database."""
    given = next((argv[place + 1] for place, word in enumerate(argv[:-1]) if word == "--backend-store-uri"), "")
    return Path(given.removeprefix(PREFIX)) if given.startswith(PREFIX) else None


def holds_nothing(path: Path) -> bool:
    """Whether a file has none of MLflow's tables filled, as one that was left half made.

    Raises:
        sqlite3.DatabaseError: it is no SQLite file.
    """
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        return not any(db.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchone() for name in HOLDERS if name in tables)  # noqa: S608


def ensure_database(path: Path) -> bool:
    """Make the file with every table where it is missing or was left half made; whether it was made.

    A file that is half made holds nothing, and is replaced.
    """
    try:
        if path.exists() and not holds_nothing(path):
            return False
    except sqlite3.DatabaseError:
        return False  # damaged: MLflow says so, and nothing is thrown away
    part = path.with_name(f".{path.name}.part")
    for left in (part, Path(f"{part}-journal")):
        left.unlink(missing_ok=True)
    _make(part)
    with part.open("rb") as file:
        os.fsync(file.fileno())
    Path(f"{path}-journal").unlink(missing_ok=True)  # of the half made one; it would be rolled back into the new one
    part.replace(path)
    return True


def _make(part: Path) -> None:
    import sqlalchemy
    from mlflow.store.db.utils import _initialize_tables

    engine = sqlalchemy.create_engine(f"{PREFIX}{part}", poolclass=sqlalchemy.pool.NullPool)

    @sqlalchemy.event.listens_for(engine, "connect")
    def without_sync(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA synchronous=OFF")

    _initialize_tables(engine)
    engine.dispose()
