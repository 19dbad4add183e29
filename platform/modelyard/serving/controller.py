"""The controller: makes what runs what the InferenceServices ask for.

Level-triggered: each round reads everything (Store, replica records, Envoy's word), decides by pure functions and acts
a little; it may be killed between any two lines, and the next round of the next process goes on from what is there.
"""

from __future__ import annotations

import asyncio
import secrets
import time
import traceback
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from modelyard.serving import metrics
from modelyard.serving.envoy_files import Gateway
from modelyard.serving.gateway import DEFAULT_TIMEOUT_S, Backend, Route, Share, TrafficTable
from modelyard.serving.replica_records import ReplicaRecord, forget_replica, read_replica_records
from modelyard.serving.replicas_client import ReplicasAway, ReplicasClient, ReplicasRefused
from modelyard.serving.revisions import (
    Failure,
    Revision,
    decide_revision,
    decide_wanted,
    plan_forgetting,
    plan_replicas,
    revision_from,
)
from modelyard.serving.rounds import Key, Round, every, key_of, newest_of
from modelyard.serving.specs import Refusal, decide_spec
from modelyard.serving.status import Observed, addresses_of, make_status, problem_of, rollout_of
from modelyard.serving.store import AlreadyExists, NotFound, Store
from modelyard.serving.traffic import Decision, decide_traffic

Object = dict[str, Any]

BUSY_S = 0.05
"""Seconds between two rounds while something is under way."""
IDLE_S = 1.0
DRAIN_S = 0.3
"""Seconds between Envoy's word that a replica is out of its endpoints and SIGTERM: with less, requests were lost."""
EXPLAINED_WITHIN_S = 2.0
"""Seconds that the warm parent has to tell how a replica ended, before the control plane makes do without."""
HEALTHY_AFTER_S = 10.0
"""Seconds without a failure after which earlier ones are forgotten."""
TAG_ROUTING = "serving.kserve.io/enable-tag-routing"


@dataclass(frozen=True)
class ControllerConfig:
    """Where things are. `gateway_port` is told in URLs."""

    domain: str
    gateway_port: int
    records: Path
    logs: Path
    targets: Path
    require_registered: bool = False


class Controller:
    """Reconciles every InferenceService of the Store, round by round."""

    def __init__(self, store: Store, config: ControllerConfig, gateway: Gateway, replicas_socket: Path) -> None:
        self._store = store
        self._config = config
        self._gateway = gateway
        self._woken = asyncio.Event()
        self._parent = ReplicasClient(replicas_socket, self._woken.set)
        self._probe_client = httpx.AsyncClient(timeout=5.0)
        self._known_ready: set[tuple[str, int]] = set()
        self._routed: dict[Key, set[str]] | None = None
        """Revisions that the routes of the last round named; None before the first."""
        self._drained_at: dict[str, float] = {}
        self._unexplained: dict[str, float] = {}
        self._targets = ""

    async def run(self) -> None:
        """Reconcile until cancelled."""
        while True:
            version = self._store.version
            self._woken.clear()
            pause_s = IDLE_S
            try:
                pause_s = await self.reconcile(time.time())
            except Exception:
                traceback.print_exc()
            await self._wait(version, pause_s)

    async def reconcile(self, now: float) -> float:
        """One round; seconds until the next one if nothing wakes it."""
        waits = self._make_revisions()
        held = self._observe(now)
        held.busy = waits
        self._note_ends(held)
        held.ready = frozenset(await self._probe(held))
        self._note_ready(held)
        decisions = held.decisions = self._decide(held)
        wanted = self._wanted(held, decisions)
        plans = [
            (rev, plan_replicas(rev, held.of(rev), wanted=wanted[rev.name], ready=held.ready, now=now))
            for rev in every(held.revisions)
        ]
        leaving = {name for _, plan in plans for name in plan.stops}
        table = self._table(held, decisions, wanted, leaving)
        applied = await self._gateway.apply(table)
        self._write_statuses(held, decisions, applied=applied)
        self._routed = {
            (route.namespace, route.inferenceservice): {share.revision for share in route.shares}
            for route in table.routes
        }
        for revision, plan in plans:
            await self._start(held, revision, plan.starts)
        await self._stop(held, leaving)
        self._forget(held, wanted)
        self._write_targets(held)
        metrics.observe(held)
        return BUSY_S if held.busy or not applied else IDLE_S

    async def close(self) -> None:
        """End the connections."""
        await self._parent.close()
        await self._probe_client.aclose()

    async def _wait(self, version: int, pause_s: float) -> None:
        waits = [asyncio.ensure_future(self._store.changed(version)), asyncio.ensure_future(self._woken.wait())]
        await asyncio.wait(waits, timeout=pause_s, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    def _make_revisions(self) -> bool:
        """Make the revisions that are missing; whether one must wait for its namesake of a deleted service to go."""
        waits = False
        held = defaultdict(list)
        for obj in self._store.list("revisions")[0]:
            held[obj["metadata"]["ownerReferences"][0]["uid"]].append(revision_from(obj))
        for isvc in self._store.list("inferenceservices")[0]:
            made = decide_revision(isvc, held[isvc["metadata"]["uid"]])
            if made is not None:
                try:
                    self._store.create("revisions", made)
                except AlreadyExists:
                    waits = True
        return waits

    def _observe(self, now: float) -> Round:
        services = {key_of(isvc): isvc for isvc in self._store.list("inferenceservices")[0]}
        revisions: dict[Key, list[Revision]] = defaultdict(list)
        for obj in self._store.list("revisions")[0]:
            revision = revision_from(obj)
            owner = services.get((revision.namespace, revision.inferenceservice))
            orphan = owner is None or owner["metadata"]["uid"] != obj["metadata"]["ownerReferences"][0]["uid"]
            key = (revision.namespace, f"{revision.inferenceservice}!deleted" if orphan else revision.inferenceservice)
            revisions[key].append(revision)
        replicas: dict[Key, list[ReplicaRecord]] = defaultdict(list)
        for record in read_replica_records(self._config.records, now=now):
            replicas[record.spec.namespace, record.spec.revision].append(record)
        return Round(now, services, dict(revisions), dict(replicas))

    def _note_ends(self, held: Round) -> None:
        """Count ends that nobody asked for, once each, then forget the records."""
        known = {(revision.namespace, revision.name): revision for revision in every(held.revisions)}
        for key, records in held.replicas.items():
            for record in [record for record in records if record.state == "exited" and self._is_settled(record)]:
                revision = known.get(key)
                if revision is not None and not record.stopping:
                    known[key] = self._count_failure(revision, record)
                records.remove(record)
                forget_replica(self._config.records, record.name)
                self._known_ready.discard((record.name, record.pid))
                self._drained_at.pop(record.name, None)
        for place, revisions in held.revisions.items():
            held.revisions[place] = [known[revision.namespace, revision.name] for revision in revisions]

    def _is_settled(self, record: ReplicaRecord) -> bool:
        """Whether an end may be taken note of: the warm parent has told it, or is not there to tell it."""
        first_seen = self._unexplained.setdefault(record.name, time.monotonic())
        if not record.noted and time.monotonic() - first_seen < EXPLAINED_WITHIN_S:
            return False
        del self._unexplained[record.name]
        return True

    def _count_failure(self, revision: Revision, record: ReplicaRecord) -> Revision:
        if revision.last_failure is not None and revision.last_failure.replica == record.name:
            return revision  # counted by a round that was killed before it could forget the record
        failure = Failure(record.name, record.reason, record.message, record.exit_code, record.ended)
        return self._save(revision, failures=revision.failures + 1, lastFailure=asdict(failure))

    def _save(self, revision: Revision, **changes: Any) -> Revision:
        status = {**revision.status, **changes}
        obj = self._store.update_status("revisions", revision.namespace, revision.name, status)
        return revision_from(obj)

    async def _probe(self, held: Round) -> set[str]:
        """Names of the replicas that have answered that their model is ready."""
        asked = []
        for record in every(held.replicas):
            if record.state == "serving" and (record.name, record.pid) not in self._known_ready:
                asked.append(record)
        answers = await asyncio.gather(*(self._is_ready(record) for record in asked))
        self._known_ready |= {(r.name, r.pid) for r, ready in zip(asked, answers, strict=True) if ready}
        living = [r for r in every(held.replicas) if r.state == "serving"]
        return {r.name for r in living if (r.name, r.pid) in self._known_ready}

    async def _is_ready(self, record: ReplicaRecord) -> bool:
        url = f"{record.address}/v2/models/{record.spec.inferenceservice}/ready"
        try:
            answer = await self._probe_client.get(url, headers={"K-Network-Probe": "queue"})
            return answer.status_code == 200 and answer.json()["ready"] is True
        except (httpx.HTTPError, ValueError, LookupError):
            return False

    def _note_ready(self, held: Round) -> None:
        for place, revisions in held.revisions.items():
            held.revisions[place] = [self._noted(held, revision) for revision in revisions]

    def _noted(self, held: Round, revision: Revision) -> Revision:
        replicas = [
            {"name": r.name, "pid": r.pid, "startTime": r.start_time, "port": r.port, "ready": r.name in held.ready}
            for r in held.of(revision)
            if r.state != "exited"
        ]
        changes: Object = {"replicas": replicas}
        complete = len(held.ready_of(revision)) >= revision.min_replicas
        if complete:
            changes["ready"] = True
            failed_at = revision.last_failure.time if revision.last_failure else 0.0
            if held.now - failed_at > HEALTHY_AFTER_S:
                changes["failures"] = 0
        if any(r.name not in held.ready for r in held.of(revision)):
            held.busy = True  # starting, or ended and not yet explained
        return self._save(revision, **changes)

    def _decide(self, held: Round) -> dict[Key, Decision]:
        decisions = {}
        for key, isvc in held.services.items():
            revisions = held.revisions.get(key, [])
            serving = {revision.name for revision in revisions if held.ready_of(revision)}
            annotations = isvc["metadata"].get("annotations") or {}
            decisions[key] = decide_traffic(
                rollout_of(isvc.get("status") or {}),
                canary_percent=isvc["spec"]["predictor"].get("canaryTrafficPercent"),
                latest_created=newest_of(revisions),
                latest_ready=newest_of(revision for revision in revisions if revision.ready),
                serving=serving,
                tag_latest=annotations.get(TAG_ROUTING) == "true",
            )
        return decisions

    def _wanted(self, held: Round, decisions: dict[Key, Decision]) -> dict[str, int]:
        """Replicas by revision name; a revision that the routes still name keeps its own for one more round."""
        wanted: dict[str, int] = {}
        for key, revisions in held.revisions.items():
            decision = decisions.get(key)
            named = (*decision.wanted, *decision.rollout.traffic) if decision else ()
            targets = {target.revision for target in named}
            plain = (key[0], key[1].removesuffix("!deleted"))
            routed = {r.name for r in revisions} if self._routed is None else self._routed.get(plain, set())
            if decision is None:
                keep = {r.name: r.min_replicas if r.name in routed and held.of(r) else 0 for r in revisions}
                wanted |= keep
                continue
            by_name = decide_wanted(revisions, targets)
            for revision in revisions:
                living = len([r for r in held.of(revision) if r.state != "exited"])
                kept = min(living, revision.min_replicas) if revision.name in routed else 0
                wanted[revision.name] = max(by_name[revision.name], kept)
        return wanted

    def _table(
        self, held: Round, decisions: dict[Key, Decision], wanted: dict[str, int], leaving: set[str]
    ) -> TrafficTable:
        routes = []
        for (namespace, name), decision in sorted(decisions.items()):
            shares = tuple(Share(t.revision, t.percent, t.tag) for t in decision.rollout.traffic)
            timeout_s = held.services[namespace, name]["spec"]["predictor"].get("timeout") or DEFAULT_TIMEOUT_S
            routes.append(Route(namespace, name, shares, int(timeout_s)))
        backends = []
        for revision in sorted(every(held.revisions), key=lambda r: (r.namespace, r.name)):
            if wanted[revision.name] or held.of(revision):
                ports = tuple(sorted(r.port for r in held.ready_of(revision) if r.name not in leaving))
                backends.append(Backend(revision.namespace, revision.name, ports))
        return TrafficTable(self._config.domain, tuple(routes), tuple(backends))

    def _write_statuses(self, held: Round, decisions: dict[Key, Decision], *, applied: bool) -> None:
        for key, decision in decisions.items():
            isvc = held.services[key]
            revisions = held.revisions.get(key, [])
            if not revisions:
                continue
            newest = max(revisions, key=lambda revision: revision.number)
            spec = decide_spec(newest, require_registered=self._config.require_registered)
            refusal = (spec.reason, spec.message) if isinstance(spec, Refusal) else None
            since = newest.status.get("refusedAt", held.now)
            observed = Observed(
                latest_created=newest.name,
                latest_ready=newest_of(revision for revision in revisions if revision.ready),
                latest_is_ready=newest.ready and bool(held.ready_of(newest)),
                problem=problem_of(newest, refusal, now=since),
                decision=decision,
                applied=applied,
                ready_copies=len(held.ready_of(newest)),
            )
            if refusal and "refusedAt" not in newest.status:
                self._save(newest, refusedAt=since)
            addresses = addresses_of(key[1], key[0], self._config.domain, self._config.gateway_port)
            status = make_status(
                isvc.get("status") or {},
                observed,
                addresses,
                generation=isvc["metadata"].get("generation", 1),
                now=held.now,
            )
            try:
                self._store.update_status("inferenceservices", *key, status)
            except NotFound:
                held.busy = True
            if not decision.shifted:
                held.busy = held.busy or observed.problem is None

    async def _start(self, held: Round, revision: Revision, count: int) -> None:
        if count == 0:
            return
        spec = decide_spec(revision, require_registered=self._config.require_registered)
        if isinstance(spec, Refusal):
            return
        for _ in range(count):
            name = f"{revision.name}-{secrets.token_hex(3)}"
            try:
                await self._parent.start(replace(spec, name=name))
                held.busy = True
            except ReplicasAway:
                return  # the next round asks again
            except ReplicasRefused as error:
                print(error.what, flush=True)
                failure = Failure(name, "ReplicaNotStarted", error.what, None, held.now)
                revision = self._save(revision, failures=revision.failures + 1, lastFailure=asdict(failure))
                return

    async def _stop(self, held: Round, leaving: Iterable[str]) -> None:
        """End replicas that are out of Envoy's endpoints for long enough."""
        for name in leaving:
            held.busy = True
            since = self._drained_at.setdefault(name, time.monotonic())
            if time.monotonic() - since >= DRAIN_S:
                try:
                    await self._parent.stop(name)
                except (ReplicasAway, ReplicasRefused) as error:
                    print(error.what, flush=True)

    def _forget(self, held: Round, wanted: dict[str, int]) -> None:
        """Delete revisions that nothing needs any more."""
        for key, revisions in held.revisions.items():
            if key not in held.services:
                spare = [r.name for r in revisions if not held.of(r) and not wanted[r.name]]
            else:
                decision = (held.decisions or {})[key]
                rollout = decision.rollout
                needed = {
                    *(t.revision for t in decision.wanted),
                    rollout.rolled_out,
                    rollout.previous,
                    *(t.revision for t in rollout.traffic),
                }
                needed |= {r.name for r in revisions if held.of(r) or wanted[r.name]}
                spare = plan_forgetting(revisions, needed)
            for name in spare:
                self._store.delete("revisions", key[0], name)

    def _write_targets(self, held: Round) -> None:
        """Prometheus' file_sd: every replica that answers."""
        found = metrics.targets([r for r in every(held.replicas) if r.name in held.ready])
        if found != self._targets:
            metrics.write_targets(self._config.targets, found)
            self._targets = found
