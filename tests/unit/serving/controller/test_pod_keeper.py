"""Events between two states of a pod, in kubelet's and the scheduler's words."""

from modelyard.serving.controller.pod_keeper import happenings


def pod(state=None, *, phase="Running", deleted=False, conditions=()):
    meta = {"namespace": "default", "name": "p"} | ({"deletionTimestamp": "2026-11-24T00:00:00Z"} if deleted else {})
    containers = [{"name": "kserve-container", "state": state}] if state else []
    status = {"phase": phase, "containerStatuses": containers, "conditions": list(conditions)}
    return {"metadata": meta, "spec": {"nodeName": "node"}, "status": status}


RUNNING, WAITING = {"running": {"startedAt": "now"}}, {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}


def test_a_new_pod_is_scheduled_created_and_started_once():
    assert list(happenings(None, pod(RUNNING))) == [
        ("Normal", "Scheduled", "Successfully assigned default/p to node"),
        ("Normal", "Created", "Created container: kserve-container"),
        ("Normal", "Started", "Started container kserve-container"),
    ]
    assert list(happenings(pod(RUNNING), pod(RUNNING))) == []


def test_a_pod_that_is_asked_to_end_is_killed_once():
    assert list(happenings(pod(RUNNING), pod(RUNNING, deleted=True))) == [
        ("Normal", "Killing", "Stopping container kserve-container")
    ]
    assert list(happenings(pod(RUNNING, deleted=True), pod(RUNNING, deleted=True))) == []


def test_a_pod_that_has_crashed_backs_off_once():
    assert list(happenings(pod(RUNNING), pod(WAITING))) == [("Warning", "BackOff", "back-off")]
    assert list(happenings(pod(WAITING), pod(WAITING))) == []


def test_a_pod_without_room_failed_to_be_scheduled_once():
    waiting = pod(phase="Pending", conditions=[{"type": "PodScheduled", "message": "0/1 nodes are available"}])
    assert list(happenings(None, waiting)) == [("Warning", "FailedScheduling", "0/1 nodes are available")]
    assert list(happenings(waiting, waiting)) == []
