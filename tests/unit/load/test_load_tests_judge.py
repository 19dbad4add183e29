"""The pure parts of each load test's own file: what it declares, and how it judges what was measured."""

import pytest

from modelyard.errors import YardError
from modelyard.load.measures import Request
from modelyard.load.objectives import Objective
from modelyard.load.running import NAMES, load_module


@pytest.fixture(scope="module", params=NAMES)
def each(request):
    return load_module(request.param)


canary, zero, drift, autoscale = (
    pytest.fixture(scope="module", name=name)(lambda name=name: load_module(name))
    for name in ("canary", "zero", "drift", "autoscale")
)


def answered(started, answer="stable", seconds=0.01, error=""):
    return Request(started, seconds, 503 if error else 200, "" if error else answer, error)


def test_a_load_test_declares_its_slo_a_shape_and_a_user(each):
    from locust import FastHttpUser, LoadTestShape

    held = vars(each).values()
    users = [v for v in held if isinstance(v, type) and issubclass(v, FastHttpUser) and not v.abstract]
    shapes = [v for v in held if isinstance(v, type) and issubclass(v, LoadTestShape) and not v.abstract]
    assert each.SLO and all(isinstance(objective, Objective) and objective.asked for objective in each.SLO)
    assert len({objective.id for objective in each.SLO}) == len(each.SLO)
    assert any(objective.id == "failures" and objective.at_most == 0 for objective in each.SLO)
    assert (len(users), len(shapes)) == (1, 1)


def test_a_load_test_that_does_not_exist_is_told_with_those_that_do():
    with pytest.raises(YardError) as error:
        load_module("canarry")
    assert all(name in error.value.allowed for name in NAMES)


@pytest.mark.parametrize(("candidates", "held"), [(2, False), (3, True), (18, True), (19, False)])
def test_a_split_holds_within_its_interval_alone(canary, candidates, held):
    """scipy: binom.ppf([.005, .995], 100, .1) is 3 and 18."""
    sent = [answered(n, "candidate" if n < candidates else "stable") for n in range(100)]
    assert canary.judge_split(10, [sent], 0.99).held is held


def test_a_share_that_was_outside_is_judged_by_the_count_that_followed(canary):
    off, fair = ([answered(n, "candidate" if n < some else "stable") for n in range(100)] for some in (30, 10))
    verdict = canary.judge_split(10, [off, fair], 0.99)
    assert verdict.held and "30 of 100" in verdict.measured and "10 of 100" in verdict.measured
    assert not canary.judge_split(10, [off, off], 0.99).held


def test_an_answer_of_nobody_known_and_no_answer_at_all_are_no_split(canary):
    fair = [answered(n, "candidate" if n % 2 else "stable") for n in range(100)]
    assert canary.judge_split(50, [fair], 0.99).held
    assert not canary.judge_split(50, [[*fair, answered(101, "another")]], 0.99).held
    assert not canary.judge_split(50, [[]], 0.99).held


def test_first_requests_are_those_that_were_sent_before_the_first_answer(zero):
    cycle = zero.Cycle(quiet=0, asleep=8, woken=10, end=20)
    first = [answered(10.0, seconds=0.8), answered(10.5, seconds=0.2)]
    later = [answered(10.71, seconds=0.1), answered(19, seconds=0.1)]
    assert zero.first_requests([answered(5), *first, *later], cycle) == first


def test_the_way_of_an_alert_is_within_its_floor_or_not(drift):
    objective = Objective("over_floor_s", "Within the floor", "s", at_most=1)
    floor = {"scrape": 2, "recording rule": 2, "alert rule": 2, "group": 1}
    assert drift.judge_way(objective, 8.0, floor).held
    assert not drift.judge_way(objective, 8.1, floor).held
    assert not drift.judge_way(objective, None, floor).held
    assert "at most 8 s" in drift.judge_way(objective, 5.0, floor).asked


def test_replicas_that_come_early_are_not_late_and_those_that_never_come_are_no_data(autoscale):
    assert (autoscale.late(3.0, 5.0), autoscale.late(9.0, 5.0)) == (0.0, 4.0)
    assert autoscale.late(None, 5.0) is None and autoscale.late(3.0, None) is None


def test_the_shape_of_autoscale_is_its_table_of_stages(autoscale):
    for plan in (autoscale.stages(True), autoscale.stages(False)):
        assert max(stage.users for stage in plan) == 9
        assert plan[0].users == plan[-1].users == 1
