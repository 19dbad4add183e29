"""The interval of a split, against scipy's binomial distribution and against its own promise."""

import random

import pytest
from scipy.stats import binom

from modelyard.load.binomial import Interval, interval


@pytest.mark.parametrize("confidence", [0.9, 0.99, 0.9999])
@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.99])
@pytest.mark.parametrize("requests", [1, 37, 600, 6000])
def test_bounds_are_the_quantiles_that_scipy_gives(requests, share, confidence):
    tail = (1 - confidence) / 2
    expected = Interval(int(binom.ppf(tail, requests, share)), int(binom.ppf(1 - tail, requests, share)))
    assert interval(requests, share, confidence) == expected


def test_a_share_of_nothing_and_of_everything_allow_one_count():
    assert interval(100, 0.0, 0.99) == Interval(0, 0)
    assert interval(100, 1.0, 0.99) == Interval(100, 100)
    assert interval(0, 0.5, 0.99) == Interval(0, 0)


def test_fair_draws_are_inside_about_as_often_as_promised_and_a_share_that_is_off_is_found():
    draws = random.Random(13)
    bounds = interval(1000, 0.1, 0.99)
    fair = sum(sum(draws.random() < 0.1 for _ in range(1000)) in bounds for _ in range(300))
    off = sum(sum(draws.random() < 0.15 for _ in range(1000)) in bounds for _ in range(300))
    assert fair >= 290  # expected 297.6 with a deviation of 1.6
    assert off <= 10


@pytest.mark.parametrize(("requests", "share", "confidence"), [(-1, 0.5, 0.99), (10, 1.2, 0.99), (10, 0.5, 1.0)])
def test_what_is_no_binomial_is_refused(requests, share, confidence):
    with pytest.raises(ValueError, match="draws"):
        interval(requests, share, confidence)
