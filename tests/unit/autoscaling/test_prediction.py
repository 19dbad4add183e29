"""What a load test holds the autoscaler to: the same arithmetic in a simple world."""

from dataclasses import replace

import pytest

from modelyard.autoscaling.prediction import predict, value_at
from modelyard.autoscaling.spec import ScalingSpec

SPEC = ScalingSpec(total_target=4, target_utilization=1.0, stable_window_s=6, panic_window_s=1, grace_s=6, max_scale=5)


def scales(load, **changes) -> dict[float, tuple[int, int]]:
    spec = replace(SPEC, **{name: changes.pop(name) for name in list(changes) if hasattr(SPEC, name)})
    return {at: (desired, ready) for at, desired, ready in predict(spec, load, start_latency_s=1.5, **changes)}


def test_a_sleeping_revision_wakes_with_the_first_request_and_sleeps_again():
    told = scales([(0, 0), (5, 2), (25, 0), (60, 0)])
    assert told[4] == (0, 0)
    assert told[5] == (1, 0)
    assert told[6] == (1, 0)
    assert told[7] == (1, 1)
    # one stable window until the average is zero, and the tick after which it may go
    asleep = next(at for at in range(25, 61) if told[at][0] == 0)
    assert 25 + 6 <= asleep <= 25 + 6 + 4


def test_a_step_of_load_asks_for_load_over_target_within_a_tick_of_the_panic_window():
    told = scales([(0, 3), (20, 16), (60, 16)], min_scale=1)
    assert told[20][0] == 1
    assert told[22][0] == 4
    assert told[24] == (4, 4)
    assert told[60] == (4, 4)


def test_the_maximum_and_the_minimum_hold():
    told = scales([(0, 1), (20, 400), (40, 0), (80, 0)], min_scale=2)
    assert {desired for desired, _ in told.values()} == {2, 5}
    assert told[80] == (2, 2)


def test_replicas_that_are_not_needed_leave_when_the_stable_average_has_fallen():
    told = scales([(0, 16), (30, 1), (60, 1)], min_scale=1)
    assert told[30][0] == 4
    assert told[42][0] == 1


def test_requests_per_second_are_a_load_too():
    told = scales([(0, 0), (4, 30), (40, 30)], metric="rps", total_target=10.0)
    assert told[40] == (3, 3)


def test_replicas_before_the_load_count_as_ready():
    assert scales([(0, 8), (1, 8)], ready_at_start=2)[0] == (2, 2)


@pytest.mark.parametrize(("at", "value"), [(-1, 0), (0, 1), (1.9, 1), (2, 5), (100, 5)])
def test_a_value_holds_until_the_next(at, value):
    assert value_at([(0, 1), (2, 5)], at) == value


def test_no_load_predicts_nothing():
    assert predict(SPEC, [], start_latency_s=1) == []
