"""The monitor's database: one SQLite file whose commits are what is acknowledged.

`seq` is one counter over rows, truths and phases: the durable order from which windows are cut. A pair of n rows takes
n numbers of it; row i of the pair has number `seq + i`.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

SCHEMA = 1

TABLES = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS versions (
    version INTEGER PRIMARY KEY, namespace TEXT NOT NULL, inferenceservice TEXT NOT NULL, model_version TEXT NOT NULL,
    run_id TEXT NOT NULL, rows INTEGER NOT NULL DEFAULT 0, truths INTEGER NOT NULL DEFAULT 0,
    last_seq INTEGER NOT NULL DEFAULT 0, config_state TEXT NOT NULL, config TEXT, config_error TEXT NOT NULL DEFAULT '',
    UNIQUE (namespace, inferenceservice, model_version, run_id));
CREATE TABLE IF NOT EXISTS halves (
    id TEXT NOT NULL, namespace TEXT NOT NULL, inferenceservice TEXT NOT NULL, kind TEXT NOT NULL,
    rows INTEGER NOT NULL, model_version TEXT NOT NULL, run_id TEXT NOT NULL, received REAL NOT NULL,
    body BLOB NOT NULL, UNIQUE (id, namespace, inferenceservice));
CREATE INDEX IF NOT EXISTS halves_by_time ON halves (received);
CREATE TABLE IF NOT EXISTS pairs (
    seq INTEGER PRIMARY KEY, version INTEGER NOT NULL, id TEXT NOT NULL, rows INTEGER NOT NULL, received REAL NOT NULL,
    request BLOB NOT NULL, response BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS pairs_by_id ON pairs (id, version);
CREATE INDEX IF NOT EXISTS pairs_by_version ON pairs (version, seq, rows);
CREATE TABLE IF NOT EXISTS truths (
    id TEXT NOT NULL, row INTEGER NOT NULL, class TEXT NOT NULL, received REAL NOT NULL,
    PRIMARY KEY (id, row)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS labels (
    seq INTEGER PRIMARY KEY, version INTEGER NOT NULL, row_seq INTEGER NOT NULL, truth TEXT NOT NULL,
    predicted TEXT NOT NULL, p_truth REAL, received REAL NOT NULL);
CREATE INDEX IF NOT EXISTS labels_by_version ON labels (version, seq, row_seq);
CREATE TABLE IF NOT EXISTS marks (
    seq INTEGER PRIMARY KEY, namespace TEXT NOT NULL, inferenceservice TEXT NOT NULL, name TEXT NOT NULL,
    received REAL NOT NULL);
CREATE TABLE IF NOT EXISTS windows (
    version INTEGER NOT NULL, kind TEXT NOT NULL, phase INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    number INTEGER, rows INTEGER NOT NULL, state TEXT NOT NULL, started REAL, ended REAL, attempts INTEGER NOT NULL,
    seconds REAL, verdict TEXT,
    PRIMARY KEY (version, kind, phase, last)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS windows_by_number ON windows (version, kind, number);
CREATE INDEX IF NOT EXISTS windows_waiting ON windows (last) WHERE state = 'waiting';
CREATE TABLE IF NOT EXISTS confusions (
    version INTEGER NOT NULL, truth TEXT NOT NULL, predicted TEXT NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (version, truth, predicted)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outcomes (outcome TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS alerts (
    seq INTEGER PRIMARY KEY, received REAL NOT NULL, status TEXT NOT NULL, labels TEXT NOT NULL,
    annotations TEXT NOT NULL, starts_at TEXT NOT NULL, ends_at TEXT NOT NULL, fingerprint TEXT NOT NULL,
    UNIQUE (fingerprint, starts_at, status));
CREATE TABLE IF NOT EXISTS revisions (
    uid TEXT NOT NULL, revision TEXT NOT NULL, namespace TEXT NOT NULL, inferenceservice TEXT NOT NULL,
    model_version TEXT NOT NULL, PRIMARY KEY (uid, revision)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS births (
    namespace TEXT NOT NULL, inferenceservice TEXT NOT NULL, uid TEXT NOT NULL, seq INTEGER NOT NULL,
    PRIMARY KEY (namespace, inferenceservice, uid)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS traffic (
    namespace TEXT NOT NULL, inferenceservice TEXT NOT NULL, uid TEXT NOT NULL, revisions TEXT NOT NULL,
    PRIMARY KEY (namespace, inferenceservice)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS changes (
    number INTEGER PRIMARY KEY, uid TEXT NOT NULL, namespace TEXT NOT NULL, inferenceservice TEXT NOT NULL,
    model_version TEXT NOT NULL, change TEXT NOT NULL, at REAL NOT NULL);
"""


OF_THIS_LIFE = (
    " AND last >= (SELECT coalesce(max(seq), 0) FROM births JOIN versions USING (namespace, inferenceservice)"
    " WHERE versions.version = ?)"
)
"""Windows since the InferenceService was made: one that is deleted and made again owes nothing to the one before."""


def open_for_writing(path: Path) -> sqlite3.Connection:
    """The one connection that writes; a commit has reached the disk when it returns (WAL with synchronous=FULL)."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 2000")
    connection.executescript(TABLES)
    connection.execute("INSERT OR IGNORE INTO meta VALUES ('schema', ?), ('next_seq', 1)", (SCHEMA,))
    return connection


def open_for_reading(path: Path) -> sqlite3.Connection:
    """A connection that sees what is committed and can change nothing."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    return connection
