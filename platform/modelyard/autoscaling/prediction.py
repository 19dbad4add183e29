"""What the autoscaler would do under a load that is known beforehand: the yardstick of a load test.

It is the autoscaler itself that answers, with a simple world around it: a replica is ready a fixed time after it was
asked for and gone at once, and what is asked of the revision does not depend on how many replicas it has.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from operator import itemgetter

from modelyard.autoscaling.decision import TICK_S
from modelyard.autoscaling.revision import RevisionScaler
from modelyard.autoscaling.spec import ScalingSpec

Point = tuple[float, float]
Predicted = tuple[float, int, int]


def predict(
    spec: ScalingSpec, load: Sequence[Point], *, start_latency_s: float, ready_at_start: int | None = None
) -> list[Predicted]:
    """The scale in every second of the load.

    Args:
        spec: of the revision.
        load: (t_s, value of the metric: requests in flight or requests/s, of all replicas together), ascending; a value
            holds until the next entry, the last entry only ends the load.
        start_latency_s: from asking for a replica until it can answer.
        ready_at_start: replicas before the load; left out, those of the spec's minimum. 0: the revision sleeps.

    Returns:
        (t_s, replicas asked for, replicas ready), one for each second from the first entry to the last.
    """
    if not load:
        return []
    world = _World(max(0, spec.min_scale) if ready_at_start is None else ready_at_start)
    begin = load[0][0]
    scaler = RevisionScaler(spec, ready_at_start=world.asked, now=begin, scale_at_start=world.asked)
    told: list[Predicted] = []
    for passed_s in range(math.floor(load[-1][0] - begin) + 1):
        now = begin + passed_s
        was, value = value_at(load, now - 1), value_at(load, now)
        if was > 0 or world.ready(now) > 0:
            scaler.record(now, concurrency=was, rps=was)
        met_nobody = value > 0 and world.asked == 0
        if met_nobody:
            scaler.poke(now)
        if met_nobody or passed_s % TICK_S == 0:
            outcome = scaler.tick(now, ready=world.ready(now), activator_in_path=True)
            world.ask(outcome.desired, now + start_latency_s)
        told.append((now, world.asked, world.ready(now)))
    return told


def value_at(load: Sequence[Point], now: float) -> float:
    """The value that holds at `now`; 0 before the first entry."""
    held = bisect_right(load, now, key=itemgetter(0))
    return load[held - 1][1] if held else 0.0


class _World:
    """The replicas: the second from which each can answer, oldest first."""

    def __init__(self, ready: int) -> None:
        self._ready_from = [-math.inf] * ready

    @property
    def asked(self) -> int:
        return len(self._ready_from)

    def ready(self, now: float) -> int:
        return sum(at <= now for at in self._ready_from)

    def ask(self, scale: int, ready_from: float) -> None:
        del self._ready_from[scale:]
        self._ready_from += [ready_from] * (scale - self.asked)
