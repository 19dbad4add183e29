"""Averages over windows; the cases are those of knative/serving pkg/autoscaler/aggregation/*_test.go."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.autoscaling.windows import Buckets, LargestOf, WeightedBuckets, smoothing_coefficient

START = 1000.0


def filled(window_s: int, values: list[float], kind: type[Buckets] = Buckets) -> Buckets:
    buckets = kind(window_s)
    for second, value in enumerate(values):
        buckets.record(START + second, value)
    return buckets


def test_the_first_second_is_not_averaged_over_seconds_that_nobody_knows():
    assert filled(5, [1]).average(START) == 1


def test_a_full_window_is_averaged_whole_and_a_reader_that_lags_behind_sees_the_same():
    buckets = filled(5, [1, 2, 3, 4, 5])
    assert buckets.average(START + 4) == 3
    assert buckets.average(START + 3.6) == 3


def test_seconds_without_a_write_shorten_the_window_until_nothing_is_left():
    buckets = filled(5, [1, 2, 3, 4, 5])
    assert buckets.average(START + 6) == (3 + 4 + 5) / 3
    assert buckets.average(START + 10) == 0


def test_a_hole_between_two_writes_counts_as_zero():
    buckets = filled(5, [1, 2, 3, 4, 5])
    buckets.record(START + 6, 91)
    assert buckets.average(START + 6) == (3 + 4 + 5 + 0 + 91) / 5


def test_after_an_empty_window_the_average_begins_anew():
    buckets = filled(5, [1, 2, 3, 4, 5])
    buckets.record(START + 66, 1984)
    assert buckets.average(START + 66) == 1984
    buckets.record(START + 63, 4)
    assert buckets.average(START + 66) == (4 + 1984) / 4
    buckets.record(START + 67, 5)
    buckets.record(START + 64, 10)
    assert buckets.average(START + 67) == (4 + 10 + 1984 + 5) / 5


def test_a_write_that_is_a_window_old_is_dropped():
    buckets = filled(5, [1, 2, 3, 4, 5])
    for age in (5, 6):
        buckets.record(START + 4 - age, 1000)
    assert buckets.average(START + 4) == 3


def test_a_write_exactly_one_window_later_begins_anew():
    buckets = filled(5, [7])
    buckets.record(START + 5, 10)
    assert buckets.average(START + 5) == 10


def test_writes_from_new_to_old_average_as_those_from_old_to_new():
    buckets = Buckets(5)
    for second in range(8, -1, -1):
        buckets.record(START + second, 5)
    assert buckets.average(START + 5) == 5


def test_reports_of_one_second_are_added():
    buckets = Buckets(60)
    buckets.record(START, 1.0)
    buckets.record(START + 0.1, 10.0)
    assert buckets.average(START) == 11
    buckets.record(START + 1, 1.0)
    buckets.record(START + 3, 1.0)
    assert buckets.average(START + 3) == (11 + 1 + 0 + 1) / 4


def test_no_data_is_not_zero():
    buckets = Buckets(5)
    assert buckets.is_empty(START)
    buckets.record(START, 0)
    assert not buckets.is_empty(START + 5.9)
    assert buckets.is_empty(START + 6)


def test_a_longer_window_keeps_what_was_seen_and_a_shorter_one_the_newest():
    buckets = filled(5, [1, 2, 3, 4, 5, 6])
    now = START + 5
    assert buckets.average(now) == (2 + 3 + 4 + 5 + 6) / 5
    buckets.resize(10, now)
    assert buckets.average(now) == (2 + 3 + 4 + 5 + 6) / 5
    buckets.record(now + 1, 7)
    assert buckets.average(now + 1) == (2 + 3 + 4 + 5 + 6 + 7) / 6
    buckets.resize(4, now + 1)
    assert buckets.average(now + 1) == (4 + 5 + 6 + 7) / 4


def test_a_longer_window_does_not_take_unknown_seconds_for_zero():
    buckets = filled(60, [9, 9])
    buckets.resize(120, START + 1)
    assert buckets.average(START + 1) == 9


def test_what_is_older_than_the_old_window_does_not_come_back_in_a_longer_one():
    buckets = filled(5, [9])
    buckets.resize(60, START + 6)
    assert buckets.is_empty(START + 6)
    assert buckets.average(START + 6) == 0


def test_weighted_averages_give_the_newest_second_the_most():
    buckets = filled(5, [], WeightedBuckets)
    c = smoothing_coefficient(5)
    buckets.record(START, 2)
    assert buckets.average(START) == pytest.approx(2 * c)
    assert buckets.average(START + 1) == pytest.approx(2 * c * (1 - c))
    buckets.record(START + 1, 2)
    assert buckets.average(START + 1) == pytest.approx(2 * c * (1 - c) + 2 * c)
    for second, value in enumerate([2, 3, 4, 5, 6], start=2):
        buckets.record(START + second, value)
    want = sum(value * c * (1 - c) ** age for age, value in enumerate([6, 5, 4, 3, 2]))
    assert buckets.average(START + 6) == pytest.approx(want)
    assert buckets.average(START + 16) == 0


def test_a_weighted_window_of_five_seconds_is_the_number_that_upstream_worked_out_by_hand():
    assert round(filled(5, [1, 2, 3, 4, 5, 6], WeightedBuckets).average(START + 5), 3) == 5.812


@pytest.mark.parametrize(("buckets", "coefficient"), [(100, 0.2), (60, 0.2), (40, 0.20567), (6, 0.78456)])
def test_the_weight_of_the_newest_second(buckets, coefficient):
    assert smoothing_coefficient(buckets) == pytest.approx(coefficient, abs=1e-4)


@pytest.mark.parametrize(
    ("values", "largest"),
    [
        ([1], [1]),
        ([1, 2], [1, 2]),
        ([2, 1], [2, 2]),
        ([5, 6, 5, 5, 5, 5, 5], [5, 6, 6, 6, 6, 6, 5]),
        ([5, 6, 5, 7, 5, 5, 1], [5, 6, 6, 7, 7, 7, 7]),
        (
            [5, 8, 5, 7, 5, 5, 1, 4, 4, 4, 4, 9, 3, 4, 2, 1, 0],
            [5, 8, 8, 8, 8, 8, 7, 7, 5, 5, 4, 9, 9, 9, 9, 9, 4],
        ),
    ],
)
def test_the_largest_of_the_last_five_decisions(values, largest):
    held, seen = LargestOf(), []
    for second, value in enumerate(values):
        held = held.record(START + second, value, window_s=5, slot_s=1)
        seen.append(held.largest())
    assert seen == largest


@pytest.mark.parametrize(
    ("entries", "largest"),
    [
        ([(0, 6), (0.5, 5)], 6),
        ([(0, 5), (0.5, 6)], 6),
        ([(0, 5), (1, 8)], 8),
        ([(0, 5), (6, 4)], 4),
        ([(0, 7), (0.1, 6), (0.2, 5)], 7),
    ],
)
def test_the_largest_within_a_time(entries, largest):
    held = LargestOf()
    for after, value in entries:
        held = held.record(START + after, value, window_s=5, slot_s=1)
    assert held.largest() == largest


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), min_size=1, max_size=60),
    st.integers(1, 20),
    st.integers(1, 3),
)
def test_the_largest_is_that_of_a_plain_list(steps, window_s, slot_s):
    held, now, seen = LargestOf(), START, []
    for passed_s, value in steps:
        now += passed_s
        held = held.record(now, value, window_s=window_s, slot_s=slot_s)
        seen.append((now // slot_s, value))
        inside = [one for slot, one in seen if slot > now // slot_s - -(-window_s // slot_s)]
        assert held.largest() == max(inside)
