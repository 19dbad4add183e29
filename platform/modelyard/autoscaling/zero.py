"""The bounds of a scale, and the way to zero and back, as a state machine.

A revision is activating (too few replicas ready), active, or inactive (nothing to do, about to be or already at zero).
Source: knative/serving pkg/reconciler/autoscaling/kpa/{scaler,kpa}.go.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from modelyard.autoscaling.spec import UNLIMITED, ScalingSpec

UNKNOWN = -1
ACTIVATION_BUFFER_S = 30.0  # beyond the progress deadline, so that the reason of a failed start is told first


class Activity(StrEnum):
    """The condition Active of a PodAutoscaler: Unknown, True, False."""

    ACTIVATING = "activating"
    ACTIVE = "active"
    INACTIVE = "inactive"


QUEUED = "Queued"
NO_TRAFFIC = "NoTraffic"
TIMED_OUT = "TimedOut"
MESSAGES = {
    "": "",
    QUEUED: "Requests to the target are being buffered as resources are provisioned.",
    NO_TRAFFIC: "The target is not receiving traffic.",
    TIMED_OUT: "The target could not be activated.",
}


@dataclass(frozen=True)
class ScaleState:
    """Where the machine stands.

    `scale` is how many replicas are asked for, `since` the monotonic second at which `activity` began, `initialized`
    whether the initial scale was reached once. `reason` is upstream's reason of the condition Active.
    """

    scale: int
    activity: Activity = Activity.ACTIVATING
    since: float = 0.0
    initialized: bool = False
    reason: str = QUEUED

    def has_been(self, activity: Activity, now: float) -> float:
        """Seconds in that activity, -1 when it is another one."""
        return now - self.since if self.activity is activity else -1.0


@dataclass(frozen=True)
class Step:
    """`want` is what is wanted (-1: unknown), which may not be done yet; `state.scale` is what to do now."""

    want: int
    state: ScaleState


def apply_bounds(low: int, high: int, wanted: int) -> int:
    """Within [low, high]; a high of 0 is no bound."""
    raised = max(low, wanted)
    return raised if high == UNLIMITED or wanted < low else min(raised, high)


def step(
    spec: ScalingSpec,
    state: ScaleState,
    decided: int,
    *,
    ready: int,
    reachable: bool,
    proxied_for_s: float | None,
    now: float,
) -> Step:
    """One round.

    Args:
        spec: of the revision.
        state: of the round before.
        decided: what the load asks for, -1 while nothing is known.
        ready: replicas that can answer.
        reachable: a route sends requests to the revision. One that is not has no minimum and is not kept.
        proxied_for_s: for how long requests without a replica have gone to the activator, None while they do not:
            the last replica only goes when they do.
        now: monotonic seconds.
    """
    if decided < 0 and state.activity is not Activity.ACTIVATING:
        want, scale = UNKNOWN, state.scale
    else:
        low, high = bounds(spec, reachable=reachable, initialized=state.initialized)
        bounded = apply_bounds(low, high, decided)
        asked = decide_zero(spec, state, bounded, reachable=reachable, proxied_for_s=proxied_for_s, now=now)
        want = 0 if asked is None else asked
        scale = state.scale if asked is None or asked == UNKNOWN else asked
    least = ready_at_least(spec, reachable=reachable, initialized=state.initialized)
    return Step(want, _next_activity(replace(state, scale=scale), want, ready=ready, least=least, now=now))


def bounds(spec: ScalingSpec, *, reachable: bool, initialized: bool) -> tuple[int, int]:
    """The least and the most replicas; the initial scale is a minimum until it was reached."""
    low = spec.min_scale if reachable else 0
    if spec.initial_scale > 1 and not initialized and reachable:
        low = max(low, spec.initial_scale)
    return low, spec.max_scale


def decide_zero(
    spec: ScalingSpec,
    state: ScaleState,
    wanted: int,
    *,
    reachable: bool,
    proxied_for_s: float | None,
    now: float,
) -> int | None:
    """What to scale to; -1: leave it, nothing is known; None: leave it, but it shall be zero."""
    if wanted != 0:
        return wanted
    if not spec.enable_scale_to_zero:
        return 1
    if state.activity is Activity.ACTIVATING:
        stuck = state.has_been(Activity.ACTIVATING, now) > spec.progress_deadline_s + ACTIVATION_BUFFER_S
        return 0 if stuck else UNKNOWN
    if state.activity is Activity.ACTIVE:
        return None if state.has_been(Activity.ACTIVE, now) >= spec.stable_window_s else 1
    return 0 if _may_go(spec, state, reachable=reachable, proxied_for_s=proxied_for_s, now=now) else None


def _may_go(spec: ScalingSpec, state: ScaleState, *, reachable: bool, proxied_for_s: float | None, now: float) -> bool:
    """The last replica may go: the activator has been in the path for the grace period and the retention is over."""
    if proxied_for_s is None and spec.target_burst_capacity != -1:
        return False
    retention_s = spec.retention_s if reachable else 0.0
    inactive_s = state.has_been(Activity.INACTIVE, now)
    if inactive_s >= max(spec.grace_s, retention_s):
        return True
    return inactive_s >= retention_s and (proxied_for_s or 0.0) >= spec.grace_s


def ready_at_least(spec: ScalingSpec, *, reachable: bool, initialized: bool) -> int:
    """How many replicas must be ready for the revision to count as active."""
    low = spec.min_scale if reachable else 0
    return max(low, 1 if initialized else spec.initial_scale)


def _next_activity(state: ScaleState, want: int, *, ready: int, least: int, now: float) -> ScaleState:
    state = replace(state, initialized=state.initialized or ready >= least)
    if want == 0 or least == 0:
        # asked to go to zero while activating: only a start that timed out comes here
        timed_out = state.activity is Activity.ACTIVATING and least > 0
        reason = TIMED_OUT if timed_out or _still_timed_out(state) else NO_TRAFFIC
        return _move(state, Activity.INACTIVE, reason, now)
    if state.activity is Activity.INACTIVE and want < 0:
        return state
    if ready < least:
        return _move(state, Activity.ACTIVATING, QUEUED, now)
    return _move(state, Activity.ACTIVE, "", now)


def _still_timed_out(state: ScaleState) -> bool:
    return state.activity is Activity.INACTIVE and state.reason == TIMED_OUT


def _move(state: ScaleState, activity: Activity, reason: str, now: float) -> ScaleState:
    since = state.since if state.activity is activity else now
    return replace(state, activity=activity, since=since, reason=reason)
