"""Bounds and the way to zero; cases: knative/serving pkg/reconciler/autoscaling/kpa/{scaler,kpa}_test.go."""

import pytest

from modelyard.autoscaling.spec import ScalingSpec
from modelyard.autoscaling.zero import (
    NO_TRAFFIC,
    QUEUED,
    TIMED_OUT,
    UNKNOWN,
    Activity,
    ScaleState,
    apply_bounds,
    step,
)

NOW = 10_000.0
STABLE_S, GRACE_S, DEADLINE_S = 300, 60, 600
SPEC = {"stable_window_s": STABLE_S, "grace_s": GRACE_S, "progress_deadline_s": DEADLINE_S}
ACTIVE, INACTIVE, ACTIVATING = Activity.ACTIVE, Activity.INACTIVE, Activity.ACTIVATING

CASES = [
    # name, scale before, decided, activity, seconds in it, spec, world, wanted, scale after
    ("just before the stable window", 1, 0, ACTIVE, STABLE_S - 1, {}, {}, 1, 1),
    ("just before a window of its own", 1, 0, ACTIVE, 59, {"stable_window_s": 60}, {}, 1, 1),
    ("beyond a window of its own", 1, 0, ACTIVE, STABLE_S, {"stable_window_s": 60}, {}, 0, 1),
    ("to one while the window is not over", 10, 0, ACTIVE, STABLE_S - 1, {}, {}, 1, 1),
    ("after the window it is idle but not gone", 1, 0, ACTIVE, STABLE_S, {}, {}, 0, 1),
    ("after the grace period", 1, 0, INACTIVE, GRACE_S, {}, {}, 0, 0),
    ("within the retention", 1, 0, INACTIVE, GRACE_S, {"retention_s": 2 * GRACE_S}, {}, 0, 1),
    ("after grace and retention", 1, 0, INACTIVE, GRACE_S, {"retention_s": GRACE_S}, {}, 0, 0),
    ("just before the grace period", 1, 0, INACTIVE, GRACE_S - 1, {}, {}, 0, 1),
    ("the activator short in the path", 1, 0, INACTIVE, GRACE_S - 1, {}, {"proxied_for_s": GRACE_S - 1}, 0, 1),
    ("the activator long in the path", 1, 0, INACTIVE, GRACE_S - 1, {}, {"proxied_for_s": GRACE_S}, 0, 0),
    (
        "the activator long in the path and the retention over",
        1,
        0,
        INACTIVE,
        GRACE_S - 1,
        {"retention_s": 42},
        {"proxied_for_s": GRACE_S},
        0,
        0,
    ),
    ("no activator in the path", 1, 0, INACTIVE, GRACE_S, {}, {"proxied_for_s": None}, 0, 1),
    (
        "an unlimited burst capacity has it there",
        1,
        0,
        INACTIVE,
        GRACE_S,
        {"target_burst_capacity": -1},
        {"proxied_for_s": None},
        0,
        0,
    ),
    ("activating, and the deadline is not over", 1, 0, ACTIVATING, 315, {}, {}, UNKNOWN, 1),
    ("activating beyond the deadline", 1, 0, ACTIVATING, DEADLINE_S + 31, {}, {}, 0, 0),
    ("activating at the very deadline", 1, 0, ACTIVATING, DEADLINE_S + 30, {}, {}, UNKNOWN, 1),
    ("activating beyond a deadline of its own", 1, 0, ACTIVATING, 36, {"progress_deadline_s": 5}, {}, 0, 0),
    ("not below the minimum, idle or not", 10, 0, INACTIVE, GRACE_S, {"min_scale": 2}, {}, 2, 2),
    ("no minimum without a route", 10, 0, INACTIVE, GRACE_S, {"min_scale": 2}, {"reachable": False}, 0, 0),
    (
        "no retention without a route",
        1,
        0,
        INACTIVE,
        GRACE_S,
        {"retention_s": 10 * GRACE_S},
        {"reachable": False},
        0,
        0,
    ),
    (
        "but the grace period even then",
        1,
        0,
        INACTIVE,
        GRACE_S - 1,
        {"retention_s": 10 * GRACE_S},
        {"reachable": False},
        0,
        1,
    ),
    ("up", 1, 10, ACTIVE, 0, {}, {}, 10, 10),
    ("up to the maximum", 1, 10, ACTIVE, 0, {"max_scale": 8}, {}, 8, 8),
    ("up while idle", 1, 10, INACTIVE, GRACE_S / 2, {}, {}, 10, 10),
    ("nothing known at zero", 0, UNKNOWN, INACTIVE, 0, {}, {}, UNKNOWN, 0),
    ("nothing known at twelve", 12, UNKNOWN, ACTIVE, 0, {}, {}, UNKNOWN, 12),
    ("from zero to one", 0, 1, INACTIVE, 0, {}, {}, 1, 1),
    ("from zero to ten", 0, 10, INACTIVE, 0, {}, {}, 10, 10),
    ("initial scale was reached", 2, 0, ACTIVE, 120, {"initial_scale": 2}, {"initialized": True}, 1, 1),
    ("initial scale is not reached", 0, 1, ACTIVATING, 0, {"initial_scale": 2}, {"initialized": False}, 2, 2),
    ("initial scale, nothing known", 5, UNKNOWN, ACTIVATING, 0, {"initial_scale": 5}, {"initialized": False}, 5, 5),
    (
        "no initial scale without a route",
        2,
        0,
        ACTIVE,
        120,
        {"initial_scale": 2},
        {"reachable": False, "initialized": False},
        1,
        1,
    ),
    ("scale to zero forbidden", 10, 0, ACTIVE, 0, {"enable_scale_to_zero": False}, {}, 1, 1),
    ("forbidden, with a minimum", 10, 0, ACTIVE, 0, {"enable_scale_to_zero": False, "min_scale": 2}, {}, 2, 2),
    ("forbidden, nothing known", 10, UNKNOWN, ACTIVE, 0, {"enable_scale_to_zero": False}, {}, UNKNOWN, 10),
]


def taken(before: int, decided: int, activity: Activity, for_s: float, changes: dict, world: dict, ready: int = 1):
    initialized = world.get("initialized", True)
    return step(
        ScalingSpec(**{**SPEC, **changes}),
        ScaleState(before, activity, NOW - for_s, initialized, "" if activity is ACTIVE else NO_TRAFFIC),
        decided,
        ready=ready,
        reachable=world.get("reachable", True),
        proxied_for_s=world.get("proxied_for_s", 0.0),
        now=NOW,
    )


@pytest.mark.parametrize(
    ("before", "decided", "activity", "for_s", "changes", "world", "want", "scale"),
    [pytest.param(*case, id=name) for name, *case in CASES],
)
def test_a_step_is_upstreams(before, decided, activity, for_s, changes, world, want, scale):
    result = taken(before, decided, activity, for_s, changes, world)
    assert (result.want, result.state.scale) == (want, scale)


UPSTREAMS_TABLE = [
    # decided, ready, minimum, activity before, after: kpa.go, computeActiveCondition
    (0, 0, 0, ACTIVE, INACTIVE),
    (0, 1, 0, INACTIVE, INACTIVE),
    (1, 0, 0, INACTIVE, ACTIVATING),
    (1, 0, 0, ACTIVE, ACTIVATING),
    (1, 1, 0, INACTIVE, ACTIVE),
    (1, 1, 0, ACTIVATING, ACTIVE),
    (3, 1, 2, ACTIVE, ACTIVATING),
    (3, 2, 2, ACTIVATING, ACTIVE),
    (UNKNOWN, 0, 0, INACTIVE, INACTIVE),
    (UNKNOWN, 0, 0, ACTIVATING, ACTIVATING),
    (UNKNOWN, 0, 0, ACTIVE, ACTIVATING),
    (UNKNOWN, 1, 0, INACTIVE, INACTIVE),
    (UNKNOWN, 2, 2, ACTIVATING, ACTIVE),
    (UNKNOWN, 2, 2, ACTIVE, ACTIVE),
]


@pytest.mark.parametrize(("decided", "ready", "minimum", "before", "after"), UPSTREAMS_TABLE)
def test_whether_a_revision_is_active_is_upstreams_table(decided, ready, minimum, before, after):
    result = taken(1, decided, before, STABLE_S, {"min_scale": minimum}, {}, ready)
    assert result.state.activity is after


def test_an_initial_scale_of_zero_begins_asleep():
    result = taken(0, UNKNOWN, ACTIVATING, 0, {"initial_scale": 0}, {"initialized": False}, ready=0)
    assert (result.state.activity, result.state.reason, result.state.scale) == (INACTIVE, NO_TRAFFIC, 0)
    again = step(
        ScalingSpec(initial_scale=0), result.state, UNKNOWN, ready=0, reachable=True, proxied_for_s=0.0, now=NOW + 2
    )
    assert again.state.activity is INACTIVE


def test_a_start_that_never_succeeds_is_told_as_timed_out_and_stays_so_until_the_next_request():
    gone = taken(1, 0, ACTIVATING, DEADLINE_S + 31, {}, {}, ready=0)
    assert (gone.state.activity, gone.state.reason) == (INACTIVE, TIMED_OUT)
    spec = ScalingSpec(**SPEC)
    later = step(spec, gone.state, 0, ready=0, reachable=True, proxied_for_s=0.0, now=NOW + 2)
    assert (later.state.reason, later.state.scale) == (TIMED_OUT, 0)
    woken = step(spec, later.state, 1, ready=0, reachable=True, proxied_for_s=0.0, now=NOW + 4)
    assert (woken.state.activity, woken.state.reason, woken.state.scale) == (ACTIVATING, QUEUED, 1)


def test_the_time_of_an_activity_begins_with_its_first_step_only():
    first = taken(1, 1, INACTIVE, 50, {}, {})
    assert first.state.since == NOW
    second = step(ScalingSpec(**SPEC), first.state, 1, ready=1, reachable=True, proxied_for_s=None, now=NOW + 7)
    assert second.state.since == NOW
    assert second.state.has_been(ACTIVE, NOW + 7) == 7
    assert second.state.has_been(INACTIVE, NOW + 7) == -1


@pytest.mark.parametrize(
    ("low", "high", "wanted", "bounded"), [(0, 0, 5, 5), (2, 0, 1, 2), (0, 3, 5, 3), (2, 3, -1, 2), (5, 3, 1, 5)]
)
def test_bounds(low, high, wanted, bounded):
    assert apply_bounds(low, high, wanted) == bounded
