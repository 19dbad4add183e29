"""Pods against the one that a real KServe was recorded with."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from modelyard.serving.controller.revisions import Failure
from modelyard.serving.pods import (
    crashed_pod,
    insufficient,
    keep_pods,
    pending_name,
    pending_pod,
    pod_of,
    replica_name,
)
from modelyard.serving.replicas.records import ReplicaRecord, ReplicaSpec
from modelyard.serving.store import Store, timestamp

RECORDINGS = next(up / "tests" / "recordings" for up in Path(__file__).parents if (up / "pyproject.toml").exists())
NOW = 1_790_000_000.0
REVISION = {
    "apiVersion": "serving.knative.dev/v1",
    "kind": "Revision",
    "metadata": {
        "name": "flights-predictor-00001",
        "namespace": "rec",
        "uid": "6302bea6",
        "labels": {"serving.kserve.io/inferenceservice": "flights", "team": "yard"},
        "annotations": {"example.com/why": "test"},
        "ownerReferences": [{"kind": "InferenceService", "name": "flights", "uid": "5212eaf7"}],
    },
    "spec": {
        "predictor": {
            "model": {
                "modelFormat": {"name": "sklearn"},
                "storageUri": "s3://m/flights",
                "env": [{"name": "MODEL_VERSION", "value": "v1"}],
                "resources": {"limits": {"cpu": "1", "memory": "512Mi"}, "requests": {"cpu": "20m"}},
            }
        }
    },
}
NAME = "flights-predictor-00001-deployment-dfdc8fcc4-p2p7b"
RECORD = ReplicaRecord(
    ReplicaSpec(NAME, "rec", "flights", "flights-predictor-00001", "sklearn", "s3://m/flights", args=["--workers=1"]),
    pid=4711,
    start_time="17",
    port=40123,
    state="serving",
)
FAILURE = Failure(NAME, "ModelLoadFailed", "no such key", 1, NOW - 5)


@pytest.fixture(scope="module")
def recorded() -> dict:
    calls = json.loads((RECORDINGS / "kserve-api.json").read_text("utf-8"))["calls"]
    return next(call for call in calls if call["label"] == "get/pods")["response"]["body"]["items"][0]


class Clock:
    now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(tmp_path, clock):
    held = Store(tmp_path / "objects.db", now=clock)
    yield held
    held.close()


def condition(pod, kind):
    return next(held for held in pod["status"]["conditions"] if held["type"] == kind)


def test_a_ready_pod_has_the_recorded_labels_and_conditions(recorded):
    pod = pod_of(RECORD, REVISION, ready=True, now=NOW)
    ours, theirs = pod["metadata"], recorded["metadata"]
    assert set(ours["labels"]) == {*theirs["labels"], "team"}
    named = ("app", "component", "pod-template-hash", "serving.kserve.io/inferenceservice")
    named += tuple(f"serving.knative.dev/{kind}" for kind in ("configuration", "configurationGeneration", "revision"))
    assert {key: ours["labels"][key] for key in named} == {key: theirs["labels"][key] for key in named}
    assert (ours["name"], ours["generateName"]) == (theirs["name"], theirs["generateName"])
    plain = [(held["type"], held["status"]) for held in pod["status"]["conditions"]]
    assert plain == [(held["type"], held["status"]) for held in recorded["status"]["conditions"]]
    assert pod["status"]["phase"] == recorded["status"]["phase"]


def test_the_container_says_what_the_predictor_asks_for(recorded):
    pod = pod_of(RECORD, REVISION, ready=True, now=NOW)
    ours, theirs = pod["spec"]["containers"][0], recorded["spec"]["containers"][0]
    assert ours["name"] == theirs["name"]
    assert [held["name"] for held in ours["env"]] == [held["name"] for held in theirs["env"]]
    assert ours["args"] == ["--model_name=flights", "--workers=1"]
    assert ours["resources"]["limits"] == theirs["resources"]["limits"]
    status, told = pod["status"]["containerStatuses"][0], recorded["status"]["containerStatuses"][0]
    assert {key: status[key] for key in ("name", "ready", "restartCount", "started", "lastState")} == {
        key: told[key] for key in ("name", "ready", "restartCount", "started", "lastState")
    }
    assert status["containerID"] == "process://4711"
    assert pod["status"]["qosClass"] == recorded["status"]["qosClass"]


def test_a_pod_that_loads_its_model_runs_and_is_not_ready():
    pod = pod_of(replace(RECORD, state="starting"), REVISION, ready=False, now=NOW)
    assert pod["status"]["phase"] == "Running"
    assert condition(pod, "Ready")["reason"] == "ContainersNotReady"
    assert "running" in pod["status"]["containerStatuses"][0]["state"]


def test_a_replica_that_ended_by_itself_is_in_crash_loop_back_off():
    ended = replace(RECORD, state="exited", reason="ContainerCrashing", message="killed", exit_code=137, ended=NOW - 3)
    for pod in (
        pod_of(ended, REVISION, ready=True, now=NOW, restarts=2),
        crashed_pod(REVISION, Failure(NAME, "ContainerCrashing", "killed", 137, NOW - 3), restarts=3, now=NOW),
    ):
        container = pod["status"]["containerStatuses"][0]
        assert container["state"]["waiting"]["reason"] == "CrashLoopBackOff"
        assert container["restartCount"] == 3
        last = container["lastState"]["terminated"]
        assert (last["exitCode"], last["reason"], last["finishedAt"]) == (137, "Error", timestamp(NOW - 3))
        assert "killed" in last["message"]
        assert condition(pod, "Ready")["status"] == "False"


def test_the_successor_of_a_crashed_replica_tells_its_end_and_whose_log_is_the_previous_one():
    pod = pod_of(RECORD, REVISION, ready=True, now=NOW, restarts=1, previous=FAILURE)
    container = pod["status"]["containerStatuses"][0]
    assert container["restartCount"] == 1
    assert container["lastState"]["terminated"]["message"] == "ModelLoadFailed: no such key"
    assert pod["metadata"]["annotations"]["modelyard.dev/previous-replica"] == NAME


def test_a_replica_that_was_asked_to_end_is_terminating_then_completed():
    leaving = pod_of(RECORD, REVISION, ready=True, now=NOW, leaving=True)
    assert leaving["metadata"]["deletionTimestamp"] == timestamp(NOW)
    gone = pod_of(
        replace(RECORD, state="exited", stopping=True, exit_code=0, ended=NOW), REVISION, ready=False, now=NOW
    )
    assert gone["status"]["phase"] == "Succeeded"
    assert gone["status"]["containerStatuses"][0]["state"]["terminated"]["reason"] == "Completed"


def test_a_pod_without_a_gpu_for_it_is_unschedulable_under_a_lasting_name():
    pods = [pending_pod(REVISION, number, message=insufficient("nvidia.com/gpu"), now=NOW) for number in (0, 1, 0)]
    assert pods[0] == pods[2]
    assert pods[0]["metadata"]["name"] == pending_name(REVISION, 0) != pods[1]["metadata"]["name"]
    scheduled = condition(pods[0], "PodScheduled")
    assert (scheduled["status"], scheduled["reason"]) == ("False", "Unschedulable")
    assert "0/1 nodes are available: 1 Insufficient nvidia.com/gpu." in scheduled["message"]
    assert "nodeName" not in pods[0]["spec"]
    assert pods[0]["status"]["phase"] == "Pending"


def test_names_of_replicas_have_the_form_of_a_deployments_pods():
    first, second = (replica_name("flights-predictor-00001", {"predictor": {}}) for _ in range(2))
    assert first.startswith("flights-predictor-00001-deployment-")
    assert first.rpartition("-")[0] == second.rpartition("-")[0]
    assert first != second
    assert replica_name("flights-predictor-00001", {"predictor": {"a": 1}}).split("-")[4] != first.split("-")[4]


def test_the_store_has_the_pods_that_are_wanted_and_writes_only_what_changes(store, clock):
    keep_pods(store, [pod_of(RECORD, REVISION, ready=False, now=NOW)])
    written = store.version
    keep_pods(store, [pod_of(RECORD, REVISION, ready=False, now=NOW + 60)])
    assert store.version == written
    keep_pods(store, [pod_of(RECORD, REVISION, ready=True, now=NOW + 90)])
    pod = store.get("pods", "rec", NAME)
    assert condition(pod, "Ready")["lastTransitionTime"] == timestamp(NOW + 90)
    assert condition(pod, "PodScheduled")["lastTransitionTime"] == timestamp(NOW)
    assert pod["status"]["containerStatuses"][0]["state"]["running"]["startedAt"] == timestamp(NOW)
    for seconds in (100, 110):
        clock.now = NOW + seconds
        keep_pods(store, [pod_of(RECORD, REVISION, ready=True, now=NOW + seconds, leaving=True)])
    assert store.get("pods", "rec", NAME)["metadata"]["deletionTimestamp"] == timestamp(NOW + 100)
    keep_pods(store, [])
    assert store.list("pods")[0] == []


def test_a_pod_whose_process_was_replaced_has_started_anew(store):
    keep_pods(store, [pod_of(RECORD, REVISION, ready=True, now=NOW)])
    keep_pods(store, [pod_of(replace(RECORD, pid=4712), REVISION, ready=True, now=NOW + 9)])
    container = store.get("pods", "rec", NAME)["status"]["containerStatuses"][0]
    assert container["state"]["running"]["startedAt"] == timestamp(NOW + 9)
