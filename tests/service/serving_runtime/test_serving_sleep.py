"""Scale to zero and from zero, as callers see it: nobody is refused."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from modelyard.kube import condition, traffic
from modelyard.waiting import wait_until

WINDOW = {"autoscaling.knative.dev/window": "6s"}
NAME = "naps"
ONE, TWO = (f"{NAME}-predictor-0000{number}" for number in (1, 2))


@pytest.fixture(scope="module", autouse=True)
def sleeper(runtime, grace_of_6s):
    runtime.deploy(NAME, "plain", annotations=WINDOW, minReplicas=0)
    yield
    runtime.delete(NAME)


def of(runtime):
    return [r.spec.revision for r in runtime.replicas() if r.spec.inferenceservice == NAME]


def sleep(runtime):
    wait_until(lambda: not of(runtime), what="the last replica to go", deadline_s=40)


def ask(runtime):
    answer = runtime.ask(NAME, {"instances": runtime.models["plain"].rows.to_numpy().tolist()})
    return answer.status_code, answer.json().get("predictions")


def patched(runtime, canary):
    held = runtime.services.patch(NAME, {"spec": {"predictor": {"canaryTrafficPercent": canary}}})
    held = runtime.services.wait_ready(NAME, generation=held["metadata"]["generation"], deadline_s=30)
    return [(entry["revisionName"], entry["percent"]) for entry in traffic(held)]


def test_a_service_sleeps_stays_ready_wakes_for_all_who_call_and_moves_its_traffic_to_what_sleeps(runtime):
    sleep(runtime)
    held = runtime.services.get(NAME)
    assert condition(held, "Ready")["status"] == "True"
    assert held["status"]["modelStatus"]["transitionStatus"] == "UpToDate"
    good = (200, runtime.models["plain"].truth.tolist())
    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(lambda _: ask(runtime), range(20))) == [good] * 20
    assert of(runtime) == [ONE]

    runtime.services.patch(NAME, {"metadata": {"annotations": {"example.com/build": "2"}}})
    wait_until(lambda: of(runtime) == [TWO], what="the second revision alone", deadline_s=30)
    # The first has no replica, and gets all requests at once all the same: one that comes wakes it.
    assert patched(runtime, 0) == [(TWO, 0), (ONE, 100)]
    assert ONE not in of(runtime)
    assert ask(runtime) == good
    assert ONE in of(runtime)
    assert patched(runtime, None) == [(TWO, 100)]
    assert ask(runtime) == good


def test_a_request_that_waits_for_a_revision_is_answered_though_the_traffic_leaves_it(runtime):
    before = traffic(runtime.services.get(NAME))[0]["revisionName"]
    runtime.services.patch(NAME, {"metadata": {"annotations": {"example.com/build": "3"}}})
    latest = wait_until(
        lambda: (now := traffic(runtime.services.get(NAME))[0]["revisionName"]) != before and now,
        what="a revision that is rolled out",
        deadline_s=30,
    )
    sleep(runtime)
    runtime.end("replicas")  # nothing can start
    with ThreadPoolExecutor(1) as pool:
        try:
            asked = pool.submit(ask, runtime)
            wait_until(lambda: held_by_activator(runtime, latest), what="the request to be held", deadline_s=60)
            assert patched(runtime, 0) == [(latest, 0), (before, 100)]
        finally:
            runtime.start("replicas")
        assert asked.result(30) == (200, runtime.models["plain"].truth.tolist())


def held_by_activator(runtime, revision):
    told = httpx.get(f"{runtime.conn.address('envoy_stats')}/activator/metrics").text
    lines = [line for line in told.splitlines() if line.startswith("kn_revision_request_queued") and revision in line]
    return sum(float(line.rpartition(" ")[2]) for line in lines)
