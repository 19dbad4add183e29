"""Ends of replicas: each is taken note of once, counted against its revision if nobody asked for it, and forgotten."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from modelyard.serving.controller.ledger import Ledger
from modelyard.serving.controller.revisions import Failure, Revision
from modelyard.serving.controller.rounds import Round, every
from modelyard.serving.events import WARNING, Recorder
from modelyard.serving.pods import CONTAINER
from modelyard.serving.replicas.records import ReplicaRecord, forget_replica

EXPLAINED_WITHIN_S = 2.0
"""Seconds that the warm parent has to tell how a replica ended, before the control plane makes do without."""


class Ends:
    """Takes note of ends, round by round."""

    def __init__(self, ledger: Ledger, recorder: Recorder, records: Path) -> None:
        self._ledger = ledger
        self._recorder = recorder
        self._records = records
        self._unexplained: dict[str, float] = {}

    def note(self, held: Round) -> list[ReplicaRecord]:
        """Count ends that nobody asked for, once each, then forget the records; the replicas that are gone now."""
        known = {(revision.namespace, revision.name): revision for revision in every(held.revisions)}
        gone = []
        for key, records in held.replicas.items():
            for record in [record for record in records if record.state == "exited" and self._is_settled(record)]:
                revision = known.get(key)
                if revision is not None:
                    known[key] = self._noted(revision, record)
                records.remove(record)
                forget_replica(self._records, record.name)
                gone.append(record)
        for place, revisions in held.revisions.items():
            held.revisions[place] = [known[revision.namespace, revision.name] for revision in revisions]
        return gone

    def _is_settled(self, record: ReplicaRecord) -> bool:
        """Whether an end may be taken note of: the warm parent has told it, or is not there to tell it."""
        first_seen = self._unexplained.setdefault(record.name, time.monotonic())
        if not record.noted and time.monotonic() - first_seen < EXPLAINED_WITHIN_S:
            return False
        del self._unexplained[record.name]
        return True

    def _noted(self, revision: Revision, record: ReplicaRecord) -> Revision:
        asked = record.name in revision.stopping
        changes: dict[str, Any] = {}
        if asked:
            changes["stopping"] = sorted(revision.stopping - {record.name})
        counted = revision.last_failure is not None and revision.last_failure.replica == record.name
        # Counted already: by a round that was killed before it could forget the record.
        if not asked and not record.stopping and not counted:
            failure = _failure(revision, record)
            changes |= {"failures": revision.failures + 1, "lastFailure": asdict(failure)}
            self._tell(revision, failure)
        return self._ledger.save(revision, **changes) if changes else revision

    def _tell(self, revision: Revision, failure: Failure) -> None:
        owner = {**revision.obj["metadata"]["ownerReferences"][0], "namespace": revision.namespace}
        about = {key: owner[key] for key in ("apiVersion", "kind", "name", "namespace", "uid")}
        told = f"Back-off restarting failed container {CONTAINER} in pod {failure.replica}: {failure.message}"
        self._recorder.event(about, WARNING, "BackOff", told)


def _failure(revision: Revision, record: ReplicaRecord) -> Failure:
    hung = (revision.status.get("hung") or {}).get(record.name)
    if hung:
        return Failure(record.name, "RuntimeUnhealthy", hung, record.exit_code, record.ended)
    return Failure(record.name, record.reason, record.message, record.exit_code, record.ended)
