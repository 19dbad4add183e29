"""How columns are spread: ranges that people can read, shares that numpy's histogram and plain counting give too."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.monitor.config import parse_config
from modelyard.monitor.distributions import (
    MOST_COLUMNS,
    MOST_RANGES,
    choose_columns,
    name_ranges,
    plan_edges,
    spread,
    spread_names,
    spread_numbers,
)

CONFIG = parse_config('{"columns": {"numerical": ["x", "y"], "categorical": ["c"]}}')


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 100.0, [0, 20, 40, 60, 80, 100]),
        (28.4, 71.1, [20, 30, 40, 50, 60, 70, 80]),
        (0.0, 0.09, [0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09]),
        (-7.0, 5.0, [-8, -6, -4, -2, 0, 2, 4, 6]),
        (3.0, 3.0, [3]),
    ],
)
def test_edges_are_round_numbers(low, high, expected):
    assert plan_edges(low, high) == expected


@given(st.floats(-1e12, 1e12), st.floats(1e-6, 1e12))
def test_edges_rise_hold_both_ends_and_are_few(low, width):
    high = low + width
    edges = plan_edges(low, high)
    assert len(edges) + 1 <= MOST_RANGES
    assert edges == sorted(edges)
    if high > low:
        slack = (high - low) * 1e-6
        assert edges[0] <= low + slack and edges[-1] >= high - slack


def test_edges_of_ends_that_no_float_can_subtract_are_one():
    assert plan_edges(-1.7e308, 1.7e308) == [-1.7e308]


def test_ranges_are_named_as_a_person_would():
    assert name_ranges([40, 45.5, 50]) == ["below 40", "40 to 45.5", "45.5 to 50", "50 and more"]


def test_shares_of_numbers_are_those_of_a_histogram():
    draw = np.random.default_rng(7)
    reference, current = draw.normal(40, 10, 4000), draw.normal(60, 10, 1000)
    told = spread_numbers(reference, current)
    edges = [float(name.split(" to ")[1]) for name in told["ranges"][1:-1]]
    low = float(told["ranges"][0].removeprefix("below "))
    bounds = [-np.inf, low, *edges, np.inf]
    assert told["trained_on"] == pytest.approx(np.histogram(reference, bounds)[0] / 4000, abs=1e-4)
    assert told["now"] == pytest.approx(np.histogram(current, bounds)[0] / 1000, abs=1e-4)
    # 1 of 100 lies below 17 on one side, and 1 of 100 above 83 on the other
    assert told["ranges"][:2] == ["below 10", "10 to 20"] and told["ranges"][-2:] == ["80 to 90", "90 and more"]


def test_what_is_missing_is_a_range_of_its_own_and_infinities_lie_beyond_the_ends():
    reference = np.arange(10.0)
    told = spread_numbers(reference, np.array([np.nan, np.nan, np.inf, -np.inf]))
    now = dict(zip(told["ranges"], told["now"], strict=True))
    assert now["(missing)"] == 0.5
    assert told["now"][0] == 0.25 and now[told["ranges"][-2]] == 0.25


def test_a_column_that_never_had_a_value_is_all_missing():
    nothing = np.array([np.nan, np.nan])
    assert spread_numbers(nothing, nothing) == {"ranges": ["(missing)"], "trained_on": [1.0], "now": [1.0]}


def test_a_window_without_rows_has_shares_of_zero():
    told = spread_numbers(np.array([1.0, 2.0]), np.array([]))
    assert sum(told["now"]) == 0 and sum(told["trained_on"]) == 1


def test_shares_of_names_count_the_frequent_ones_and_put_the_others_together():
    reference = ["UA"] * 6 + ["AA"] * 3 + [None]
    told = spread_names(reference, ["AA", "AA", "new", None])
    assert told == {
        "ranges": ["UA", "AA", "(other)", "(missing)"],
        "trained_on": [0.6, 0.3, 0.0, 0.1],
        "now": [0.0, 0.5, 0.25, 0.25],
    }


@given(st.lists(st.one_of(st.none(), st.text(max_size=60)), min_size=1), st.lists(st.text(max_size=60)))
def test_whatever_the_names_ranges_are_few_unique_and_hold_every_row(reference, current):
    told = spread_names(reference, current)
    assert len(told["ranges"]) == len(set(told["ranges"])) <= MOST_RANGES + 1
    assert all(len(name) <= 40 for name in told["ranges"])
    assert math.isclose(sum(told["trained_on"]), 1, abs_tol=0.002)
    assert not current or math.isclose(sum(told["now"]), 1, abs_tol=0.002)


def test_columns_are_chosen_by_how_far_beyond_their_own_threshold_they_are():
    # thresholds: 1.5 for numbers, 0.4 for categories
    assert choose_columns({"x": 0.9, "y": None, "c": 0.3}, CONFIG) == ["c", "x"]
    many = {f"n{number}": float(number) for number in range(100)}
    assert choose_columns(many, CONFIG) == [f"n{number}" for number in range(99, 99 - MOST_COLUMNS, -1)]


def test_numbers_and_categories_are_told_apart():
    reference = pd.DataFrame({"x": [0.0, 10.0], "c": pd.Series(["a", np.nan], dtype=object)})
    current = pd.DataFrame({"x": [20.0, 20.0], "c": pd.Series(["a", "b"], dtype=object)})
    told = spread(reference, current, ["x", "c"], CONFIG)
    assert told["x"]["ranges"][-1].endswith("and more") and told["x"]["now"][-1] == 1
    assert told["c"] == {
        "ranges": ["a", "(other)", "(missing)"],
        "trained_on": [0.5, 0.0, 0.5],
        "now": [0.5, 0.5, 0.0],
    }
