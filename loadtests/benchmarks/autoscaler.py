"""The autoscaler at 1,000 replicas and 50,000 requests/s: what a tick costs against reading the replicas' answers.

A simulation: nothing listens and nothing waits. Every replica has the counters that a queue-proxy tells, the load comes
at once, and the scale of each tick is what the replicas are in the next one. Timed is what the control plane does with
the counters: two readings of all replicas made to averages and recorded, and one decision.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import orjson

from loadtests.benchmarks.figures import Figure, ratio_of_medians
from modelyard.autoscaling.revision import Outcome, RevisionScaler
from modelyard.autoscaling.spec import ScalingSpec
from modelyard.serving.scaling.stats import Stat, load_between, stat_from, total_load

REPLICAS = 1000
REQUESTS_PER_S = 50_000.0
SECONDS_A_REQUEST = 0.014
TICK_S = 2
TICKS = 60
AIM = 1.5
SEED = 13

# 50,000/s of 14 ms each are 700 in flight; at 0.7 for each replica that is a thousand of them
SPEC = ScalingSpec(container_concurrency=1, total_target=1.0, target_utilization=0.7, min_scale=1)
STARTED_S = 1_000_000.0

Result = TypeVar("Result")


def measure() -> Figure:
    """Scale from one replica to a thousand, and time the ticks at a thousand beside the reading of their answers."""
    fleet, controlled, now = Fleet(), Controlled(), STARTED_S
    ticks, readings, decisions = [], [], []
    scales = [1]
    for _ in range(TICKS):
        answers = [fleet.answers_after(now + second, scales[-1]) for second in (1, 2)]
        now += TICK_S
        reading_s, told = _timed(partial(_read, answers))
        tick_s, outcome = _timed(partial(controlled.tick, told, now))
        decision_s, _ = _timed(partial(controlled.decide, scales[-1], now))
        if scales[-1] >= REPLICAS:
            ticks.append(tick_s)
            readings.append(reading_s)
            decisions.append(decision_s)
        scales.append(outcome.desired)
    if len(ticks) < TICKS // 2:
        raise AssertionError(f"the scale was {scales}: it must have reached {REPLICAS} in half of the ticks")
    return Figure(
        name="autoscaler",
        about=f"a tick at {REPLICAS:,} replicas and {REQUESTS_PER_S:,.0f} requests/s / parsing their answers",
        value=ratio_of_medians(ticks, readings),
        unit="x",
        aim=AIM,
        at_most=True,
        rounds={"tick, s": ticks, "parsing, s": readings, "of the tick: the decision alone, s": decisions},
        notes=f"there is a tick every {TICK_S} s; from 1 replica it went {_told(scales)}",
    )


class Fleet:
    """Replicas whose counters grow with a load that they share unevenly."""

    def __init__(self) -> None:
        self._random = random.Random(SEED)
        self._counters: list[list[float]] = []

    def answers_after(self, now: float, replicas: int) -> list[bytes]:
        """What each of that many replicas tells at the end of another second."""
        del self._counters[replicas:]
        self._counters += [[0.0, 0.0] for _ in range(replicas - len(self._counters))]
        weights = [self._random.uniform(0.5, 1.5) for _ in self._counters]
        share = REQUESTS_PER_S / sum(weights)
        answers = []
        for counters, weight in zip(self._counters, weights, strict=True):
            counters[0] += weight * share
            counters[1] += weight * share * SECONDS_A_REQUEST
            answers.append(_answer(now, *counters))
        return answers


def _answer(now: float, requests: float, concurrency_s: float) -> bytes:
    return orjson.dumps(
        {
            "monotonic_s": now,
            "concurrency_s": concurrency_s,
            "proxied_concurrency_s": 0.0,
            "requests": round(requests),
            "proxied_requests": 0,
            "active": 1,
            "queued": 0,
        }
    )


def _read(seconds: list[list[bytes]]) -> list[list[Stat]]:
    return [[stat_from(orjson.loads(answer)) for answer in answers] for answers in seconds]


class Controlled:
    """The autoscaler with what the control plane keeps beside it: the reading before."""

    def __init__(self) -> None:
        self._scaler = RevisionScaler(SPEC, ready_at_start=1, now=STARTED_S, scale_at_start=1)
        self._before: list[Stat] = []

    def tick(self, told: list[list[Stat]], now: float) -> Outcome:
        """Record what two seconds of readings tell, and decide."""
        for at, after in zip((now - 1, now), told, strict=True):
            pairs = zip(self._before, after, strict=False)
            loads = [load for before, one in pairs if (load := load_between(before, one)) is not None]
            load = total_load(loads, len(after))
            if load is not None:
                self._scaler.record(at, concurrency=load.concurrency, rps=load.rps)
            self._before = after
        return self.decide(len(told[-1]), now)

    def decide(self, ready: int, now: float) -> Outcome:
        """The decision alone."""
        return self._scaler.tick(now, ready=ready, activator_in_path=True)


def _timed(work: Callable[[], Result]) -> tuple[float, Result]:
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def _told(scales: list[int]) -> str:
    """Each scale once, in the order in which they came."""
    changes = [scale for scale, before in zip(scales[1:], scales, strict=False) if scale != before]
    return ", ".join(str(scale) for scale in changes[:8])
