"""Starts and stops of replicas: what a plan says is asked of the warm parent."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from modelyard.serving.activator.messages import DEFAULT_TIMEOUT_S
from modelyard.serving.controller.ledger import Ledger
from modelyard.serving.controller.revisions import Failure, Revision
from modelyard.serving.controller.rounds import Round, every
from modelyard.serving.gpus import GPU, asked_gpus, assign_gpus
from modelyard.serving.models.credentials import decide_storage
from modelyard.serving.pods import insufficient, replica_name
from modelyard.serving.replicas.client import ReplicasAway, ReplicasClient, ReplicasRefused
from modelyard.serving.replicas.records import ReplicaRecord
from modelyard.serving.scaling.stats import StatReader
from modelyard.serving.spec.replicas import Refusal

DRAIN_S = 0.3
"""Seconds between Envoy's word that a replica is out of its endpoints and SIGTERM: with less, requests were lost."""
UNTOLD_S = 10.0
"""Seconds after which a replica ends although Envoy has not said that it sends no more: there may be no Envoy."""
AGAIN_S = 5.0
"""Seconds after which a replica that was asked to end and still lives is asked again."""


class Fleet:
    """The replicas of all revisions.

    Args:
        ledger: failed starts are counted there, and which replicas were asked to end is written down.
        socket: of the warm parent.
        on_event: called whenever the warm parent tells something.
        inventory: NVIDIA devices of this machine.
    """

    def __init__(self, ledger: Ledger, socket: Path, on_event: Callable[[], None], *, inventory: Sequence[str]) -> None:
        self._ledger = ledger
        self._inventory = inventory
        self._parent = ReplicasClient(socket, on_event)
        self._reader = StatReader()
        self._leaving_since: dict[str, float] = {}
        self._drained_at: dict[str, float] = {}
        self._asked_at: dict[str, float] = {}

    async def start(self, held: Round, revision: Revision, count: int) -> None:
        """Start so many replicas of a revision; what the warm parent cannot do now the next round asks again."""
        spec = held.specs[revision.key]
        if count == 0 or isinstance(spec, Refusal):
            return
        storage = decide_storage(revision, lambda resource, name: self._ledger.find(resource, revision.namespace, name))
        if isinstance(storage, Refusal):
            failure = Failure(revision.name, storage.reason, storage.message, None, held.now)
            self._ledger.save(revision, failures=revision.failures + 1, lastFailure=asdict(failure))
            return
        spec = replace(spec, storage_uri=storage.uri)
        for _ in range(count):
            gpus = self._gpus(held, revision)
            if gpus is None:
                return
            name = replica_name(revision.name, revision.template)
            try:
                await self._parent.start(replace(spec, name=name, gpus=gpus), storage.environment)
                held.busy = True
                held.given_gpus += gpus
                self._note_restart(held, revision, name)
            except ReplicasAway:
                return
            except ReplicasRefused as error:
                print(error, flush=True)
                failure = Failure(name, "ReplicaNotStarted", str(error), None, held.now)
                self._ledger.save(revision, failures=revision.failures + 1, lastFailure=asdict(failure))
                return

    def _note_restart(self, held: Round, revision: Revision, name: str) -> None:
        """Write down which replica came in the place of one that ended by itself."""
        if revision.failures:
            names = {record.name for record in held.of(revision)}
            known = self._ledger.reread(revision).restarts
            kept = {other: count for other, count in known.items() if other in names}
            self._ledger.save(revision, restarts={**kept, name: revision.failures})

    def _gpus(self, held: Round, revision: Revision) -> list[str] | None:
        """Devices for one more replica; None where there are too few, which the revision then tells."""
        asked = asked_gpus(revision.predictor)
        if not asked and not revision.unschedulable:
            return []
        living = [record for record in every(held.replicas) if record.state != "exited"]
        taken = [*held.given_gpus, *(device for record in living for device in record.spec.gpus)]
        found = assign_gpus(self._inventory, taken, asked)
        message = insufficient(GPU) if found is None else ""
        if message != revision.unschedulable:
            self._ledger.save(revision, unschedulable=message)
            held.busy = True
        return found

    async def stop(self, held: Round, leaving: Iterable[str], *, applied: bool) -> None:
        """End the replicas that shall go, each once nothing comes to it any more and it has answered what it had.

        Args:
            held: the round.
            leaving: names of replicas that neither Envoy nor the activator was told any more.
            applied: Envoy has taken that.
        """
        names = set(leaving)
        self._leaving_since = {name: at for name, at in self._leaving_since.items() if name in names}
        self._drained_at = {name: at for name, at in self._drained_at.items() if name in names}
        for revision in every(held.revisions):
            for record in held.of(revision):
                if record.name in names:
                    held.busy = True
                    if await self._is_idle(record, revision, applied=applied):
                        await self._end(revision, record)
                elif record.name in revision.stopping and record.state != "exited":
                    await self._ask(record.name)

    def forget(self, gone: Iterable[ReplicaRecord]) -> None:
        """Replicas that are no more."""
        for record in gone:
            self._asked_at.pop(record.name, None)

    async def close(self) -> None:
        """End the connection to the warm parent; replicas live on."""
        await self._parent.close()
        await self._reader.close()

    async def _is_idle(self, record: ReplicaRecord, revision: Revision, *, applied: bool) -> bool:
        """Whether a leaving replica has nothing to answer and gets nothing new, or has had its time."""
        now = time.monotonic()
        since = self._leaving_since.setdefault(record.name, now)
        if applied or now - since > UNTOLD_S:
            self._drained_at.setdefault(record.name, now)
        if now - self._drained_at.get(record.name, now) < DRAIN_S:
            return False
        if now - since > timeout_of(revision):
            return True
        stat = await self._reader.read(record) if record.state == "serving" else None
        return stat is None or stat.in_flight == 0

    async def _end(self, revision: Revision, record: ReplicaRecord) -> None:
        # Written down before it is done: a dying replica must not be taken for one that can be kept.
        present = self._ledger.reread(revision)
        self._ledger.save(revision, stopping=sorted({*present.stopping, record.name}))
        await self._ask(record.name)

    async def _ask(self, name: str) -> None:
        now = time.monotonic()
        if now - self._asked_at.get(name, -AGAIN_S) < AGAIN_S:
            return
        try:
            await self._parent.stop(name)
            self._asked_at[name] = now
        except ReplicasAway:
            return
        except ReplicasRefused as error:
            print(error, flush=True)


def timeout_of(revision: Revision) -> float:
    """Seconds that a request to a revision may take."""
    return float(revision.predictor.get("timeout") or DEFAULT_TIMEOUT_S)
