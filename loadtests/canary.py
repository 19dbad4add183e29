"""Canary: each request draws its revision, and no percentage that is asked for loses one.

    ./invoke load canary

Two revisions of one InferenceService answer who they are, so that the split is counted from the answers themselves and
not from anybody's metrics. The share of the newer one is set to each of `PERCENTS` while requests go on.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from modelyard.drawing.timeline import Band, Curve, Panel
from modelyard.errors import OptionInvalid
from modelyard.kube import traffic
from modelyard.load.binomial import interval
from modelyard.load.figures import latency_panel, load_panel, step_of
from modelyard.load.measures import (
    Request,
    answers,
    between,
    failures,
    first_failure,
    latency_ms,
)
from modelyard.load.objectives import Objective, Verdict
from modelyard.load.running import LoadTest, Outcome
from modelyard.load.users import Caller, CuedShape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelyard.load.process import Locust

SLO = (
    Objective("draws_percent", "Each share lies where so many of all fair draws lie", "% of all draws", at_least=99),
    Objective("failures", "No request fails while the percentages change", "requests", at_most=0),
    Objective("p95_ms", "A request is answered in time, whoever answers", "ms", at_most=500),
    Objective("switch_s", "A new percentage is in force soon after it was asked for", "s", at_most=10),
)
PERCENTS = (1, 10, 50, 99)
COUNTS = 2
"""A gateway that draws as it should is outside of its 99 % interval in one count of a hundred, so in one run of 25.
A share that is outside is counted once more, with other requests; one that is really off is outside again."""
REQUESTS, REQUESTS_FAST = 6000, 600
"""Counted at each percentage."""
USERS = 8
SETTLED_S = 0.5
"""Between the status that tells a split and the first request that is counted: the gateway reads it a moment later."""
MOST_SECONDS = 400.0
STABLE, CANDIDATE = "stable", "candidate"


class Shape(CuedShape):
    """As many users as `conduct` says."""


class Visitor(Caller):
    """Asks, and is told which revision answered."""


class Phase(NamedTuple):
    """A percentage, when it was asked for and in force, and from when to when it was counted (seconds since 1970)."""

    percent: int
    asked: float
    in_force: float
    counts: Sequence[tuple[float, float]]


def conduct(test: LoadTest) -> Outcome:
    """Deploy both revisions, set each percentage while requests go on, and count."""
    if test.choices.name:
        raise OptionInvalid(
            "load canary takes no --name: it needs two revisions whose answers differ, and deploys them",
            next_command="./invoke load canary",
        )
    test.view.say(f"InferenceService {test.name} answers {STABLE!r}")
    test.deploy(test.manifest(STABLE))
    wanted = REQUESTS_FAST if test.fast else REQUESTS
    phases: list[Phase] = []
    with test.traffic("--cued", "--seconds", str(MOST_SECONDS)) as locust:
        locust.cue(USERS)
        for percent in PERCENTS:
            phases.append(hold(test, locust, percent, wanted, first=not phases))
    return judge(test, test.requests(), phases)


def hold(test: LoadTest, locust: Locust, percent: int, wanted: int, *, first: bool) -> Phase:
    """Set a percentage, wait until it is in force, and until enough requests were answered after that."""
    asked = time.time()
    if first:
        test.deploy(test.manifest(CANDIDATE, canaryTrafficPercent=percent))
    else:
        test.services.patch(test.name, {"spec": {"predictor": {"canaryTrafficPercent": percent}}})
    test.wait(
        lambda: latest_share(test.services.get(test.name) or {}) == percent,
        what=f"{percent} percent of the traffic to go to the newer revision",
        deadline_s=60,
    )
    in_force = time.time()
    test.view.say(f"{percent} % are in force after {in_force - asked:.1f} s; counting {wanted} requests")
    test.wait(lambda: time.time() >= in_force + SETTLED_S, what="the gateway to follow", deadline_s=5)
    counts: list[tuple[float, float]] = []
    while len(counts) < COUNTS:
        counts.append(count(test, locust, wanted))
        if judge_split(percent, [between(test.requests(), *counts[-1])], confidence_of(test)).held:
            break
        test.view.say(f"{percent} %: this count is outside of its interval")
    return Phase(percent, asked, in_force, counts)


def count(test: LoadTest, locust: Locust, wanted: int) -> tuple[float, float]:
    """Wait until so many requests more were answered; from when to when that was."""
    begin = time.time()
    enough = locust.progress["requests"] + wanted + 2 * USERS
    test.wait(
        lambda: locust.progress["requests"] >= enough,
        what=f"{wanted} requests",
        deadline_s=120,
        last=lambda: str(locust.progress),
    )
    return begin, time.time()


def confidence_of(test: LoadTest) -> float:
    """The part of all fair draws that an interval holds."""
    return (test.objective("draws_percent").at_least or 0) / 100


def latest_share(held: dict[str, Any]) -> int | None:
    """Percent of the traffic that the newest revision has by the status; None where it is in no traffic yet."""
    return next((part.get("percent", 0) for part in traffic(held) if part.get("latestRevision")), None)


def judge(test: LoadTest, requests: Sequence[Request], phases: Sequence[Phase]) -> Outcome:
    """Verdicts and chart of what was measured."""
    splits = [
        judge_split(phase.percent, [between(requests, *span) for span in phase.counts], confidence_of(test))
        for phase in phases
    ]
    switched = max((phase.in_force - phase.asked for phase in phases[1:]), default=None)
    verdicts = [
        *splits,
        test.verdict("failures", failures(requests) if requests else None),
        test.verdict("p95_ms", latency_ms(requests, 95)),
        test.verdict("switch_s", switched),
    ]
    figures = {
        "requests": len(requests),
        "answers": dict(answers(requests)),
        "first failure": first_failure(requests) or "none",
        "p50, p95, p99 (ms)": [round(latency_ms(requests, p) or 0, 1) for p in (50, 95, 99)],
    }
    panels, bands, seconds = draw(test.began, requests, phases)
    return Outcome(verdicts, panels, bands, seconds, figures)


def judge_split(percent: int, counts: Sequence[Sequence[Request]], confidence: float) -> Verdict:
    """Whether the answers of the newer revision are as many as draws of that percentage give, in the last count."""
    counted = [answers(requests) for requests in counts]
    last = counted[-1]
    total = last.total()
    bounds = interval(total, percent / 100, confidence)
    told = [f"{one[CANDIDATE]} of {one.total()} ({one[CANDIDATE] / one.total():.2%})" for one in counted if one]
    return Verdict(
        f"{percent} % of the requests are answered by the newer revision",
        ", counted again ".join(told) or "no data",
        f"{bounds.low} to {bounds.high} ({confidence * 100:g} % of all draws)",
        held=total > 0 and last[CANDIDATE] in bounds and set(last) <= {STABLE, CANDIDATE},
    )


def draw(began: float, requests: Sequence[Request], phases: Sequence[Phase]) -> tuple[list[Panel], list[Band], float]:
    """Split, load and latency over time."""
    seconds = max((request.ended for request in requests), default=began + 1) - began
    ends = [phase.asked for phase in phases[1:]] + [began + seconds]
    asked: list[tuple[float, float | None]] = [(0.0, 0.0)]
    asked += [(phase.in_force - began, float(phase.percent)) for phase in phases]
    asked.append((seconds, asked[-1][1]))
    panels = [
        Panel(
            "Share of the newer revision (%)",
            [Curve("answered", split(began, requests, seconds), "dots"), Curve("asked for", asked, "dashed")],
            high=100,
        ),
        load_panel(requests, began, seconds),
        latency_panel(requests, began, seconds),
    ]
    bands = [
        Band(phase.asked - began, end - began, f"{phase.percent} %") for phase, end in zip(phases, ends, strict=True)
    ]
    return panels, bands, seconds


def split(began: float, requests: Sequence[Request], seconds: float) -> list[tuple[float, float | None]]:
    """Share of the newer revision in percent, step by step."""
    step_s = step_of(seconds)
    held: list[tuple[float, float | None]] = []
    for place in range(int(seconds / step_s)):
        counted = answers(between(requests, began + place * step_s, began + (place + 1) * step_s))
        share = 100 * counted[CANDIDATE] / counted.total() if counted.total() else None
        held.append(((place + 0.5) * step_s, share))
    return held
