"""`up` of a whole new yard against its slowest service alone: do the others cost time beside it?"""

from __future__ import annotations

import statistics
from collections import defaultdict

from loadtests.benchmarks.figures import Figure, ratio_of_rounds
from loadtests.benchmarks.yards import some_services, time_whole_yard, with_needs

ROUNDS = 3
AIM = 1.25
CANDIDATES = 2
"""So many services that were ready last are timed alone; the slowest of them is the measure."""


def measure() -> Figure:
    """Each round brings up a whole yard, then each candidate with what it needs; all on empty folders."""
    whole: list[float] = []
    alone: dict[str, list[float]] = defaultdict(list)
    candidates: list[str] = []
    for _ in range(ROUNDS):
        took_s, ready_s = time_whole_yard()
        whole.append(took_s)
        candidates = candidates or sorted(ready_s, key=lambda name: ready_s[name])[-CANDIDATES:]
        for name in candidates:
            with some_services(with_needs(name)) as (_, seconds):
                alone[name].append(seconds)
    slowest = max(candidates, key=lambda name: statistics.median(alone[name]))
    return Figure(
        name="up",
        about=f"up of a new yard / {slowest} alone",
        value=ratio_of_rounds(whole, alone[slowest]),
        unit="x",
        aim=AIM,
        at_most=True,
        rounds={"whole yard, s": whole, **{f"{name} alone, s": alone[name] for name in candidates}},
    )
