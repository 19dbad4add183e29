"""The autoscaler with real replicas: out under load and in after it, bursts, and what a killed control plane keeps."""

import collections
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from modelyard.kube import condition
from modelyard.waiting import wait_until

WINDOW = {"autoscaling.knative.dev/window": "6s"}
NAME = "swarm"


@pytest.fixture
def callers(runtime):
    """`callers(count)` keeps so many requests under way at any time until the test ends; what each was answered."""
    ending = threading.Event()
    threads = []

    def call(answers):
        body = {"instances": runtime.models["plain"].rows.to_numpy().tolist()}
        with httpx.Client(timeout=30, headers={"Host": runtime.conn.host(NAME, "default")}) as client:
            while not ending.wait(0.02):
                answers[client.post(f"{runtime.conn.gateway}/v1/models/{NAME}:predict", json=body).status_code] += 1

    def begin(count):
        answers = collections.Counter()
        mine = [threading.Thread(target=call, args=(answers,)) for _ in range(count)]
        threads.extend(mine)
        for thread in mine:
            thread.start()
        return answers

    begin.end = ending.set
    yield begin
    ending.set()
    for thread in threads:
        thread.join(40)


def living(runtime):
    return [r for r in runtime.replicas() if r.spec.inferenceservice == NAME]


def until_replicas(runtime, holds, what):
    wait_until(lambda: holds(len(living(runtime))), what=what, deadline_s=40, interval_s=0.05)


def test_replicas_follow_the_load_and_a_killed_control_plane_goes_on_from_where_it_was(runtime, deployed, callers):
    deployed(NAME, "plain", annotations=WINDOW, maxReplicas=3, scaleMetric="rps", scaleTarget=20)
    answers = callers(4)  # far beyond 3 x 14 requests/s
    until_replicas(runtime, lambda count: count == 3, "three replicas, the most that are allowed")
    before = {r.name: r.pid for r in living(runtime)}
    seen = sum(answers.values())
    runtime.end("serving", signal.SIGKILL)
    wait_until(lambda: sum(answers.values()) > seen + 20, what="answers without a control plane", deadline_s=60)
    runtime.start("serving")
    runtime.services.wait_ready(NAME, generation=1, deadline_s=30)
    assert {r.name: r.pid for r in living(runtime)} == before
    callers.end()
    until_replicas(runtime, lambda count: count == 1, "one replica, the fewest that are allowed")
    assert {r.pid for r in living(runtime)} < set(before.values())
    assert set(answers) == {200}


def test_a_burst_beyond_what_the_replicas_take_waits_its_turn(runtime, deployed):
    deployed(NAME, "plain", annotations=WINDOW, containerConcurrency=1, maxReplicas=1)
    body = {"instances": runtime.models["plain"].rows.to_numpy().tolist()}

    def ask(_):
        return runtime.ask(NAME, body).status_code

    with ThreadPoolExecutor(60) as pool:
        # one in work and ten waiting is all that a replica takes
        assert collections.Counter(pool.map(ask, range(240))) == {200: 240}


def test_a_service_that_is_stopped_has_nothing_and_begins_anew_when_it_is_not(runtime, deployed):
    deployed(NAME, "plain", minReplicas=2)
    stop = {"metadata": {"annotations": {"serving.kserve.io/stop": "true"}}}
    runtime.services.patch(NAME, stop)
    until_replicas(runtime, lambda count: count == 0, "all replicas to go")
    held = runtime.services.get(NAME)
    found = {c["type"]: (c["status"], c.get("reason", "")) for c in held["status"]["conditions"]}
    assert found["Ready"] == ("False", "Stopped")
    assert found["Stopped"] == ("True", "")
    assert runtime.ask(NAME, {}).status_code == 404
    stop["metadata"]["annotations"]["serving.kserve.io/stop"] = None
    runtime.services.patch(NAME, stop)
    held = runtime.services.wait_ready(NAME, generation=1, deadline_s=30)
    assert condition(held, "Stopped")["status"] == "False"
    assert len(living(runtime)) == 2
