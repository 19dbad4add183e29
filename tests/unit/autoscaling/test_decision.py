"""Decisions from averages; the cases are those of knative/serving pkg/autoscaler/scaling/autoscaler_test.go."""

import math
from dataclasses import replace

import pytest

from modelyard.autoscaling.decision import DecisionState, decide_scale, start_state
from modelyard.autoscaling.spec import ScalingSpec

UTILIZATION = 0.75  # upstream's tests: the total is the target / 0.75
NOW = 5000.0


def spec_of(target: float, burst: float, **changes: float) -> ScalingSpec:
    made = ScalingSpec(
        total_target=target / UTILIZATION,
        target_utilization=UTILIZATION,
        target_burst_capacity=burst,
        max_up=10,
        max_down=10,
        panic_threshold=2,
        stable_window_s=60,
        enable_scale_to_zero=True,
    )
    return replace(made, **changes)


PANICKING = DecisionState(panic_since=NOW - 5, most_in_panic=5)
CALM = DecisionState()
CASES = [
    # name, target, burst, ready, stable, panic, changes, state, desired
    ("no load", 10, 100, 1, 0, 0, {}, CALM, 0),
    ("unlimited burst capacity", 181, -1, 1, 21, 26, {}, CALM, 1),
    ("no burst capacity", 10, 0, 1, 50, 49, {}, CALM, 5),
    ("steady load", 10, 100, 1, 50, 50, {}, CALM, 5),
    ("already scaled", 10, 100, 5, 50, 50, {}, CALM, 5),
    ("stable increase", 10, 101, 1, 50, 10, {}, CALM, 5),
    ("stable increase doubled", 10, 101, 1, 100, 10, {}, CALM, 10),
    ("stable decrease", 10, 98, 8, 50, 50, {}, CALM, 5),
    ("panic with a larger stable average", 1, 100, 5, 50, 30, {}, PANICKING, 50),
    ("panic with a smaller stable average", 1, 100, 5, 20, 30, {}, PANICKING, 30),
    ("small rate up still lets one more", 1, 1982, 2, 3, 3.1, {"max_up": 1.1}, CALM, 3),
    ("small rate down", 10, 1982, 100, 1, 1, {"max_down": 1.1}, CALM, 90),
    ("panic doubles", 10, 84, 1, 50, 100, {}, CALM, 10),
    ("no traffic", 10, 75, 1, 0, 0, {}, CALM, 0),
    ("last request of the window", 10, 75, 1, 1, 0, {}, CALM, 1),
    ("activation scale, no load", 10, 75, 1, 0, 0, {"activation_scale": 2}, CALM, 0),
    ("activation scale, first load", 10, 75, 1, 1, 0, {"activation_scale": 2}, CALM, 2),
    ("activation scale of one is off", 10, 75, 1, 1, 0, {"activation_scale": 1}, CALM, 1),
    ("rate limit up", 10, 61, 1, 1000, 1001, {}, CALM, 10),
    ("rate limit up again", 10, 61, 10, 1000, 1001, {}, CALM, 100),
    ("rate limit down", 10, 61, 100, 1, 1, {}, CALM, 10),
    ("rate limit down again", 10, 61, 10, 1, 1, {}, CALM, 1),
    ("none ready counts as one", 10, 81, 0, 1000, 888, {}, CALM, 10),
]


def expected_capacity(target: float, burst: float, ready: int, panic: float) -> int:
    if burst <= 0:
        return int(burst)
    return math.floor(target / UTILIZATION * ready - burst - panic)


@pytest.mark.parametrize(
    ("target", "burst", "ready", "stable", "panic", "changes", "state", "desired"),
    [pytest.param(*case, id=name) for name, *case in CASES],
)
def test_a_decision_is_upstreams(target, burst, ready, stable, panic, changes, state, desired):
    decision = decide_scale(
        spec_of(target, burst, **changes), state, ready=ready, stable=stable, panic=panic, reachable=True, now=NOW
    )
    assert decision.desired == desired
    assert decision.excess_burst_capacity == expected_capacity(target, burst, ready, panic)


def test_a_revision_that_no_route_names_falls_as_fast_as_it_can():
    spec = spec_of(10, 1982, max_down=1.1)
    decision = decide_scale(spec, CALM, ready=100, stable=1, panic=1, reachable=False, now=NOW)
    assert (decision.desired, decision.excess_burst_capacity) == (1, expected_capacity(10, 1982, 100, 1))


def test_no_data_decides_nothing_and_forgets_nothing():
    decision = decide_scale(spec_of(10, 100), PANICKING, ready=1, stable=None, panic=None, reachable=True, now=NOW)
    assert decision.desired is None
    assert decision.state == PANICKING
    assert decision.panicking


class Told:
    """One revision that is told averages at times, as upstream's tests do it."""

    def __init__(self, spec: ScalingSpec, ready_at_start: int = 1) -> None:
        self.spec, self.state, self.reachable = spec, start_state(ready_at_start, NOW), True

    def scale(self, after_s: float, ready: int, stable: float, panic: float) -> int | None:
        decision = decide_scale(
            self.spec,
            self.state,
            ready=ready,
            stable=stable,
            panic=panic,
            reachable=self.reachable,
            now=NOW + after_s,
        )
        self.state = decision.state
        return decision.desired


def test_panic_ends_one_stable_window_after_the_surge_and_keeps_its_maximum_until_then():
    told = Told(spec_of(10, 93))
    assert told.scale(0, 1, 100, 100) == 10
    assert told.scale(0, 10, 100, 1000) == 100
    assert told.scale(30, 10, 1, 1) == 100
    assert told.scale(60, 10, 1, 1) == 100
    assert told.scale(61, 10, 1, 1) == 1


def test_panic_ends_although_the_load_rises_slowly():
    told = Told(spec_of(1, 98), ready_at_start=0)
    assert told.scale(0, 10, 11, 25) == 25
    assert told.state.panic_since == NOW
    assert told.scale(30, 40, 30, 41) == 41
    assert told.state.panic_since == NOW
    assert told.scale(62, 55, 50, 56) == 50
    assert told.state.panic_since is None


def test_a_surge_that_goes_on_prolongs_the_panic():
    told = Told(spec_of(1, 98), ready_at_start=0)
    assert told.scale(0, 10, 11, 25) == 25
    assert told.scale(30, 40, 30, 80) == 80
    assert told.state.panic_since == NOW + 30


def test_an_exponential_load_is_followed_and_then_held():
    told = Told(spec_of(1, 101))
    seen = [
        told.scale(after_s, ready, load, load)
        for after_s, ready, load in [(0, 1, 6), (0, 6, 36), (1, 36, 216), (1, 216, 1296), (2, 1296, 1296)]
    ]
    assert seen == [6, 36, 216, 1296, 1296]


def test_an_autoscaler_that_begins_beside_replicas_takes_none_away_for_a_stable_window():
    told = Told(spec_of(10, 100), ready_at_start=7)
    assert told.scale(1, 7, 0, 0) == 7
    assert told.scale(60, 7, 0, 0) == 7
    assert told.scale(60.5, 7, 0, 0) == 0


def test_one_replica_at_the_start_is_no_panic():
    assert start_state(1, NOW).panic_since is None
    assert start_state(2, NOW).panic_since == NOW


def test_a_decrease_waits_for_the_delay_and_an_increase_does_not():
    told = Told(spec_of(10, 0, scale_down_delay_s=300, panic_threshold=100), ready_at_start=0)
    assert told.scale(2, 0, 40, 40) == 4
    assert told.scale(300, 4, 0, 0) == 4
    assert told.scale(302, 4, 0, 0) == 0
    assert told.scale(303, 4, 50, 50) == 5


def test_the_delay_does_not_hold_a_revision_that_no_route_names():
    told = Told(spec_of(10, 0, scale_down_delay_s=300, panic_threshold=100), ready_at_start=0)
    assert told.scale(2, 0, 40, 40) == 4
    assert told.scale(60, 0, 0, 0) == 4
    told.reachable = False
    assert told.scale(62, 0, 0, 0) == 0


def test_a_delay_of_zero_follows_within_the_same_tick():
    told = Told(spec_of(10, 0, panic_threshold=100), ready_at_start=0)
    assert told.scale(0, 0, 40, 40) == 4
    assert told.scale(0.5, 0, 20, 20) == 2


def test_a_new_target_counts_from_the_next_decision():
    told = Told(spec_of(10, 77))
    assert told.scale(0, 1, 100, 101) == 10
    told.spec = spec_of(1, 71)
    assert told.scale(0, 10, 100, 101) == 100
