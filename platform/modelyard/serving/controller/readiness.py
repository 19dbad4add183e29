"""Which replicas answer that their model is ready, and what that says of their revisions."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import httpx

from modelyard.serving.controller.ledger import Ledger
from modelyard.serving.controller.revisions import Revision
from modelyard.serving.controller.rounds import Round, every
from modelyard.serving.replicas.records import ReplicaRecord
from modelyard.serving.scaling.scales import complete_scale

HEALTHY_AFTER_S = 10.0
"""Seconds without a failure after which earlier ones are forgotten."""
PROBE_HEADERS = {"K-Network-Probe": "queue"}


class Readiness:
    """Asks replicas, and writes into the revisions what follows."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._client = httpx.AsyncClient(timeout=5.0, headers=PROBE_HEADERS)
        self._known: set[tuple[str, int]] = set()

    async def ask(self, held: Round) -> frozenset[str]:
        """Names of the replicas that have answered that their model is ready."""
        living = [record for record in every(held.replicas) if record.state == "serving"]
        asked = [record for record in living if (record.name, record.pid) not in self._known]
        answers = await asyncio.gather(*(self._is_ready(record) for record in asked))
        self._known |= {(r.name, r.pid) for r, ready in zip(asked, answers, strict=True) if ready}
        return frozenset(r.name for r in living if (r.name, r.pid) in self._known)

    def note(self, held: Round) -> None:
        """Write into each revision which replicas it has, and that it is ready once all are."""
        for place, revisions in held.revisions.items():
            held.revisions[place] = [self._noted(held, revision) for revision in revisions]

    def forget(self, gone: Iterable[ReplicaRecord]) -> None:
        """Replicas that are no more."""
        self._known -= {(record.name, record.pid) for record in gone}

    async def close(self) -> None:
        """End the connections."""
        await self._client.aclose()

    async def _is_ready(self, record: ReplicaRecord) -> bool:
        url = f"{record.address}/v2/models/{record.spec.inferenceservice}/ready"
        try:
            answer = await self._client.get(url)
            return answer.status_code == 200 and answer.json()["ready"] is True
        except (httpx.HTTPError, ValueError, LookupError):
            return False

    def _noted(self, held: Round, revision: Revision) -> Revision:
        replicas = [
            {"name": r.name, "pid": r.pid, "startTime": r.start_time, "port": r.port, "ready": r.name in held.ready}
            for r in held.living_of(revision)
        ]
        changes: dict[str, Any] = {"replicas": replicas}
        if len(held.ready_of(revision)) >= complete_scale(held.scaling[revision.key]):
            changes["ready"] = True
            failed_at = revision.last_failure.time if revision.last_failure else 0.0
            if held.now - failed_at > HEALTHY_AFTER_S:
                changes["failures"] = 0
        if any(r.name not in held.ready for r in held.of(revision) if r.name not in revision.stopping):
            held.busy = True  # starting, or ended and not yet explained
        if all(revision.status.get(name) == value for name, value in changes.items()):
            return revision
        return self._ledger.save(revision, **changes)
