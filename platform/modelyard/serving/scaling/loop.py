"""The autoscaling loop: reads what replicas and the activator tell, and writes each revision's desired scale.

Each second the replicas' figures are read and recorded, every other second a scale is decided, and at once when the
activator has a request for a revision without a replica. The scale stands in the revision's status, so that the next
control plane goes on from there.
"""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from modelyard.autoscaling.revision import Outcome, RevisionScaler
from modelyard.autoscaling.spec import ScalingSpec
from modelyard.serving.activator.messages import Report
from modelyard.serving.controller.ledger import Ledger
from modelyard.serving.controller.revisions import Revision
from modelyard.serving.controller.rounds import Key
from modelyard.serving.replicas.records import ReplicaRecord
from modelyard.serving.scaling.stats import Load, Stat, StatReader, load_between, total_load

RECORD_S = 1.0
TICKS_PER_DECISION = 2
"""Upstream's tick of two seconds, in readings."""
BELIEVED_S = 3.0
"""Seconds that the activator's word of requests counts: it repeats it each second, unless it has died."""


@dataclass(frozen=True)
class Followed:
    """A revision as the controller saw it last.

    Attributes:
        ready: its replicas that answer and are not about to end.
        reachable: a route names it, or it is the newest.
    """

    revision: Revision
    spec: ScalingSpec
    ready: tuple[ReplicaRecord, ...]
    reachable: bool

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return self.revision.namespace, self.revision.name


@dataclass
class _Scaled:
    followed: Followed
    scaler: RevisionScaler
    desired: int | None
    stats: dict[tuple[str, int], Stat] = field(default_factory=dict)
    activator: tuple[float, Report] | None = None
    """The activator's last word and when it came."""
    outcome: Outcome | None = None


class Scaling:
    """The autoscalers of all revisions.

    Args:
        ledger: desired scales are written there, which wakes the controller.
        wake: called when the activator holds requests for a revision that is not followed.
    """

    def __init__(self, ledger: Ledger, wake: Callable[[], None]) -> None:
        self._ledger = ledger
        self._wake = wake
        self._reader = StatReader()
        self._scaled: dict[Key, _Scaled] = {}
        self._told_at: dict[Key, float] = {}
        """When the activator last told that it has requests for a revision."""

    @property
    def holding(self) -> frozenset[Key]:
        """Revisions that the activator has requests for, sent on or held."""
        since = time.monotonic() - BELIEVED_S
        return frozenset(key for key, at in self._told_at.items() if at > since)

    @property
    def outcomes(self) -> dict[Key, Outcome]:
        """What the last tick of each revision came to."""
        return {key: held.outcome for key, held in self._scaled.items() if held.outcome is not None}

    def follow(self, revisions: Iterable[Followed]) -> None:
        """Take what a round of the controller saw; revisions that are not among it are forgotten."""
        now = time.monotonic()
        followed = {one.key: one for one in revisions}
        self._scaled = {key: held for key, held in self._scaled.items() if key in followed}
        for key, one in followed.items():
            held = self._scaled.get(key)
            if held is None:
                held = self._scaled[key] = _begin(one, now)
            elif held.followed.spec != one.spec:
                held.scaler.update(one.spec)
            held.followed = one
            if held.outcome is None and key in self.holding:
                self._poke(key)

    def poke(self, key: Key) -> None:
        """The activator holds a request for a revision without a replica."""
        self._told_at[key] = time.monotonic()
        self._poke(key)
        self._wake()

    def report(self, reports: dict[Key, Report]) -> None:
        """The activator's figures of the last second."""
        now = time.monotonic()
        for key, report in reports.items():
            if report.active + report.queued:
                self._told_at[key] = now
            else:
                self._told_at.pop(key, None)
            held = self._scaled.get(key)
            if held is not None:
                held.activator = (now, report)

    async def run(self) -> None:
        """Read and decide until cancelled."""
        tick = 0
        due = time.monotonic()
        while True:
            due = max(due + RECORD_S, time.monotonic())
            await asyncio.sleep(due - time.monotonic())
            tick += 1
            try:
                await self.record(due)
                if tick % TICKS_PER_DECISION == 0:
                    self.decide(due)
            except Exception:
                traceback.print_exc()

    async def record(self, now: float) -> None:
        """Read the figures of every ready replica and record each revision's load, with the activator's last word.

        Args:
            now: the second that is due. The time of each answer would put two values into one second and none into the
                next, which a panic window of one second takes for a surge and an end.
        """
        asked = [replica for held in self._scaled.values() for replica in held.followed.ready]
        stats = await self._reader.read_all(asked)
        for held in self._scaled.values():
            load = _load_of(held, stats)
            if load is not None:
                held.scaler.record(
                    now,
                    concurrency=load.concurrency,
                    proxied_concurrency=load.proxied_concurrency,
                    rps=load.rps,
                    proxied_rps=load.proxied_rps,
                )
            told = _word_of_the_activator(held, now)
            if told is not None:
                held.scaler.record(now, concurrency=told.concurrency, rps=told.rps)

    def decide(self, now: float) -> None:
        """Decide every revision's scale."""
        for key in list(self._scaled):
            self._decide(key, now)

    async def close(self) -> None:
        """End the connections."""
        await self._reader.close()

    def _poke(self, key: Key) -> None:
        held = self._scaled.get(key)
        if held is not None:
            now = time.monotonic()
            held.scaler.poke(now)
            self._decide(key, now)

    def _decide(self, key: Key, now: float) -> None:
        held = self._scaled[key]
        one = held.followed
        # Envoy sends to the activator whatever finds no replica, so the last one may always go.
        outcome = held.scaler.tick(now, ready=len(one.ready), reachable=one.reachable, activator_in_path=True)
        held.outcome = outcome
        if outcome.desired != held.desired:
            held.desired = outcome.desired
            self._ledger.save(one.revision, desiredScale=outcome.desired)


def _begin(one: Followed, now: float) -> _Scaled:
    told = one.revision.desired_scale
    scale = None if told is None else max(told, one.spec.min_scale)
    scaler = RevisionScaler(one.spec, ready_at_start=len(one.ready), now=now, scale_at_start=scale)
    return _Scaled(one, scaler, told)


def _word_of_the_activator(held: _Scaled, now: float) -> Report | None:
    """Its last report, which holds until the next one: it tells each second while it has requests, and then once zero.

    None where it has none, and where it has been silent for too long to be believed.
    """
    if held.activator is None:
        return None
    at, report = held.activator
    if now - at > BELIEVED_S:
        held.activator = None
        return None
    if not report.concurrency and not report.rps and not report.active + report.queued:
        held.activator = None
    return report


def _load_of(held: _Scaled, stats: dict[tuple[str, int], Stat]) -> Load | None:
    """The revision's load since the last reading, which the next call goes on from; None where nothing is known."""
    loads = []
    found: dict[tuple[str, int], Stat] = {}
    for replica in held.followed.ready:
        key = (replica.name, replica.pid)
        if key not in stats:
            continue
        found[key] = stats[key]
        load = load_between(held.stats[key], stats[key]) if key in held.stats else None
        if load is not None:
            loads.append(load)
    held.stats = found
    return total_load(loads, len(held.followed.ready))
