"""Zero: a model that nobody asks takes no memory, and whoever wakes it waits, but gets an answer.

    ./invoke load zero

An InferenceService with `minReplicas: 0` sleeps and is woken again and again, each time by several first requests at
once. The activator holds them until a replica is ready.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelyard.drawing.timeline import Band, Curve, Panel
from modelyard.load.figures import placed, replicas
from modelyard.load.measures import Request, between, concurrency, failures, first_failure, latency_ms, percentile
from modelyard.load.objectives import Objective
from modelyard.load.running import LoadTest, Outcome
from modelyard.load.sampling import count_replicas
from modelyard.load.users import Caller, CuedShape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelyard.load.process import Locust

SLO = (
    Objective("failures", "No request fails, not the first one either", "requests", at_most=0),
    Objective("cold_p50_s", "Half of those who wake it wait no longer", "s", at_most=3),
    Objective("cold_p95_s", "Of 100 who wake it 95 wait no longer", "s", at_most=6),
    Objective("asleep_s", "It is at zero soon after the last answer, each time", "s", at_most=60),
    Objective("cycles", "It slept and woke so often", "times", at_least=2),
)
CYCLES, CYCLES_FAST = 6, 2
FIRST = 5
"""First requests at once."""
WINDOW_S = 6
"""The shortest stable window that Knative allows; its default is 60."""
ASLEEP_S = 2.0
"""At zero, before it is woken."""
THINK_S = 0.2
AWAKE_REQUESTS = 15
"""Answers after which nobody asks any more."""
MOST_SECONDS = 900.0
STEP_S = 0.1
"""Of the chart: a cold start is short."""
ANNOTATIONS = {
    "autoscaling.knative.dev/window": f"{WINDOW_S}s",
    "autoscaling.knative.dev/scale-to-zero-pod-retention-period": "0s",
}


SETTINGS_FAST = {"scale-to-zero-grace-period": "6s"}
"""The activator must have been in the path for so long before the last replica goes: the first sleep of a new revision
waits for it. Knative's default is 30 s; it is a setting of all InferenceServices, so it is put back."""


class Shape(CuedShape):
    """None while it is to sleep, `FIRST` to wake it."""


class Waker(Caller):
    """Asks, and waits as long as it takes."""


@dataclass(frozen=True)
class Cycle:
    """One sleep and its end, in seconds since 1970: nobody asks, no replica is left, somebody asks, nobody asks."""

    quiet: float
    asleep: float
    woken: float
    end: float


def conduct(test: LoadTest) -> Outcome:
    """Deploy, then let it sleep and wake it, again and again."""
    if not test.choices.name:
        test.view.say(f"InferenceService {test.name}: minReplicas 0, stable window {WINDOW_S} s")
        test.deploy(test.manifest("awake", annotations=ANNOTATIONS, minReplicas=0, maxReplicas=2))
    cycles: list[Cycle] = []
    wanted = CYCLES_FAST if test.fast else CYCLES
    with ExitStack() as held:
        if test.fast:
            held.enter_context(test.autoscaler_settings(SETTINGS_FAST))
        locust = held.enter_context(test.traffic("--cued", "--seconds", str(MOST_SECONDS), "--think", str(THINK_S)))
        for number in range(wanted):
            cycles.append(cycle(test, locust, f"{number + 1}/{wanted}"))
    return judge(test, test.requests(), cycles)


def cycle(test: LoadTest, locust: Locust, told: str) -> Cycle:
    """Wait until it sleeps, wake it, and leave it alone again."""
    quiet = time.time()
    test.view.say(f"{told}: nobody asks")
    test.wait(
        lambda: is_asleep(test),
        what=f"{test.name} to be at zero",
        deadline_s=180,
        last=lambda: str(count_replicas(test.services, test.prometheus, test.name)),
    )
    asleep = time.time()
    test.view.say(f"{told}: asleep after {asleep - quiet:.1f} s; {FIRST} requests at once")
    test.wait(lambda: time.time() >= asleep + ASLEEP_S, what="some sleep", deadline_s=10)
    enough = locust.progress["requests"] + AWAKE_REQUESTS
    woken = time.time()
    locust.cue(FIRST)
    test.wait(
        lambda: locust.progress["requests"] >= enough,
        what="an answer of a model that slept",
        deadline_s=120,
        last=lambda: str(locust.progress),
    )
    locust.cue(0)
    test.wait(
        lambda: locust.progress["users"] == 0 and not locust.progress["in_flight"],
        what="the last answers",
        deadline_s=60,
    )
    return Cycle(quiet, asleep, woken, time.time())


def is_asleep(test: LoadTest) -> bool:
    """Whether there is no replica, not even one that is ending."""
    ready, pods = count_replicas(test.services, test.prometheus, test.name)
    return (ready if pods is None else pods) == 0


def first_requests(requests: Sequence[Request], cycle: Cycle) -> list[Request]:
    """Requests of a cycle that were sent before any of them was answered: those that met no replica."""
    woke = between(requests, cycle.woken, cycle.end)
    answered = min((request.ended for request in woke), default=cycle.end)
    return [request for request in woke if request.started < answered]


def judge(test: LoadTest, requests: Sequence[Request], cycles: Sequence[Cycle]) -> Outcome:
    """Verdicts and chart of what was measured."""
    cold = [request for cycle in cycles for request in first_requests(requests, cycle)]
    waited = [request.seconds for request in cold if not request.failed]
    warm = [request for request in requests if request not in set(cold)]
    slept = [cycle.asleep - last_answer(requests, cycle) for cycle in cycles]
    verdicts = [
        test.verdict("failures", failures(requests) if cold else None),
        test.verdict("cold_p50_s", percentile(waited, 50)),
        test.verdict("cold_p95_s", percentile(waited, 95)),
        test.verdict("asleep_s", max(slept, default=None)),
        test.verdict("cycles", len(cycles)),
    ]
    figures = {
        "first requests": f"{len(cold)} in {len(cycles)} cycles",
        "cold start p50, p90, p95, p99, most (s)": [
            round(percentile(waited, percent) or 0, 3) for percent in (50, 90, 95, 99, 100)
        ],
        "awake p50, p95 (ms)": [round(latency_ms(warm, percent) or 0, 1) for percent in (50, 95)],
        "asleep after (s)": [round(seconds, 1) for seconds in slept],
        "first failure": first_failure(requests) or "none",
    }
    return Outcome(verdicts, *draw(test, requests, cycles, cold), figures)


def last_answer(requests: Sequence[Request], cycle: Cycle) -> float:
    """When the last request before a cycle was answered; the cycle's own begin before the first one."""
    return max((request.ended for request in requests if request.ended <= cycle.quiet), default=cycle.quiet)


def draw(
    test: LoadTest, requests: Sequence[Request], cycles: Sequence[Cycle], cold: Sequence[Request]
) -> tuple[list[Panel], list[Band], float]:
    """Replicas, requests that wait, and what each first request cost."""
    began, seconds = test.began, (cycles[-1].end if cycles else time.time()) - test.began
    held = concurrency(requests, began, seconds, STEP_S)
    panels = [
        Panel("Replicas that are ready", [Curve("replicas", replicas(test.samples, began), "area")], whole=True),
        Panel(
            "Requests that wait for their answer",
            [Curve("in flight", placed(held, STEP_S))],
        ),
        Panel(
            "Time to the answer (s)",
            [
                Curve("first requests", [(r.started - began, r.seconds) for r in cold if not r.failed], "dots"),
                Curve("later ones", [(r.started - began, r.seconds) for r in requests if r not in set(cold)], "dots"),
            ],
        ),
    ]
    bands = [
        band
        for cycle in cycles
        for band in (
            Band(cycle.quiet - began, cycle.woken - began, "nobody asks"),
            Band(cycle.woken - began, cycle.end - began, "asked"),
        )
    ]
    return panels, bands, seconds
