"""Averages from cumulative figures."""

import pytest

from modelyard.serving.scaling.stats import Load, Stat, load_between, stat_from, total_load

TOLD = {
    "monotonic_s": 10.0,
    "concurrency_s": 100.0,
    "proxied_concurrency_s": 40.0,
    "requests": 7,
    "proxied_requests": 2,
    "active": 3,
    "queued": 1,
}


def test_averages_between_two_readings_are_those_of_the_time_between_whatever_its_length():
    before = stat_from(TOLD)
    # 2.5 s with four in flight, one of them by the activator; five requests came, one of them by it
    after = Stat(12.5, 110.0, 42.5, 12, 3, 4, 0)
    assert load_between(before, after) == Load(concurrency=4.0, proxied_concurrency=1.0, rps=2.0, proxied_rps=0.4)
    assert before.in_flight == 4


def test_two_readings_at_one_time_say_nothing():
    assert load_between(stat_from(TOLD), stat_from(TOLD)) is None


def test_replicas_that_did_not_answer_are_taken_for_the_average_of_those_that_did():
    loads = [Load(1.0, 0.0, 10.0, 0.0), Load(3.0, 1.0, 30.0, 10.0)]
    assert total_load(loads, 4) == Load(8.0, 2.0, 80.0, 20.0)
    assert total_load([], 4) is None


@pytest.mark.parametrize("told", [{}, {**TOLD, "active": None}, {**TOLD, "requests": "many"}])
def test_an_answer_that_is_none_is_told_apart(told):
    with pytest.raises((LookupError, TypeError, ValueError)):
        stat_from(told)
