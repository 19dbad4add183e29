"""kubectl looks at replicas: pods, their logs and ends, the node, events; all of it read-only."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from modelyard.serving.controller.revisions import Failure, decide_revision
from modelyard.serving.events import Recorder
from modelyard.serving.pods import insufficient, keep_pods, pending_pod, pod_of, replica_name
from modelyard.serving.replicas.records import ReplicaRecord, ReplicaSpec
from modelyard.waiting import wait_until

if TYPE_CHECKING:
    from conftest import Kubectl, LiveApi

pytestmark = pytest.mark.timeout(300)

LABEL = "serving.kserve.io/inferenceservice=flights"


@dataclass
class Replicas:
    """Two replicas of an InferenceService and one that waits for a device, told to the API as a controller does."""

    api: LiveApi
    revision: dict
    names: list[str]
    folder: Path

    def record(self, number: int) -> ReplicaRecord:
        spec = ReplicaSpec(self.names[number], "default", "flights", "flights-predictor-00001", "mlflow", "s3://m/f")
        return ReplicaRecord(spec, 4000 + number, "1", 40000 + number, "serving")

    def tell(self, *, ready: bool = True, gone: bool = False, pending: bool = False) -> None:
        before = Failure(f"{self.names[0][:-5]}zzzzz", "ModelLoadFailed", "no such key", 1, time.time() - 60)
        now = time.time()
        pods = [pod_of(self.record(0), self.revision, ready=True, now=now)]
        if not gone:
            pods.append(pod_of(self.record(1), self.revision, ready=ready, now=now, restarts=2, previous=before))
        if pending:
            pods.append(pending_pod(self.revision, 0, message=insufficient("nvidia.com/gpu"), now=now))
        self.api.in_store(lambda store: keep_pods(store, pods))

    def write(self, number: int, text: str) -> None:
        with (self.folder / f"{self.names[number]}.log").open("a") as file:
            file.write(text)


@pytest.fixture
def replicas(api: LiveApi) -> Replicas:
    model = {"modelFormat": {"name": "mlflow"}, "storageUri": "s3://m/f", "resources": {"limits": {"cpu": "1"}}}
    made = {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "flights", "namespace": "default"},
        "spec": {"predictor": {"model": model}},
    }
    isvc = api.in_store(lambda store: store.create("inferenceservices", made))
    revision = decide_revision(isvc, [])
    assert revision is not None
    revision["metadata"]["uid"] = "6302bea6-f001-44d2-ac90-adaf55fb7c49"
    names = [replica_name("flights-predictor-00001", revision["spec"], letters=end) for end in ("aaaaa", "bbbbb")]
    folder = api.folder / "logs"
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    held = Replicas(api, revision, names, folder)
    held.tell()
    held.write(0, "first of a\n2026-11-24T10:00:00Z second of a\n")
    held.write(1, "first of b\n")
    (folder / f"{names[0][:-5]}zzzzz.log").write_text("Traceback of z\n")
    return held


def test_pods_are_listed_by_the_label_of_their_service(replicas: Replicas, kubectl: Kubectl) -> None:
    replicas.tell(ready=False, pending=True)
    header, *rows = kubectl("get", "pods", "-l", LABEL, "-o", "wide").splitlines()
    assert header.split()[:7] == ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE"]
    told = {row.split()[0]: row.split()[1:4] for row in rows}
    assert told[replicas.names[0]] == ["1/1", "Running", "0"]
    assert told[replicas.names[1]] == ["0/1", "Running", "2"]
    assert ["0/1", "Pending", "0"] in told.values()
    assert "No resources found" in kubectl("get", "pods", "-l", "serving.kserve.io/inferenceservice=other")
    phases = kubectl("get", "po", "--field-selector", "status.phase=Pending", "-o", "name")
    assert len(phases.split()) == 1
    assert kubectl("get", "all").count("flights-predictor-00001") == 3


def test_describe_tells_the_container_its_last_end_and_events(replicas: Replicas, kubectl: Kubectl) -> None:
    about = replicas.api.in_store(lambda store: store.get("pods", "default", replicas.names[1]))
    replicas.api.in_store(
        lambda store: Recorder(store).event(about, "Warning", "BackOff", "Back-off restarting failed container")
    )
    told = kubectl("describe", "pod", replicas.names[1])
    for line in (
        "Controlled By:  Revision/flights-predictor-00001",
        "Container ID:  process://4001",
        "--model_name=flights",
        "K_REVISION:              flights-predictor-00001",
        "Message:      ModelLoadFailed: no such key",
        "Exit Code:    1",
        "Restart Count:  2",
        "Back-off restarting failed container",
    ):
        assert line in told


def test_a_pod_that_no_device_is_left_for_says_so(replicas: Replicas, kubectl: Kubectl) -> None:
    replicas.tell(pending=True)
    name = kubectl("get", "pods", "--field-selector", "status.phase=Pending", "-o", "name").strip()
    assert kubectl("describe", name).count("PodScheduled   False") == 1
    told = json.loads(kubectl("get", name, "-o", "json"))["status"]["conditions"][0]
    assert (told["reason"], "Insufficient nvidia.com/gpu" in told["message"]) == ("Unschedulable", True)
    assert "is waiting to start" in kubectl("logs", name, fails=True)


def test_wait_returns_when_all_pods_of_a_service_are_ready(replicas: Replicas, kubectl: Kubectl) -> None:
    replicas.tell(ready=False)
    arguments = ("wait", "--for=condition=Ready", "pod", "-l", LABEL, "--timeout=30s")
    with kubectl.started(*arguments) as waiting:
        replicas.api.await_watch()
        replicas.tell(ready=True)
        assert waiting.communicate(timeout=30)[0].count("condition met") == 2


def test_logs_are_told_whole_from_the_end_and_of_all_pods(replicas: Replicas, kubectl: Kubectl) -> None:
    first, second = replicas.names
    assert kubectl("logs", first) == "first of a\n2026-11-24T10:00:00Z second of a\n"
    assert kubectl("logs", first, "--tail=1", "-c", "kserve-container") == "2026-11-24T10:00:00Z second of a\n"
    assert kubectl("logs", first, "--timestamps").startswith("2026-11-24T10:00:00.000000000Z first of a")
    told = kubectl("logs", "-l", LABEL, "--prefix", "--tail=-1").splitlines()
    assert sorted(line.split("] ")[1] for line in told) == [
        "2026-11-24T10:00:00Z second of a",
        "first of a",
        "first of b",
    ]
    assert kubectl("logs", second, "--previous") == "Traceback of z\n"
    assert "previous terminated container" in kubectl("logs", first, "--previous", fails=True)
    assert "queue-proxy is not valid for pod" in kubectl("logs", first, "-c", "queue-proxy", fails=True)
    assert 'pods "nothing" not found' in kubectl("logs", "nothing", fails=True)


def test_a_followed_log_goes_on_and_ends_with_the_replica(replicas: Replicas, kubectl: Kubectl) -> None:
    with kubectl.started("logs", "-f", replicas.names[1]) as following:
        assert following.stdout is not None
        assert following.stdout.readline() == "first of b\n"
        replicas.write(1, "second of b\n")
        assert following.stdout.readline() == "second of b\n"
        replicas.write(1, "last words")
        replicas.tell(gone=True)
        assert following.communicate(timeout=20)[0] == "last words"
        assert following.returncode == 0


def test_a_reader_that_leaves_a_quiet_log_is_let_go(replicas: Replicas, kubectl: Kubectl) -> None:
    waiting = replicas.api.in_store(lambda store: len(store._waiting))
    with kubectl.started("logs", "-f", replicas.names[0]) as following:
        assert following.stdout is not None
        following.stdout.readline()
        replicas.api.await_watch()
    wait_until(
        lambda: replicas.api.in_store(lambda store: len(store._waiting)) <= waiting,
        what="the API to let the log go",
        deadline_s=60,
    )


def test_pods_cannot_be_written_entered_or_measured(replicas: Replicas, kubectl: Kubectl) -> None:
    name = replicas.names[0]
    for command in (("delete", "pod", name), ("label", "pod", name, "a=b")):
        assert "is not supported on resources of kind" in kubectl(*command, fails=True)
    assert "unable to upgrade connection" in kubectl("exec", name, "--", "ls", fails=True)
    assert "unable to upgrade connection" in kubectl("port-forward", name, "1234:80", fails=True)
    assert "Metrics API not available" in kubectl("top", "pod", fails=True)
    assert "Running" in kubectl("get", "pod", name)
    assert kubectl("auth", "can-i", "delete", "pods", fails=True).startswith("no")
    assert kubectl("auth", "can-i", "get", "pods", "--subresource=log").strip() == "yes"
    assert "pods/log" in kubectl("auth", "can-i", "--list")
    assert "yard" in kubectl("auth", "whoami")


def test_the_one_node_is_this_machine(replicas: Replicas, kubectl: Kubectl) -> None:
    row = kubectl("get", "nodes", "-o", "wide", "--no-headers").split()
    assert (row[1], row[4], row[5]) == ("Ready", "v1.34.1", "127.0.0.1")
    told = kubectl("describe", "node", row[0])
    assert "nvidia.com/gpu:  1" in told
    assert replicas.names[0] in told


def test_events_are_counted_and_found_by_what_they_are_about(replicas: Replicas, kubectl: Kubectl) -> None:
    isvc = replicas.api.in_store(lambda store: store.get("inferenceservices", "default", "flights"))

    def happen(store) -> None:
        recorder = Recorder(store)
        for _ in range(3):
            recorder.event(isvc, "Normal", "InferenceServiceReady", "InferenceService [flights] is Ready")

    replicas.api.in_store(happen)
    assert "(x3 over" in kubectl("events", "--for", "isvc/flights")
    assert "(x3 over" in kubectl("describe", "isvc", "flights")
    header, row = kubectl("get", "events", "--field-selector", "reason=InferenceServiceReady").splitlines()
    assert header.split() == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert row.split()[1:4] == ["Normal", "InferenceServiceReady", "inferenceservice/flights"]


def test_a_watch_of_pods_tells_of_starts_and_ends(replicas: Replicas, kubectl: Kubectl) -> None:
    columns = "custom-columns=T:.type,N:.object.metadata.name"
    with kubectl.started("get", "pods", "-w", "--output-watch-events", "-o", columns, "--no-headers") as watching:
        assert watching.stdout is not None
        begun = [watching.stdout.readline().split() for _ in range(2)]
        assert [line[0] for line in begun] == ["ADDED", "ADDED"]
        replicas.api.await_watch()
        replicas.tell(gone=True)
        assert watching.stdout.readline().split()[:2] == ["DELETED", replicas.names[1]]
