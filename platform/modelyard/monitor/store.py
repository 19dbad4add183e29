"""The write side of the monitor's store: applies what was posted, pairs, labels and cuts windows, all in one commit.

Used by one thread. Its memory (versions, marks, open windows) is only a copy of what the database says: `reload`
makes it anew, after a start as after a transaction that failed.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson

from modelyard.monitor import cutting
from modelyard.monitor.cloudevents import Event
from modelyard.monitor.config import MonitoringConfig, MonitoringConfigInvalid, parse_config
from modelyard.monitor.judging import judge_drift
from modelyard.monitor.pairing import Half, decide_pairing, join_halves, read_answers
from modelyard.monitor.schema import open_for_writing
from modelyard.monitor.windowing import Cutter, phase_of

log = logging.getLogger(__name__)
VersionKey = tuple[str, str, str, str]
"""Namespace, InferenceService, model version, run id."""


class Store:
    """What the writer thread applies; every method is part of a transaction that the writer commits."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.db = open_for_writing(path)
        self.versions: dict[VersionKey, int] = {}
        self.services: dict[int, tuple[str, str]] = {}
        self.marks: dict[tuple[str, str], list[int]] = {}
        self.configs: dict[int, MonitoringConfig] = {}
        self.cutters: dict[tuple[int, str], Cutter] = {}
        self._next_seq = 1
        self.reload()

    def reload(self) -> None:
        """Read again all that memory holds, and cut what a killed process left uncut."""
        for held in (self.versions, self.services, self.marks, self.configs, self.cutters):
            held.clear()
        self._next_seq = self.db.execute("SELECT value FROM meta WHERE name = 'next_seq'").fetchone()[0]
        for row in self.db.execute("SELECT seq, namespace, inferenceservice FROM marks ORDER BY seq"):
            self.marks.setdefault((row["namespace"], row["inferenceservice"]), []).append(row["seq"])
        for row in self.db.execute("SELECT * FROM versions").fetchall():
            self._remember(row)

    def _remember(self, row: sqlite3.Row) -> None:
        version, service = row["version"], (row["namespace"], row["inferenceservice"])
        self.versions[(*service, row["model_version"], row["run_id"])] = version
        self.services[version] = service
        if row["config"]:
            try:
                self._configure(version, parse_config(row["config"]), new=False)
            except MonitoringConfigInvalid as error:
                log.warning("version %s is counted only: %s", row["model_version"], error.what)

    def _configure(self, version: int, config: MonitoringConfig, *, new: bool) -> None:
        self.configs[version] = config
        self.cutters[version, "drift"] = Cutter(config.drift.window_rows)
        self.cutters[version, "quality"] = Cutter(config.quality.window_rows)
        cutting.replay(self, version, whole=new)

    def _take(self, numbers: int) -> int:
        first = self._next_seq
        self._next_seq += numbers
        self.db.execute("UPDATE meta SET value = ? WHERE name = 'next_seq'", (self._next_seq,))
        return first

    def ping(self) -> None:
        """A write that changes nothing a reader sees: whether the store takes writes."""
        self.db.execute("INSERT INTO meta VALUES ('pings', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1")

    def count(self, outcome: str, n: int = 1) -> None:
        """Count events by what became of them."""
        self.db.execute(
            "INSERT INTO outcomes VALUES (?, ?) ON CONFLICT (outcome) DO UPDATE SET n = n + excluded.n", (outcome, n)
        )

    def add_event(self, event: Event, now: float) -> str:
        """Take an event in: pair it with its other half, or let it wait; the outcome is returned and counted."""
        waiting = self._waiting(event)
        decision = decide_pairing(event, waiting, paired=self._is_paired(event))
        key = (event.id, event.namespace, event.inferenceservice)
        if decision.drop_waiting:
            self.db.execute("DELETE FROM halves WHERE id = ? AND namespace = ? AND inferenceservice = ?", key)
        if decision.outcome == "waiting" and decision.half:
            half = decision.half
            held = (*key, half.kind, half.rows, half.model_version, half.run_id, now, half.body)
            self.db.execute("INSERT INTO halves VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", held)
        if decision.outcome == "pair" and decision.half and waiting:
            self._add_pair(event, waiting, decision.half, now)
        self.count(decision.outcome)
        return decision.outcome

    def _waiting(self, event: Event) -> Half | None:
        found = self.db.execute(
            "SELECT kind, rows, body, model_version, run_id FROM halves"
            " WHERE id = ? AND namespace = ? AND inferenceservice = ?",
            (event.id, event.namespace, event.inferenceservice),
        ).fetchone()
        return Half(*found) if found else None

    def _is_paired(self, event: Event) -> bool:
        service = (event.namespace, event.inferenceservice)
        held = self.db.execute("SELECT version FROM pairs WHERE id = ?", (event.id,)).fetchall()
        return any(self.services[row["version"]] == service for row in held)

    def _version(self, key: VersionKey) -> int:
        if key not in self.versions:
            state = "pending" if key[3] else "none"
            self.db.execute(
                "INSERT INTO versions (namespace, inferenceservice, model_version, run_id, config_state)"
                " VALUES (?, ?, ?, ?, ?)",
                (*key, state),
            )
            version = self.db.execute("SELECT last_insert_rowid()").fetchone()[0]
            self._remember(self.db.execute("SELECT * FROM versions WHERE version = ?", (version,)).fetchone())
        return self.versions[key]

    def _add_pair(self, event: Event, waiting: Half, half: Half, now: float) -> None:
        pair = join_halves(waiting, half)
        version = self._version((event.namespace, event.inferenceservice, pair.model_version, pair.run_id))
        seq = self._take(pair.rows)
        self.db.execute(
            "INSERT INTO pairs VALUES (?, ?, ?, ?, ?, ?, ?)",
            (seq, version, event.id, pair.rows, now, pair.request, pair.response),
        )
        self.db.execute(
            "UPDATE versions SET rows = rows + ?, last_seq = ? WHERE version = ?",
            (pair.rows, seq + pair.rows - 1, version),
        )
        cutter = self.cutters.get((version, "drift"))
        if cutter:
            phase = phase_of(self.marks.get(self.services[version], ()), seq)
            for span in cutter.add(phase, seq, pair.rows):
                cutting.keep_span(self, version, "drift", span)
        known = self.db.execute("SELECT row, class FROM truths WHERE id = ? ORDER BY row", (event.id,)).fetchall()
        self._label(seq, version, pair.response, [(row["row"], row["class"]) for row in known], now)

    def add_truths(self, truths: Iterable[tuple[str, int, str]], now: float) -> int:
        """Keep truths (id, row, class); the first one of a row stays. Returns how many were new."""
        fresh: dict[str, list[tuple[int, str]]] = {}
        for identity, row, true_class in truths:
            added = self.db.execute(
                "INSERT OR IGNORE INTO truths VALUES (?, ?, ?, ?)", (identity, row, true_class, now)
            )
            if added.rowcount:
                fresh.setdefault(identity, []).append((row, true_class))
        for identity, rows in fresh.items():
            pairs = self.db.execute("SELECT seq, version, response FROM pairs WHERE id = ?", (identity,)).fetchall()
            for pair in pairs:
                self._label(pair["seq"], pair["version"], pair["response"], rows, now)
        total = sum(len(rows) for rows in fresh.values())
        if total:
            self.count("truth", total)
        return total

    def _label(self, seq: int, version: int, response: bytes, truths: list[tuple[int, str]], now: float) -> None:
        if not truths:
            return
        answers = read_answers(response)
        marks = self.marks.get(self.services[version], ())
        for row, truth in truths:
            if row >= len(answers):
                continue
            answer, label = answers[row], self._take(1)
            predicted, p_truth = answer["class"], answer["probabilities"].get(truth)
            held = (label, version, seq + row, truth, predicted, p_truth, now)
            self.db.execute("INSERT INTO labels VALUES (?, ?, ?, ?, ?, ?, ?)", held)
            self.db.execute(
                "INSERT INTO confusions VALUES (?, ?, ?, 1)"
                " ON CONFLICT (version, truth, predicted) DO UPDATE SET n = n + 1",
                (version, truth, predicted),
            )
            self.db.execute("UPDATE versions SET truths = truths + 1 WHERE version = ?", (version,))
            cutter = self.cutters.get((version, "quality"))
            for span in cutter.add(phase_of(marks, seq + row), label) if cutter else ():
                cutting.keep_span(self, version, "quality", span)

    def add_phase(self, namespace: str, inferenceservice: str, name: str, now: float) -> int:
        """A phase begins: windows that are not full are dropped. Returns the number of windows dropped."""
        seq, service, dropped = self._take(1), (namespace, inferenceservice), 0
        self.db.execute("INSERT INTO marks VALUES (?, ?, ?, ?, ?)", (seq, *service, name, now))
        self.marks.setdefault(service, []).append(seq)
        for (version, kind), cutter in self.cutters.items():
            if self.services[version] == service:
                for span in cutter.end_phase():
                    dropped += 1
                    cutting.keep_span(self, version, kind, span)
        return dropped

    def set_config(self, version: int, *, state: str, config: bytes | None, error: str = "") -> None:
        """What is known of a version's monitoring configuration: none, invalid, or ready with its JSON.

        Rows that came before are cut into windows now, as if it had been known from the first.
        """
        text = config.decode() if config else None
        self.db.execute(
            "UPDATE versions SET config_state = ?, config = ?, config_error = ? WHERE version = ?",
            (state, text, error, version),
        )
        if text and version not in self.configs:
            self._configure(version, parse_config(text), new=True)

    def count_attempt(self, version: int, last: int) -> None:
        """A drift window's report is about to be tried."""
        self.db.execute(
            "UPDATE windows SET attempts = attempts + 1 WHERE version = ? AND kind = 'drift' AND last = ?",
            (version, last),
        )

    def finish_drift(self, version: int, last: int, measured: Mapping[str, Any], seconds: float) -> None:
        """A drift window has been measured: judge it. A window that is finished already stays as it is.

        Args:
            version: the version's number.
            last: the window's last row.
            measured: `distances` by column, `prediction` ratio by class, `report` path, `distributions` where known.
            seconds: time that the report took.
        """
        row = cutting.breaches_before(self.db, version, "drift", last) or 0
        verdict = judge_drift(measured["distances"], self.configs[version], before=row).as_dict()
        config = self.configs[version]
        verdict |= {"prediction": measured["prediction"], "report": measured["report"]}
        verdict["distributions"] = measured.get("distributions", {})
        verdict["thresholds"] = {
            name: config.threshold(name) for name, distance in verdict["columns"].items() if distance is not None
        }
        self._close(version, last, "done", verdict, seconds)

    def fail_drift(self, version: int, last: int, error: str) -> None:
        """A drift window could not be measured, for good: it says so and stands in nobody's way."""
        self._close(version, last, "failed", {"error": error}, None)

    def _close(self, version: int, last: int, state: str, verdict: Mapping[str, Any], seconds: float | None) -> None:
        self.db.execute(
            "UPDATE windows SET state = ?, verdict = ?, seconds = ?"
            " WHERE version = ? AND kind = 'drift' AND last = ? AND state = 'waiting'",
            (state, orjson.dumps(verdict).decode(), seconds, version, last),
        )

    def add_alerts(self, alerts: Iterable[Mapping[str, Any]], now: float) -> int:
        """Keep alerts of a webhook; one that is told again (a retry, a repeat) is kept once. Returns the new ones."""
        added = 0
        for alert in alerts:
            held = (
                now,
                str(alert.get("status", "")),
                orjson.dumps(alert.get("labels") or {}).decode(),
                orjson.dumps(alert.get("annotations") or {}).decode(),
                str(alert.get("startsAt", "")),
                str(alert.get("endsAt", "")),
                str(alert.get("fingerprint", "")),
            )
            columns = "received, status, labels, annotations, starts_at, ends_at, fingerprint"
            added += self.db.execute(
                f"INSERT OR IGNORE INTO alerts ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                held,
            ).rowcount
        return added

    def note_revision(self, uid: str, revision: str, service: tuple[str, str], model_version: str) -> None:
        """Remember which model version a revision has; what was seen first stays."""
        held = (uid, revision, *service, model_version)
        self.db.execute("INSERT OR IGNORE INTO revisions VALUES (?, ?, ?, ?, ?)", held)

    def keep_traffic(self, seen: Mapping[tuple[str, str], tuple[str, Iterable[str]]]) -> None:
        """Remember which revisions have traffic, by InferenceService: uid and revisions; what is not in it is gone."""
        self.db.execute("DELETE FROM traffic")
        for service, (uid, revisions) in seen.items():
            born = "SELECT 1 FROM births WHERE namespace = ? AND inferenceservice = ? AND uid = ?"
            if self.db.execute(born, (*service, uid)).fetchone() is None:
                self.db.execute("INSERT INTO births VALUES (?, ?, ?, ?)", (*service, uid, self._take(1)))
            held = (*service, uid, orjson.dumps(sorted(revisions)).decode())
            self.db.execute("INSERT INTO traffic VALUES (?, ?, ?, ?)", held)

    def note_change(self, uid: str, service: tuple[str, str], model_version: str, change: str, now: float) -> None:
        """Remember when a model version got its part of an InferenceService's traffic, or lost it."""
        self.db.execute(
            "INSERT INTO changes VALUES (NULL, ?, ?, ?, ?, ?, ?)", (uid, *service, model_version, change, now)
        )

    def expire_halves(self, before: float) -> int:
        """Give up halves that came before a time (seconds since the epoch): their other half was lost."""
        lost = self.db.execute("DELETE FROM halves WHERE received < ?", (before,)).rowcount
        if lost:
            self.count("unpaired", lost)
        return lost

    def close(self) -> None:
        """Close the database."""
        self.db.close()
