"""How many replicas a revision has: the autoscaler's word, and who needs the revision at all."""

from dataclasses import replace

import pytest

from modelyard.autoscaling.revision import RevisionScaler
from modelyard.autoscaling.spec import ScalingSpec
from modelyard.serving.controller.revisions import Revision
from modelyard.serving.scaling.scales import Need, complete_scale, decide_replicas, is_able, is_buffered

ROUTED = Need(reachable=True, routed=True)
SLEEPER, KEEPER = ScalingSpec(min_scale=0), ScalingSpec(min_scale=2)


def revision(*, desired=None, ready=True):
    status = {} if desired is None else {"desiredScale": desired}
    return Revision("default", "naps-predictor-00001", "naps", {"predictor": {}}, ready=ready, status=status)


@pytest.mark.parametrize(
    ("desired", "ready", "spec", "replicas"),
    [
        (None, False, SLEEPER, 1),  # a new one begins with its initial scale, even if it may sleep later
        (None, False, KEEPER, 2),
        (None, False, replace(SLEEPER, initial_scale=3), 3),
        (None, False, replace(SLEEPER, initial_scale=0), 0),
        (4, False, SLEEPER, 4),
        (0, True, SLEEPER, 0),
        (5, True, SLEEPER, 5),
        (0, True, KEEPER, 2),  # named again after a time without traffic
        (None, True, SLEEPER, 1),  # made by a control plane that did not scale yet
    ],
)
def test_a_revision_that_traffic_names_has_what_the_autoscaler_wants(desired, ready, spec, replicas):
    assert decide_replicas(revision(desired=desired, ready=ready), spec, ROUTED, living=0) == replicas


def test_a_revision_that_nothing_names_keeps_its_replicas_for_as_long_as_routes_lead_to_them():
    assert decide_replicas(revision(desired=3), KEEPER, Need(routed=True), living=3) == 3
    assert decide_replicas(revision(desired=3), KEEPER, Need(), living=3) == 0


def test_requests_that_the_activator_holds_wake_even_a_revision_that_traffic_has_left():
    assert decide_replicas(revision(desired=0), SLEEPER, Need(held=True), living=0) == 1
    assert decide_replicas(revision(desired=0, ready=False), SLEEPER, Need(held=True), living=0) == 0


def test_a_new_revision_is_ready_with_its_minimum_or_its_initial_scale_whichever_is_more():
    assert complete_scale(KEEPER) == 2
    assert complete_scale(replace(SLEEPER, initial_scale=3)) == 3
    assert complete_scale(replace(SLEEPER, initial_scale=0)) == 0


@pytest.mark.parametrize(
    ("spec", "ready", "replicas", "failing", "has_traffic", "able"),
    [
        (SLEEPER, True, 0, False, False, True),  # the activator holds
        (SLEEPER, True, 0, True, False, False),
        (SLEEPER, False, 0, False, False, False),  # nobody knows yet whether it works
        (KEEPER, True, 0, False, False, False),  # its replicas come first
        (KEEPER, True, 1, False, False, True),
        (KEEPER, True, 0, True, True, True),  # what it has it keeps: elsewhere nothing is better
    ],
)
def test_traffic_moves_to_a_replica_or_to_a_revision_that_sleeps(spec, ready, replicas, failing, has_traffic, able):
    found = is_able(revision(ready=ready), spec, ready=replicas, failing=failing, has_traffic=has_traffic)
    assert found is able


def outcome(spec, ready):
    return RevisionScaler(spec, ready_at_start=ready, now=0.0).tick(0.0, ready=ready, activator_in_path=True)


def test_all_requests_go_by_the_activator_only_where_replicas_refuse_what_is_too_much():
    limited = ScalingSpec(container_concurrency=1, total_target=1.0)
    assert is_buffered(limited, None)
    assert is_buffered(limited, outcome(limited, 1))
    roomy = replace(limited, target_burst_capacity=0.0)
    assert not is_buffered(roomy, outcome(roomy, 1))
    assert not is_buffered(ScalingSpec(), outcome(ScalingSpec(), 1))
