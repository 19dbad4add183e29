"""The controller: makes what runs what the InferenceServices ask for.

Level-triggered: each round reads everything (Store, replica records, Envoy's word), decides by pure functions and acts
a little; it may be killed between any two lines, and the next round of the next process goes on from what is there.
"""

from __future__ import annotations

import asyncio
import time
import traceback
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelyard.serving import metrics
from modelyard.serving.ends import Ends
from modelyard.serving.envoy_files import Gateway
from modelyard.serving.fleet import Fleet
from modelyard.serving.gateway import DEFAULT_TIMEOUT_S, Backend, Route, Share, TrafficTable
from modelyard.serving.ledger import Ledger
from modelyard.serving.readiness import Readiness
from modelyard.serving.replica_records import ReplicaRecord, read_replica_records
from modelyard.serving.revisions import decide_wanted, plan_replicas
from modelyard.serving.rounds import DELETED, Key, Round, every, newest_of
from modelyard.serving.status import rollout_of
from modelyard.serving.statuses import Statuses
from modelyard.serving.store import Store
from modelyard.serving.traffic import Decision, decide_traffic

Object = dict[str, Any]

BUSY_S = 0.05
"""Seconds between two rounds while something is under way."""
IDLE_S = 1.0
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
        strict = config.require_registered
        self._ledger = Ledger(store)
        self._ends = Ends(self._ledger, config.records)
        self._readiness = Readiness(self._ledger)
        self._fleet = Fleet(self._ledger, replicas_socket, self._woken.set, require_registered=strict)
        self._statuses = Statuses(
            self._ledger, domain=config.domain, gateway_port=config.gateway_port, require_registered=strict
        )
        self._targets = metrics.Targets(config.targets)
        self._routed: dict[Key, set[str]] | None = None
        """Revisions that the routes of the last round named; None before the first."""

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
        held = await self._observe(now)
        held.decisions = decide_all_traffic(held)
        wanted = self._wanted(held)
        plans = [
            (rev, plan_replicas(rev, held.of(rev), wanted=wanted[rev.name], ready=held.ready, now=now))
            for rev in every(held.revisions)
        ]
        leaving = {name for _, plan in plans for name in plan.stops}
        table = traffic_table(held, self._config.domain, wanted, leaving)
        applied = await self._gateway.apply(table)
        self._statuses.write(held, applied=applied)
        self._routed = {
            (route.namespace, route.inferenceservice): {share.revision for share in route.shares}
            for route in table.routes
        }
        for revision, plan in plans:
            await self._fleet.start(held, revision, plan.starts)
        await self._fleet.stop(held, leaving)
        self._ledger.forget(held, wanted)
        self._targets.write([r for r in every(held.replicas) if r.name in held.ready])
        metrics.observe(held)
        return BUSY_S if held.busy or not applied else IDLE_S

    async def close(self) -> None:
        """End the connections."""
        await self._fleet.close()
        await self._readiness.close()

    async def _wait(self, version: int, pause_s: float) -> None:
        waits = [asyncio.ensure_future(self._store.changed(version)), asyncio.ensure_future(self._woken.wait())]
        await asyncio.wait(waits, timeout=pause_s, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    async def _observe(self, now: float) -> Round:
        waits = self._ledger.make_revisions()
        services, revisions = self._ledger.read()
        replicas: dict[Key, list[ReplicaRecord]] = defaultdict(list)
        for record in read_replica_records(self._config.records, now=now):
            replicas[record.spec.namespace, record.spec.revision].append(record)
        held = Round(now, services, revisions, dict(replicas), busy=waits)
        gone = self._ends.note(held)
        self._readiness.forget(gone)
        self._fleet.forget(gone)
        held.ready = await self._readiness.ask(held)
        self._readiness.note(held)
        return held

    def _wanted(self, held: Round) -> dict[str, int]:
        """Replicas by revision name; a revision that the routes still name keeps its own for one more round."""
        wanted: dict[str, int] = {}
        for key, revisions in held.revisions.items():
            decision = held.decisions.get(key)
            named = (*decision.wanted, *decision.rollout.traffic) if decision else ()
            targets = {target.revision for target in named}
            plain = (key[0], key[1].removesuffix(DELETED))
            routed = {r.name for r in revisions} if self._routed is None else self._routed.get(plain, set())
            if decision is None:
                keep = {r.name: r.min_replicas if r.name in routed and held.of(r) else 0 for r in revisions}
                wanted |= keep
                continue
            by_name = decide_wanted(revisions, targets)
            for revision in revisions:
                kept = min(len(held.living_of(revision)), revision.min_replicas) if revision.name in routed else 0
                wanted[revision.name] = max(by_name[revision.name], kept)
        return wanted


def decide_all_traffic(held: Round) -> dict[Key, Decision]:
    """The traffic of every InferenceService."""
    decisions = {}
    for key, isvc in held.services.items():
        revisions = held.revisions.get(key, [])
        annotations = isvc["metadata"].get("annotations") or {}
        decisions[key] = decide_traffic(
            rollout_of(isvc.get("status") or {}),
            canary_percent=isvc["spec"]["predictor"].get("canaryTrafficPercent"),
            latest_created=newest_of(revisions),
            latest_ready=newest_of(revision for revision in revisions if revision.ready),
            serving={revision.name for revision in revisions if held.ready_of(revision)},
            tag_latest=annotations.get(TAG_ROUTING) == "true",
        )
    return decisions


def traffic_table(held: Round, domain: str, wanted: dict[str, int], leaving: set[str]) -> TrafficTable:
    """What the gateway must know: routes as decided, and each revision's replicas that answer and stay.

    Args:
        held: the round, with its decisions.
        domain: of the host names.
        wanted: replicas by revision name.
        leaving: names of replicas that are to end.
    """
    routes = []
    for (namespace, name), decision in sorted(held.decisions.items()):
        shares = tuple(Share(t.revision, t.percent, t.tag) for t in decision.rollout.traffic)
        timeout_s = held.services[namespace, name]["spec"]["predictor"].get("timeout") or DEFAULT_TIMEOUT_S
        routes.append(Route(namespace, name, shares, int(timeout_s)))
    backends = []
    for revision in sorted(every(held.revisions), key=lambda r: (r.namespace, r.name)):
        if wanted[revision.name] or held.of(revision):
            ports = tuple(sorted(r.port for r in held.ready_of(revision) if r.name not in leaving))
            backends.append(Backend(revision.namespace, revision.name, ports))
    return TrafficTable(domain, tuple(routes), tuple(backends))
