"""Replicas that hang, crash, find no room or cannot wake; a request that takes longer than its replica should live."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import joblib
import psutil
import pytest
import s3fs

from modelyard.kube import condition, traffic
from modelyard.waiting import wait_until

WINDOW = {"autoscaling.knative.dev/window": "6s"}
NAME = "patient"


class WaitsForAFile:
    """Pickles as an object that predicts 7 as soon as there is a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        waits = f"not __import__('os').path.exists({self.path!r}) and __import__('time').sleep(0.01) is None"
        source = f"__import__('types').SimpleNamespace(predict=lambda x: (list(iter(lambda: {waits}, False)), [7])[1])"
        return eval, (source,)


@pytest.fixture
def bucket(runtime):
    # By its API: the object store remembers what it has listed, and would not see a file come or go.
    secret = {"key": runtime.conn.credentials.s3_key_id, "secret": runtime.conn.credentials.s3_secret}
    return s3fs.S3FileSystem(**secret, endpoint_url=runtime.conn.address("objectstore"), skip_instance_cache=True)


@pytest.fixture
def go_on(tmp_path):
    """The file that a prediction of the slow model waits for."""
    return tmp_path / "go on"


@pytest.fixture
def slow_model(bucket, tmp_path, go_on):
    joblib.dump(WaitsForAFile(go_on), tmp_path / "model.joblib")
    bucket.put(str(tmp_path / "model.joblib"), "mlflow/slow/model.joblib")
    return "s3://mlflow/slow"


def of(runtime, revision=""):
    return [r for r in runtime.replicas(revision) if r.spec.inferenceservice == NAME]


def events(runtime, kind, name=""):
    from kubernetes import client, config

    api = client.CoreV1Api(config.new_client_from_config(str(runtime.conn.kubeconfig)))
    found = api.list_namespaced_event("default").items
    return {(e.reason, e.message) for e in found if e.involved_object.kind == kind and name in e.involved_object.name}


def test_a_long_request_ends_before_its_replica_does(runtime, deployed, slow_model, go_on):
    deployed(NAME, "plain", uri=slow_model)
    (old,) = of(runtime)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(runtime.ask, NAME, {"instances": [[0.0]]})
        stat = f"{old.address}/queue-proxy/stat"
        wait_until(lambda: httpx.get(stat).json()["active"], what="the request to be under way", deadline_s=60)
        runtime.services.patch(NAME, {"metadata": {"annotations": {"example.com/build": "2"}}})
        wait_until(
            lambda: traffic(runtime.services.get(NAME))[0]["revisionName"].endswith("2"), what="traffic", deadline_s=60
        )
        assert not asked.done()
        assert psutil.pid_exists(old.pid)
        go_on.touch()
        assert asked.result(30).json() == {"predictions": [7]}
    wait_until(lambda: old.name not in [r.name for r in of(runtime)], what="the old replica to end", deadline_s=60)


def test_a_replica_that_hangs_is_killed_and_replaced_and_its_requests_are_answered(runtime, deployed):
    deployed(NAME, "plain")
    probe = {"livenessProbe": {"periodSeconds": 1, "failureThreshold": 2}}
    runtime.services.patch(NAME, {"spec": {"predictor": {"model": probe}}})
    runtime.services.wait_ready(NAME, generation=2, deadline_s=30)
    (hung,) = of(runtime, f"{NAME}-predictor-00002")
    psutil.Process(hung.pid).suspend()
    answer = runtime.ask(NAME, {"instances": runtime.models["plain"].rows.to_numpy().tolist()})
    assert answer.status_code == 200
    assert hung.pid not in [r.pid for r in of(runtime)]
    told = events(runtime, "Pod", hung.name)
    assert any(reason == "Unhealthy" and "Liveness probe failed" in message for reason, message in told)
    assert "Killing" in {reason for reason, _ in told}
    (back_off,) = [message for reason, message in events(runtime, "InferenceService", NAME) if reason == "BackOff"]
    assert "Liveness probe failed" in back_off


def test_a_crash_is_told_in_an_event_with_its_exit_code(runtime, deployed):
    deployed(NAME, "plain")
    (first,) = of(runtime)
    psutil.Process(first.pid).kill()
    wait_until(lambda: [r for r in of(runtime) if r.pid != first.pid], what="another replica", deadline_s=60)
    found = wait_until(
        lambda: [m for reason, m in events(runtime, "InferenceService", NAME) if first.name in m and "137" in m],
        what="the event",
        deadline_s=60,
    )
    assert found[0].startswith("Back-off restarting failed container kserve-container in pod")


def test_a_device_that_is_not_there_is_waited_for_while_the_old_revision_serves(runtime, deployed):
    deployed(NAME, "plain")
    model = {"resources": {"limits": {"nvidia.com/gpu": "1000"}}}  # more than any machine has
    runtime.services.patch(NAME, {"spec": {"predictor": {"model": model}}})
    held = wait_until(
        lambda: (h := runtime.services.get(NAME)) and condition(h, "Ready")["status"] == "False" and h,
        what="the lack to be told",
        deadline_s=60,
    )
    assert "0/1 nodes are available: 1 Insufficient nvidia.com/gpu." in condition(held, "PredictorReady")["message"]
    assert held["status"]["modelStatus"]["states"]["targetModelState"] == "Pending"
    assert {r.spec.revision for r in of(runtime)} == {f"{NAME}-predictor-00001"}
    assert runtime.ask(NAME, {"instances": [[1.0, 2.0, 3.0, 4.0]]}).status_code == 200


def test_a_revision_that_cannot_wake_says_why_and_its_requests_end_in_time(
    runtime, deployed, slow_model, bucket, grace_of_6s
):
    deployed(NAME, "plain", uri=slow_model, annotations=WINDOW, minReplicas=0, timeout=5)
    wait_until(lambda: not of(runtime), what="the service to sleep", deadline_s=40)
    bucket.rm("mlflow/slow", recursive=True)
    began = time.monotonic()
    answer = runtime.ask(NAME, {"instances": [[0.0]]})
    assert answer.status_code in (503, 504)
    assert time.monotonic() - began < 25, "and not after the 300 s of those who ask for nothing"
    held = runtime.services.get(NAME)
    assert condition(held, "Ready")["status"] == "False"
    assert slow_model in condition(held, "Ready")["message"]
