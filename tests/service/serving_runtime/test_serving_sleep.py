"""Scale to zero and from zero, as a caller sees it: nobody is refused."""

import pytest

from modelyard.kube import condition, traffic
from modelyard.waiting import wait_until

WINDOW = {"autoscaling.knative.dev/window": "6s"}
ONE, TWO, THREE = (f"naps-predictor-0000{number}" for number in (1, 2, 3))


@pytest.fixture
def asleep(runtime, deployed, grace_of_6s):
    deployed("naps", "plain", annotations=WINDOW, minReplicas=0)
    sleep(runtime)
    return "naps"


def sleep(runtime):
    wait_until(
        lambda: not [r for r in runtime.replicas() if r.spec.inferenceservice == "naps"],
        what="the last replica to go",
        deadline_s=30,
        interval_s=0.1,
    )


def test_a_service_sleeps_stays_ready_and_wakes_for_its_first_request(runtime, asleep):
    held = runtime.services.get(asleep)
    assert condition(held, "Ready")["status"] == "True"
    assert held["status"]["modelStatus"]["transitionStatus"] == "UpToDate"
    answer = runtime.ask(asleep, {"instances": runtime.models["plain"].rows.to_numpy().tolist()})
    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"] == runtime.models["plain"].truth.tolist()
    assert len(runtime.replicas(ONE)) == 1
    assert traffic(held)[0]["revisionName"] == ONE
