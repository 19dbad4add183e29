"""The status against one recorded from KServe 0.20: the same story told to our functions gives the same statuses."""

import json
from pathlib import Path

import pytest

from modelyard.kube import describe_conditions
from modelyard.serving.controller.revisions import Failure, Revision
from modelyard.serving.controller.status import (
    Addresses,
    Observed,
    addresses_of,
    make_status,
    make_stopped_status,
    problem_of,
    rollout_of,
)
from modelyard.serving.controller.traffic import decide_traffic

RECORDED = json.loads((Path(__file__).parents[1] / "recorded" / "kserve-status-watch.json").read_text())["statuses"]
ONE, TWO, THREE = (f"flights-predictor-0000{number}" for number in (1, 2, 3))
HOST = "flights-predictor.rec.example.com"
ADDRESSES = Addresses(
    service=f"http://{HOST}", predictor=f"http://{HOST}", tag={"prev": f"http://prev-{HOST}", "latest": ""}
)
NOW = 1_700_000_000.0


def recorded_status(number):
    """A status of the recording without its times, with the cluster's inner address as the outer one."""
    status = json.loads(json.dumps(RECORDED[number]["status"]).replace("svc.cluster.local", "example.com"))
    return timeless(status)


def timeless(status):
    # KServe writes the generation of the Knative service there; ours is the InferenceService's.
    held = {key: value for key, value in status.items() if key != "observedGeneration"}
    held["conditions"] = [
        {key: value for key, value in condition.items() if key != "lastTransitionTime"}
        for condition in status["conditions"]
    ]
    return held


class Story:
    """The recorded story: what happened to the InferenceService, step by step."""

    def __init__(self):
        self.status = {}

    def step(self, *, created, ready, canary=None, complete=True, applied=True):
        serving = {ONE, TWO, THREE} if ready else set()
        decision = decide_traffic(
            rollout_of(self.status), canary_percent=canary, latest_created=created, latest_ready=ready, serving=serving
        )
        observed = Observed(
            latest_created=created,
            latest_ready=ready,
            latest_is_ready=complete and created == ready,
            problem=None,
            decision=decision,
            applied=applied,
            ready_copies=1 if created == ready else 0,
        )
        self.status = make_status(self.status, observed, ADDRESSES, generation=1, now=NOW)
        return timeless(self.status)


def test_the_recorded_story_gives_the_recorded_statuses():
    story = Story()
    assert story.step(created=ONE, ready="") == recorded_status(3)
    assert story.step(created=ONE, ready=ONE, applied=False) == recorded_status(4)
    assert story.step(created=ONE, ready=ONE) == recorded_status(6)
    assert story.step(created=TWO, ready=ONE, canary=10) == recorded_status(8)
    assert story.step(created=TWO, ready=ONE, canary=50) == recorded_status(10)
    assert story.step(created=TWO, ready=TWO, canary=50, applied=False) == recorded_status(11)
    assert story.step(created=TWO, ready=TWO, canary=50) == recorded_status(12)
    assert story.step(created=TWO, ready=TWO, applied=False) == recorded_status(14)
    assert story.step(created=TWO, ready=TWO) == recorded_status(15)
    assert story.step(created=TWO, ready=TWO, canary=0) == recorded_status(19)
    assert story.step(created=THREE, ready=TWO, canary=0) == recorded_status(21)


def test_the_time_of_a_condition_moves_only_with_the_condition():
    story = Story()
    story.step(created=ONE, ready=ONE)
    first = story.status
    later = make_status(first, observed(latest_is_ready=True), ADDRESSES, generation=1, now=NOW + 60)
    assert later == first
    changed = make_status(first, observed(latest_is_ready=False), ADDRESSES, generation=1, now=NOW + 60)
    times = {c["type"]: c["lastTransitionTime"] for c in changed["conditions"]}
    assert times["Stopped"] == times["IngressReady"] == "2023-11-14T22:13:20Z"
    assert times["Ready"] == times["LatestDeploymentReady"] == "2023-11-14T22:14:20Z"


def observed(*, latest_is_ready, problem=None, applied=True):
    decision = decide_traffic(
        rollout_of(Story_with_one_ready().status),
        canary_percent=None,
        latest_created=ONE,
        latest_ready=ONE,
        serving={ONE} if latest_is_ready else set(),
    )
    return Observed(ONE, ONE, latest_is_ready, problem, decision, applied, int(latest_is_ready))


def Story_with_one_ready():
    story = Story()
    story.step(created=ONE, ready=ONE)
    return story


def test_a_service_whose_only_replica_is_gone_is_not_ready():
    status = make_status({}, observed(latest_is_ready=False), ADDRESSES, generation=1, now=NOW)
    assert "Ready=Unknown" in describe_conditions({"status": status})


def failed_revision(failures, *, ready=False):
    failure = Failure("r", "ModelDigestMismatch", "s3://m has digest ab, promised was cd", 1, NOW)
    return Revision("rec", TWO, "flights", {"predictor": {}}, ready=ready, failures=failures, last_failure=failure)


@pytest.mark.parametrize(
    ("ready", "failures", "told"), [(False, 0, False), (False, 1, True), (True, 1, False), (True, 2, True)]
)
def test_one_end_of_a_revision_that_has_served_is_no_problem_yet(ready, failures, told):
    assert (problem_of(failed_revision(failures, ready=ready), None, now=NOW) is not None) == told


def test_a_failed_candidate_is_told_and_the_old_revision_keeps_the_traffic():
    story = Story_with_one_ready()
    decision = decide_traffic(
        rollout_of(story.status), canary_percent=None, latest_created=TWO, latest_ready=ONE, serving={ONE}
    )
    seen = Observed(TWO, ONE, False, problem_of(failed_revision(1), None, now=NOW), decision, True, 0)
    status = make_status(story.status, seen, ADDRESSES, generation=2, now=NOW)
    lines = describe_conditions({"status": status}).splitlines()
    message = f'RevisionFailed Revision "{TWO}" failed with message: s3://m has digest ab, promised was cd.'
    assert f"Ready=False {message}" in lines
    assert "RoutesReady=True" in lines
    assert status["components"]["predictor"]["traffic"] == [
        {"latestRevision": True, "percent": 100, "revisionName": ONE}
    ]
    assert status["modelStatus"] == {
        "copies": {"failedCopies": 1, "totalCopies": 1},
        "lastFailureInfo": {
            "exitCode": 1,
            "message": "s3://m has digest ab, promised was cd",
            "modelRevisionName": TWO,
            "reason": "ModelDigestMismatch",
            "time": "2023-11-14T22:13:20Z",
        },
        "states": {"activeModelState": "Loaded", "targetModelState": "FailedToLoad"},
        "transitionStatus": "BlockedByFailedLoad",
    }


def test_a_candidate_that_finds_no_room_is_pending_and_says_why():
    words = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."
    waiting = Revision("rec", TWO, "flights", {"predictor": {}}, status={"unschedulable": words})
    story = Story_with_one_ready()
    decision = decide_traffic(
        rollout_of(story.status), canary_percent=None, latest_created=TWO, latest_ready=ONE, serving={ONE}
    )
    problem = problem_of(waiting, None, now=NOW)
    status = make_status(
        story.status, Observed(TWO, ONE, False, problem, decision, True, 0), ADDRESSES, generation=2, now=NOW
    )
    assert f'Ready=False RevisionFailed Revision "{TWO}" failed with message: {words}.' in describe_conditions(
        {"status": status}
    )
    assert status["modelStatus"]["transitionStatus"] == "InProgress"
    assert status["modelStatus"]["states"] == {"activeModelState": "Loaded", "targetModelState": "Pending"}


def test_a_stopped_service_forgets_what_it_was():
    # as kserve v0.20 sets them: components/predictor.go and reconcilers/ingress/ingress_reconciler.go
    status = make_stopped_status(Story_with_one_ready().status, generation=2, now=NOW)
    found = {c["type"]: (c["status"], c.get("reason")) for c in status["conditions"]}
    assert found == {
        "IngressReady": ("False", "Stopped"),
        "PredictorReady": ("False", "Stopped"),
        "Ready": ("False", "Stopped"),
        "Stopped": ("True", None),
    }
    assert "url" not in status
    assert "components" not in status
    assert make_stopped_status(status, generation=2, now=NOW + 60) == status


def test_urls_carry_the_gateways_port():
    held = addresses_of("flights", "default", "localhost", 7600)
    assert held.service == "http://flights.default.localhost:7600"
    assert held.tag["prev"] == "http://prev-flights-predictor.default.localhost:7600"
