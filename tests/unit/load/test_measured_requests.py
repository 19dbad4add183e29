"""Figures and series of requests, against numpy and against sums that a person can do."""

import csv

import numpy as np
import pytest

from modelyard.load import measures
from modelyard.load.measures import COLUMNS, Request, read_requests


def request(started, seconds=0.1, answer="a", error=""):
    return Request(started, seconds, 500 if error else 200, "" if error else answer, error)


@pytest.mark.parametrize("percent", [0, 1, 50, 95, 99, 100])
def test_percentiles_are_those_of_numpy(percent):
    values = list(np.random.default_rng(13).exponential(size=137))
    assert measures.percentile(values, percent) == pytest.approx(np.percentile(values, percent))


def test_of_nothing_there_is_no_percentile():
    assert measures.percentile([], 95) is None
    assert measures.latency_ms([request(0, error="broken")], 95) is None


def test_concurrency_is_the_integral_of_requests_in_flight_over_each_step():
    """Two seconds: one request for the whole of both, one from .5 to 1.25."""
    held = measures.concurrency([request(100, 2.0), request(100.5, 0.75)], 100, 2)
    assert held == pytest.approx([1.5, 1.25])


def test_a_request_counts_in_every_step_that_it_lasts_and_in_none_outside():
    held = measures.concurrency([request(99.5, 10.0)], 100, 3, 0.5)
    assert held == pytest.approx([1.0] * 6)
    assert measures.concurrency([request(90, 1.0), request(200, 1.0)], 100, 2) == [0.0, 0.0]


def test_the_rate_counts_answers_where_they_came_and_no_failures():
    sent = [request(100.0, 0.1), request(100.1, 1.0), request(100.2, 0.1, error="503")]
    assert measures.rate(sent, 100, 2) == [1.0, 1.0]
    assert measures.rate(sent, 100, 2, 0.5) == [2.0, 0.0, 2.0, 0.0]


def test_latency_of_a_step_without_answers_is_unknown_and_not_zero():
    assert measures.latency_series([request(100.0, 0.2)], 100, 2, 50) == [pytest.approx(200.0), None]


def test_answers_are_counted_and_failures_have_none():
    sent = [request(1), request(2, answer="b"), request(3), request(4, error="no answer")]
    assert measures.answers(sent) == {"a": 2, "b": 1}
    assert measures.failures(sent) == 1
    assert measures.first_failure(sent) == "500 no answer"


def test_a_file_is_read_by_the_start_of_its_requests_and_a_broken_last_line_is_left_out(tmp_path):
    path = tmp_path / "requests.csv"
    with path.open("w", newline="") as held:
        rows = csv.writer(held)
        rows.writerows([COLUMNS, ("2.5", "0.1", 200, "b", ""), ("1.5", "0.2", 503, "", 'no, "room"')])
        held.write("3.5,0.1")
    assert read_requests(path) == [Request(1.5, 0.2, 503, "", 'no, "room"'), Request(2.5, 0.1, 200, "b")]
    assert read_requests(tmp_path / "nothing.csv") == []
