"""Starts and stops of replicas: what a plan says is asked of the warm parent."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from pathlib import Path

from modelyard.serving.ledger import Ledger
from modelyard.serving.replica_records import ReplicaRecord
from modelyard.serving.replicas_client import ReplicasAway, ReplicasClient, ReplicasRefused
from modelyard.serving.revisions import Failure, Revision
from modelyard.serving.rounds import Round
from modelyard.serving.specs import Refusal, decide_spec

DRAIN_S = 0.3
"""Seconds between Envoy's word that a replica is out of its endpoints and SIGTERM: with less, requests were lost."""


class Fleet:
    """The replicas of all revisions.

    Args:
        ledger: failed starts are counted there.
        socket: of the warm parent.
        on_event: called whenever the warm parent tells something.
        require_registered: models without a digest are refused.
    """

    def __init__(self, ledger: Ledger, socket: Path, on_event: Callable[[], None], *, require_registered: bool) -> None:
        self._ledger = ledger
        self._parent = ReplicasClient(socket, on_event)
        self._require_registered = require_registered
        self._drained_at: dict[str, float] = {}

    async def start(self, held: Round, revision: Revision, count: int) -> None:
        """Start so many replicas of a revision; what the warm parent cannot do now the next round asks again."""
        if count == 0:
            return
        spec = decide_spec(revision, require_registered=self._require_registered)
        if isinstance(spec, Refusal):
            return
        for _ in range(count):
            name = f"{revision.name}-{secrets.token_hex(3)}"
            try:
                await self._parent.start(replace(spec, name=name))
                held.busy = True
            except ReplicasAway:
                return
            except ReplicasRefused as error:
                print(error.what, flush=True)
                failure = Failure(name, "ReplicaNotStarted", error.what, None, held.now)
                self._ledger.save(revision, failures=revision.failures + 1, lastFailure=asdict(failure))
                return

    async def stop(self, held: Round, leaving: Iterable[str]) -> None:
        """End replicas that are out of Envoy's endpoints for long enough."""
        for name in leaving:
            held.busy = True
            since = self._drained_at.setdefault(name, time.monotonic())
            if time.monotonic() - since >= DRAIN_S:
                try:
                    await self._parent.stop(name)
                except (ReplicasAway, ReplicasRefused) as error:
                    print(error.what, flush=True)

    def forget(self, gone: Iterable[ReplicaRecord]) -> None:
        """Replicas that are no more."""
        for record in gone:
            self._drained_at.pop(record.name, None)

    async def close(self) -> None:
        """End the connection to the warm parent; replicas live on."""
        await self._parent.close()
