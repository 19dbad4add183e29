"""The controller: makes what runs what the InferenceServices ask for.

Level-triggered: each round reads everything (Store, replica records, Envoy's word), decides by pure functions and acts
a little; it may be killed between any two lines, and the next round of the next process goes on from what is there.
"""

from __future__ import annotations

import asyncio
import time
import traceback
from collections import defaultdict
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelyard.autoscaling.spec import scaling_spec
from modelyard.serving.activator.client import ActivatorClient
from modelyard.serving.activator.messages import TableEntry
from modelyard.serving.controller import metrics
from modelyard.serving.controller.ends import Ends
from modelyard.serving.controller.fleet import Fleet, timeout_of
from modelyard.serving.controller.ledger import Ledger
from modelyard.serving.controller.liveness import Liveness, liveness_probe_of
from modelyard.serving.controller.pod_keeper import PodKeeper
from modelyard.serving.controller.readiness import Readiness
from modelyard.serving.controller.revisions import Plan, Revision, is_stopped, plan_replicas
from modelyard.serving.controller.rounds import Key, Round, every, newest_of
from modelyard.serving.controller.status import rollout_of
from modelyard.serving.controller.statuses import Statuses
from modelyard.serving.controller.traffic import Decision, decide_traffic
from modelyard.serving.events import NORMAL, WARNING, Recorder
from modelyard.serving.gateway.files import Gateway
from modelyard.serving.gateway.tables import DEFAULT_TIMEOUT_S, Backend, Route, Share, TrafficTable
from modelyard.serving.gpus import gpu_inventory
from modelyard.serving.pods import CONTAINER
from modelyard.serving.replicas.records import ReplicaRecord, read_replica_records
from modelyard.serving.scaling.config import ScalingConfig
from modelyard.serving.scaling.loop import Followed, Scaling
from modelyard.serving.scaling.scales import Need, decide_replicas, is_able, is_buffered
from modelyard.serving.spec.replicas import decide_spec, find_unserved
from modelyard.serving.store import Store

Object = dict[str, Any]

BUSY_S = 0.05
"""Seconds between two rounds while something is under way."""
IDLE_S = 1.0
KEPT_CLUSTER_S = 10.0
"""Seconds that Envoy keeps a revision that no route names any more: requests on their way may be tried again."""
HUNG = f"Container {CONTAINER} failed liveness probe, will be restarted"
TAG_ROUTING = "serving.kserve.io/enable-tag-routing"


@dataclass(frozen=True)
class ControllerConfig:
    """Where things are. `gateway_port` is told in URLs; the sockets are the warm parent's and the activator's own."""

    domain: str
    gateway_port: int
    records: Path
    logs: Path
    targets: Path
    replicas_socket: Path
    activator_socket: Path
    require_registered: bool = False


class Controller:
    """Reconciles every InferenceService of the Store, round by round."""

    def __init__(self, store: Store, config: ControllerConfig, gateway: Gateway) -> None:
        self._store = store
        self._config = config
        self._gateway = gateway
        self._woken = asyncio.Event()
        self._ledger = Ledger(store)
        recorder = Recorder(store)
        self._ends = Ends(self._ledger, recorder, config.records)
        self._readiness = Readiness(self._ledger)
        self._liveness = Liveness(self._note_hang)
        self._fleet = Fleet(self._ledger, config.replicas_socket, self._woken.set, inventory=gpu_inventory())
        self._statuses = Statuses(self._ledger, recorder, domain=config.domain, gateway_port=config.gateway_port)
        self._pods = PodKeeper(store, recorder)
        self._scaling_config = ScalingConfig(store)
        self._scaling = Scaling(self._ledger, self._woken.set)
        self._activator = ActivatorClient(config.activator_socket, self._scaling.poke, self._scaling.report)
        self._targets = metrics.Targets(config.targets)
        self._routed: dict[Key, float] | None = None
        """When the routes last named each revision, in monotonic seconds; None before the first round."""
        self._told_at = 0.0

    async def run(self) -> None:
        """Reconcile until cancelled."""
        scaling = asyncio.create_task(self._scaling.run())
        try:
            while True:
                version = self._store.version
                self._woken.clear()
                pause_s = IDLE_S
                try:
                    pause_s = await self.reconcile(time.time())
                except Exception:
                    traceback.print_exc()
                await self._wait(version, pause_s)
        finally:
            scaling.cancel()

    async def reconcile(self, now: float) -> float:
        """One round; seconds until the next one if nothing wakes it."""
        held = await self._observe(now)
        held.decisions = decide_all_traffic(held)
        needs = self._needs(held)
        plans = plan_all(held, needs)
        leaving = {name for _, plan in plans for name in plan.stops}
        self._follow(held, needs)
        applied = await self._tell_traffic(held, needs, leaving)
        self._statuses.write(held, applied=applied)
        for revision, plan in plans:
            await self._fleet.start(held, revision, plan.starts)
        await self._fleet.stop(held, leaving, applied=applied)
        self._pods.keep(held)
        self._watch(held)
        self._ledger.forget(held)
        self._targets.write([r for revision in every(held.revisions) for r in held.ready_of(revision)])
        metrics.observe(held, self._scaling.outcomes)
        return BUSY_S if held.busy or not applied else IDLE_S

    async def close(self) -> None:
        """End the connections."""
        await self._fleet.close()
        await self._readiness.close()
        await self._liveness.close()
        await self._activator.close()
        await self._scaling.close()

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
        held.stopped = frozenset(key for key, isvc in services.items() if is_stopped(isvc))
        self._describe(held)
        gone = self._ends.note(held)
        self._readiness.forget(gone)
        self._fleet.forget(gone)
        held.ready = await self._readiness.ask(held)
        self._readiness.note(held)
        self._statuses.note_problems(held)
        return held

    def _describe(self, held: Round) -> None:
        """Note what replicas of each revision must be, and within which bounds they are scaled."""
        config = self._scaling_config.read()
        for place, revisions in held.revisions.items():
            isvc, newest = held.services.get(place), newest_of(revisions)
            unserved = find_unserved(isvc["spec"], isvc["metadata"].get("annotations")) if isvc else None
            for revision in revisions:
                spec = decide_spec(revision, require_registered=self._config.require_registered)
                if unserved and revision.name == newest:
                    # Other components are not in a revision's template, and so stand in the way of the newest one;
                    # if that one serves already, it goes on.
                    held.unserved[revision.key] = unserved
                    spec = spec if revision.ready else unserved
                held.specs[revision.key] = spec
                held.scaling[revision.key] = scaling_spec(revision.predictor, revision.annotations, config)

    def _needs(self, held: Round) -> dict[Key, Need]:
        """Who needs each revision."""
        holding = self._scaling.holding
        needs = {}
        for place, revisions in held.revisions.items():
            decision = held.decisions.get(place)
            named = (*decision.wanted, *decision.rollout.traffic) if decision else ()
            reachable = {target.revision for target in named} | ({newest_of(revisions)} if decision else set())
            for revision in revisions:
                needs[revision.key] = Need(
                    reachable=revision.name in reachable,
                    routed=self._routed is None or self._routed.get(revision.key) == self._told_at,
                    held=revision.key in holding,
                )
        return needs

    def _follow(self, held: Round, needs: dict[Key, Need]) -> None:
        """Tell the autoscaler which revisions are its own now; one that nobody needs begins anew at zero later."""
        followed = []
        for revision in every(held.revisions):
            need = needs[revision.key]
            if need.reachable or need.held:
                spec, ready = held.scaling[revision.key], tuple(held.ready_of(revision))
                followed.append(Followed(revision, spec, ready, reachable=need.reachable))
            elif revision.ready and revision.desired_scale:
                self._ledger.save(revision, desiredScale=0)
        self._scaling.follow(followed)

    def _watch(self, held: Round) -> None:
        """Follow the liveness of the replicas that answer."""
        self._liveness.follow(
            (record, liveness_probe_of(revision.predictor))
            for revision in every(held.revisions)
            for record in held.ready_of(revision)
        )

    def _note_hang(self, record: ReplicaRecord, message: str) -> None:
        """Write down why a replica is about to be killed; its end is counted with that."""
        key = (record.spec.namespace, record.spec.revision)
        self._ledger.save_at(key, hung={record.name: message})
        self._pods.tell(key[0], record.name, WARNING, "Unhealthy", message)
        self._pods.tell(key[0], record.name, NORMAL, "Killing", HUNG)

    async def _tell_traffic(self, held: Round, needs: dict[Key, Need], leaving: set[str]) -> bool:
        """Tell activator and gateway; whether Envoy has taken it."""
        now = time.monotonic()
        recent = {key for key, at in (self._routed or {}).items() if now - at < KEPT_CLUSTER_S}
        kept = recent | {key for key, need in needs.items() if need.reachable}
        await self._activator.tell(activator_table(held, leaving))
        buffered = {key for key in needs if is_buffered(held.scaling[key], self._scaling.outcomes.get(key))}
        table = traffic_table(held, self._config.domain, kept, leaving, buffered)
        applied = await self._gateway.apply(table)
        known = set(needs)
        self._routed = {key: at for key, at in (self._routed or {}).items() if key in known}
        self._routed |= {(route.namespace, share.revision): now for route in table.routes for share in route.shares}
        self._told_at = now
        return applied


def plan_all(held: Round, needs: dict[Key, Need]) -> list[tuple[Revision, Plan]]:
    """What must start and stop; notes in the round how many replicas are wanted."""
    plans = []
    for revision in every(held.revisions):
        living = len(held.living_of(revision))
        wanted = decide_replicas(revision, held.scaling[revision.key], needs[revision.key], living=living)
        held.wanted[revision.key] = wanted
        plan = plan_replicas(revision, held.of(revision), wanted=wanted, ready=held.ready, now=held.now)
        plans.append((revision, plan))
    return plans


def decide_all_traffic(held: Round) -> dict[Key, Decision]:
    """The traffic of every InferenceService."""
    decisions = {}
    for key, isvc in held.services.items():
        if key in held.stopped:
            continue
        revisions = held.revisions.get(key, [])
        annotations = isvc["metadata"].get("annotations") or {}
        rollout = rollout_of(isvc.get("status") or {})
        present = {target.revision for target in rollout.traffic}
        able = {
            revision.name
            for revision in revisions
            if is_able(
                revision,
                held.scaling[revision.key],
                ready=len(held.ready_of(revision)),
                failing=revision.key in held.problems,
                has_traffic=revision.name in present,
            )
        }
        decisions[key] = decide_traffic(
            rollout,
            canary_percent=isvc["spec"]["predictor"].get("canaryTrafficPercent"),
            latest_created=newest_of(revisions),
            latest_ready=newest_of(revision for revision in revisions if revision.ready),
            serving=able,
            tag_latest=annotations.get(TAG_ROUTING) == "true",
        )
    return decisions


def ports_of(held: Round, revision: Revision, leaving: set[str]) -> tuple[int, ...]:
    """Ports of the replicas that answer and stay."""
    return tuple(sorted(replica.port for replica in held.ready_of(revision) if replica.name not in leaving))


def activator_table(held: Round, leaving: set[str]) -> list[TableEntry]:
    """What the activator must know: every revision, because a request may still be on its way to any of them."""
    return [
        TableEntry(
            namespace=revision.namespace,
            revision=revision.name,
            ports=ports_of(held, revision, leaving),
            container_concurrency=held.scaling[revision.key].container_concurrency,
            timeout_s=timeout_of(revision),
        )
        for revision in sorted(every(held.revisions), key=lambda revision: revision.key)
    ]


def traffic_table(
    held: Round, domain: str, kept: set[Key], leaving: set[str], buffered: Set[Key] = frozenset()
) -> TrafficTable:
    """What the gateway must know: routes as decided, and each revision's replicas that answer and stay.

    Args:
        held: the round, with its decisions.
        domain: of the host names.
        kept: revisions that Envoy must know with or without a replica.
        leaving: names of replicas that are to end.
        buffered: revisions whose requests all go by the activator, which holds what their replicas cannot take.
    """
    routes = []
    for (namespace, name), decision in sorted(held.decisions.items()):
        shares = tuple(Share(t.revision, t.percent, t.tag) for t in decision.rollout.traffic)
        timeout_s = held.services[namespace, name]["spec"]["predictor"].get("timeout") or DEFAULT_TIMEOUT_S
        routes.append(Route(namespace, name, shares, int(timeout_s)))
    backends = [
        Backend(
            revision.namespace,
            revision.name,
            () if revision.key in buffered else ports_of(held, revision, leaving),
        )
        for revision in sorted(every(held.revisions), key=lambda revision: revision.key)
        if revision.key in kept or held.wanted[revision.key] or held.of(revision)
    ]
    return TrafficTable(domain, tuple(routes), tuple(backends))
