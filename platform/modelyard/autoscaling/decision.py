"""How many replicas the observed load asks for: stable, panic, the delay of a decrease and the capacity for a burst.

Source: knative/serving pkg/autoscaler/scaling/autoscaler.go.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from modelyard.autoscaling.spec import ScalingSpec
from modelyard.autoscaling.windows import LargestOf

TICK_S = 2.0  # how often a decision is made; also the grain of the delay


@dataclass(frozen=True)
class DecisionState:
    """What one decision hands to the next: since when there is panic (monotonic seconds, None: none), its maximum."""

    panic_since: float | None = None
    most_in_panic: int = 0
    delayed: LargestOf = field(default_factory=LargestOf)


@dataclass(frozen=True)
class Decision:
    """`desired` is None where there is no data: nothing is to change then. `state` is for the next call."""

    desired: int | None
    excess_burst_capacity: int
    panicking: bool
    state: DecisionState


def start_state(ready: int, now: float) -> DecisionState:
    """The state of an autoscaler that begins beside `ready` replicas.

    With more than one it begins in panic, so that a restart, which forgets the averages, takes no replica away.
    """
    return DecisionState(panic_since=now if ready > 1 else None, most_in_panic=ready)


def decide_scale(
    spec: ScalingSpec,
    state: DecisionState,
    *,
    ready: int,
    stable: float | None,
    panic: float | None,
    reachable: bool,
    now: float,
) -> Decision:
    """The replicas that the load asks for, before the bounds of the spec.

    Args:
        spec: of the revision.
        state: of the decision before.
        ready: replicas that can answer.
        stable: average of the metric over the stable window, all replicas and the activator together; None: no data.
        panic: the same over the panic window.
        reachable: a route sends requests to the revision.
        now: monotonic seconds.
    """
    if stable is None or panic is None:
        return Decision(None, start_capacity(spec, ready), state.panic_since is not None, state)
    counted = max(1, ready)
    over = math.ceil(panic / spec.target) / counted >= spec.panic_threshold
    state = _next_panic(spec, state, over=over, now=now)
    desired = _wanted(spec, stable, counted, reachable=reachable)
    if state.panic_since is not None:
        desired = max(desired, _wanted(spec, panic, counted, reachable=reachable), state.most_in_panic)
        state = replace(state, most_in_panic=desired)
    if reachable and spec.scale_down_delay_s > 0:
        delayed = state.delayed.record(now, desired, window_s=spec.scale_down_delay_s, slot_s=TICK_S)
        state = replace(state, delayed=delayed)
        desired = delayed.largest()
    return Decision(desired, excess_burst_capacity(spec, ready, panic), state.panic_since is not None, state)


def _wanted(spec: ScalingSpec, observed: float, counted: int, *, reachable: bool) -> int:
    """Replicas for one average, no faster up or down than the rates allow."""
    raw = math.ceil(observed / spec.target)
    most = math.ceil(spec.max_up * counted)  # rounded up, or 1.1 x 2 would never become 3
    least = math.floor(counted / spec.max_down) if reachable else 0
    wanted = min(max(raw, least), most)
    if spec.activation_scale > 1 and raw > 0:
        wanted = max(wanted, spec.activation_scale)
    return wanted


def _next_panic(spec: ScalingSpec, state: DecisionState, *, over: bool, now: float) -> DecisionState:
    if over:
        return replace(state, panic_since=now)
    if state.panic_since is not None and state.panic_since + spec.stable_window_s < now:
        return replace(state, panic_since=None, most_in_panic=0)  # by now the stable average knows the surge
    return state


def excess_burst_capacity(spec: ScalingSpec, ready: int, panic: float) -> int:
    """What the ready replicas could take beyond the present load and the target burst; negative: not enough."""
    if spec.target_burst_capacity <= 0:
        return int(spec.target_burst_capacity)
    return math.floor(ready * spec.total_target - spec.target_burst_capacity - panic)


def start_capacity(spec: ScalingSpec, ready: int) -> int:
    """The same while nothing was observed: of the replicas that are ready, or that the revision begins with."""
    return excess_burst_capacity(spec, ready or spec.initial_scale, 0.0)
