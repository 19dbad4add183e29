"""An SLO is data; what was measured meets it or not, and the exit code says so."""

import math

import pytest

from modelyard.errors import YardError
from modelyard.load.objectives import Objective, Verdict, exit_code, find, with_limits

FAILURES = Objective("failures", "No request fails", "requests", at_most=0)
SPEED = Objective("p95_ms", "Fast", "ms", at_most=200)
WINDOWS = Objective("windows", "Measured", "windows", at_least=3)
RANGE = Objective("replicas", "Neither more nor less", "replicas", at_least=2, at_most=4)


@pytest.mark.parametrize(
    ("objective", "measured", "held"),
    [
        (FAILURES, 0, True),
        (FAILURES, 1, False),
        (SPEED, 200, True),
        (SPEED, 200.01, False),
        (WINDOWS, 3, True),
        (WINDOWS, 2, False),
        (RANGE, 1, False),
        (RANGE, 2, True),
        (RANGE, 4, True),
        (RANGE, 5, False),
    ],
)
def test_a_figure_on_the_limit_holds_and_one_beyond_does_not(objective, measured, held):
    assert objective.judge(measured).held is held


@pytest.mark.parametrize("measured", [None, math.nan])
def test_what_was_not_measured_has_not_held(measured):
    verdict = FAILURES.judge(measured)
    assert (verdict.held, verdict.measured) == (False, "no data")


def test_a_verdict_tells_the_figure_and_the_limit_with_their_unit():
    assert SPEED.judge(12.345) == Verdict("Fast", "12.3 ms", "at most 200 ms", True)
    assert RANGE.judge(3).asked == "at least 2 replicas and at most 4 replicas"


def test_another_limit_takes_the_place_of_the_one_that_an_objective_has():
    slo = with_limits((FAILURES, SPEED, WINDOWS), ["p95_ms=0.5", "windows=9"])
    assert (find(slo, "p95_ms").at_most, find(slo, "windows").at_least) == (0.5, 9)
    assert find(slo, "failures") == FAILURES


@pytest.mark.parametrize("given", ["p95=3", "replicas=3", "p95_ms", "p95_ms=fast"])
def test_a_limit_that_cannot_be_set_is_refused_with_those_that_can(given):
    with pytest.raises(YardError) as error:
        with_limits((FAILURES, SPEED, RANGE), [given])
    assert "p95_ms" in error.value.allowed


def test_the_exit_code_is_zero_only_when_there_was_a_verdict_and_each_held():
    good, bad = FAILURES.judge(0), FAILURES.judge(1)
    assert [exit_code(held) for held in ([good], [good, bad], [])] == [0, 1, 1]
