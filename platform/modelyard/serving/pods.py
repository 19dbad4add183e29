"""Pods as a read-only view of replicas: what kubectl and dashboards expect of a KServe predictor's pod.

Pure but for `keep_pods`. Labels, annotations, conditions and their order as recorded from KServe 0.20 on Knative 1.23;
a pod here has no queue-proxy container, because that part runs in the replica's own process.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from modelyard.serving.controller.revisions import Failure
from modelyard.serving.nodes import node_name
from modelyard.serving.replicas.records import ReplicaRecord
from modelyard.serving.store import Store, timestamp

Object = dict[str, Any]

CONTAINER = "kserve-container"
ADDRESS = "127.0.0.1"
IMAGE = "modelyard/replica"
"""Told as the image; the container is a process of this machine, and containerID names its pid."""
PREVIOUS_ANNOTATION = "modelyard.dev/previous-replica"
"""Names the replica in whose place this one came, whose log is `kubectl logs --previous`."""
LETTERS = "bcdfghjklmnpqrstvwxz2456789"
"""Of generated names, as Kubernetes' (no vowels, so no words)."""
LONGEST_LABEL = 63
GRACE_S = 30


def replica_name(revision: str, template: object, *, letters: str | None = None) -> str:
    """Name of a new replica in the form of a pod of Knative's deployment: REVISION-deployment-HASH-LETTERS.

    Args:
        revision: name of its revision.
        template: what the revision is made from; the same template gives the same hash.
        letters: five letters; random ones by default.
    """
    ending = letters or "".join(secrets.choice(LETTERS) for _ in range(5))
    return f"{revision}-deployment-{template_hash(template)}-{ending}"


def template_hash(template: object) -> str:
    """Ten letters that stand for a template, as Kubernetes' pod-template-hash does."""
    digest = hashlib.sha256(orjson.dumps(template, option=orjson.OPT_SORT_KEYS)).digest()
    return "".join(LETTERS[byte % len(LETTERS)] for byte in digest[:10])


def pod_of(
    record: ReplicaRecord,
    revision: Object,
    *,
    ready: bool,
    now: float,
    leaving: bool = False,
    restarts: int = 0,
    previous: Failure | None = None,
) -> Object:
    """The pod of a replica.

    Args:
        record: the replica.
        revision: the object of its revision.
        ready: it answers that its model is ready.
        now: seconds since 1970; `keep_pods` keeps the earlier time of what has not changed.
        leaving: it was or will be asked to end: kubectl says Terminating.
        restarts: how often a replica in its place has ended before.
        previous: the last of those ends; its log is what `kubectl logs --previous` shows.
    """
    ended = record.state == "exited"
    failing = ended and not record.stopping
    spec = _spec(revision, record)
    container = _container_status(spec, restarts=restarts + failing, ready=ready and not ended)
    container["containerID"] = f"process://{record.pid}"
    if failing:
        last = Failure(record.name, record.reason, record.message, record.exit_code, record.ended)
        container |= _crashed(last, restarts + 1)
    elif ended:
        container |= {"state": {"terminated": _terminated(record.exit_code, "", record.ended or now)}}
    else:
        container["state"] = {"running": {"startedAt": timestamp(now)}}
        container["started"] = True
        container["lastState"] = _last_state(previous)
    meta = _metadata(record.name, revision, previous=previous)
    if leaving:
        meta |= {"deletionTimestamp": timestamp(now), "deletionGracePeriodSeconds": GRACE_S}
    phase = ("Succeeded" if record.exit_code == 0 else "Failed") if ended and not failing else "Running"
    words = {"Ready": _not_ready(ready and not ended), "ContainersReady": _not_ready(ready and not ended)}
    status = _status(phase, spec, words, now, container)
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": status}


def crashed_pod(revision: Object, failure: Failure, *, restarts: int, now: float) -> Object:
    """The pod of a replica that has ended by itself and whose successor must wait: CrashLoopBackOff.

    Args:
        revision: the object of its revision.
        failure: how it ended.
        restarts: ends in a row, this one included.
        now: seconds since 1970.
    """
    spec = _spec(revision, None)
    spec["nodeName"] = node_name()
    container = _container_status(spec, restarts=restarts, ready=False) | _crashed(failure, restarts)
    status = _status("Running", spec, dict.fromkeys(("Ready", "ContainersReady"), _not_ready(False)), now, container)
    meta = _metadata(failure.replica, revision, previous=None)
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": status}


def pending_pod(revision: Object, number: int, *, message: str, now: float, reason: str = "Unschedulable") -> Object:
    """The pod of a replica that cannot be started here, such as one that asks for GPUs that are not there.

    Args:
        revision: the object of its revision.
        number: 0, 1, ... of the revision's pending pods; the name follows from it.
        message: why, as a scheduler says it; `insufficient` gives the usual words.
        now: seconds since 1970.
        reason: of the condition PodScheduled.
    """
    name = pending_name(revision, number)
    spec = _spec(revision, None)
    scheduled = _condition("PodScheduled", now) | {"status": "False", "reason": reason, "message": message}
    status: Object = {"observedGeneration": 1, "phase": "Pending", "conditions": [scheduled]}
    status["qosClass"] = _quality(spec["containers"][0].get("resources") or {})
    meta = _metadata(name, revision, previous=None)
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": status}


def pending_name(revision: Object, number: int) -> str:
    """Name of the pod that stands for the N-th replica that cannot be started; the same at each call."""
    meta = revision["metadata"]
    digest = hashlib.sha256(f"{meta.get('uid', '')} {number}".encode()).digest()
    letters = "".join(LETTERS[byte % len(LETTERS)] for byte in digest[:5])
    return replica_name(meta["name"], revision["spec"], letters=letters)


def insufficient(resource: str) -> str:
    """The words of Kubernetes' scheduler where the one node has too little of a resource."""
    lacking = f"1 Insufficient {resource}"
    return f"0/1 nodes are available: {lacking}. preemption: 0/1 nodes are available: 1 No preemption victims found."


def keep_pods(store: Store, wanted: Iterable[Object]) -> None:
    """Make the Store's pods equal to these: create, change and delete what differs; times of what stays are kept."""
    present = {_key(pod): pod for pod in store.list("pods")[0]}
    for made in wanted:
        old = present.pop(_key(made), None)
        if old is None:
            store.create("pods", made)
            continue
        pod = with_times_of(made, old)
        if "deletionTimestamp" in pod["metadata"] and "deletionTimestamp" not in old["metadata"]:
            store.mark_deleted("pods", *_key(pod))
        if _changes(pod, old):
            store.replace("pods", pod)
        if pod["status"] != old.get("status"):
            store.update_status("pods", *_key(pod), pod["status"])
    for namespace, name in present:
        store.delete("pods", namespace, name)


def with_times_of(pod: Object, old: Object) -> Object:
    """The pod with the times of `old` wherever what they tell has not changed."""
    meta, status, before = dict(pod["metadata"]), dict(pod["status"]), old.get("status") or {}
    if "deletionTimestamp" in meta and "deletionTimestamp" in old["metadata"]:
        meta["deletionTimestamp"] = old["metadata"]["deletionTimestamp"]
    if "startTime" in status and "startTime" in before:
        status["startTime"] = before["startTime"]
    earlier = {condition["type"]: condition for condition in before.get("conditions", [])}
    status["conditions"] = [_since(held, earlier.get(held["type"])) for held in status["conditions"]]
    containers = {held["name"]: held for held in before.get("containerStatuses", [])}
    if "containerStatuses" in status:
        status["containerStatuses"] = [
            _started(held, containers.get(held["name"])) for held in status["containerStatuses"]
        ]
    return {**pod, "metadata": meta, "status": status}


def _since(condition: Object, earlier: Object | None) -> Object:
    if earlier is None or earlier["status"] != condition["status"]:
        return condition
    return {**condition, "lastTransitionTime": earlier["lastTransitionTime"]}


def _started(container: Object, earlier: Object | None) -> Object:
    ours, theirs = container["state"].get("running"), (earlier or {}).get("state", {}).get("running")
    if earlier is None or not ours or not theirs or earlier.get("containerID") != container.get("containerID"):
        return container
    return {**container, "state": {"running": theirs}}


def _changes(pod: Object, old: Object) -> bool:
    ours, theirs = pod["metadata"], old["metadata"]
    keys = ("labels", "annotations", "ownerReferences")
    return pod["spec"] != old.get("spec") or any(ours.get(key) != theirs.get(key) for key in keys)


def _key(pod: Object) -> tuple[str, str]:
    return pod["metadata"]["namespace"], pod["metadata"]["name"]


def _metadata(name: str, revision: Object, *, previous: Failure | None) -> Object:
    meta = revision["metadata"]
    owner = (meta.get("ownerReferences") or [{}])[0]
    service = f"{owner.get('name', '')}-predictor"
    labels = {
        **(meta.get("labels") or {}),
        "app": meta["name"],
        "component": "predictor",
        "pod-template-hash": _hash_in(name),
        "serving.knative.dev/configuration": service,
        "serving.knative.dev/configurationGeneration": str(int(meta["name"].rpartition("-")[2])),
        "serving.knative.dev/configurationUID": owner.get("uid", ""),
        "serving.knative.dev/revision": meta["name"],
        "serving.knative.dev/revisionUID": meta.get("uid", ""),
        "serving.knative.dev/service": service,
        "serving.knative.dev/serviceUID": owner.get("uid", ""),
        "serving.kserve.io/inferenceservice": owner.get("name", ""),
    }
    annotations = {**(meta.get("annotations") or {}), "kubectl.kubernetes.io/default-container": CONTAINER}
    if previous is not None:
        annotations[PREVIOUS_ANNOTATION] = previous.replica
    controller = {"apiVersion": revision["apiVersion"], "kind": revision["kind"], "name": meta["name"]}
    controller |= {"uid": meta.get("uid", ""), "controller": True, "blockOwnerDeletion": True}
    return {
        "name": name,
        "generateName": name[: -len(name.rpartition("-")[2])],
        "namespace": meta["namespace"],
        "labels": {key: value[:LONGEST_LABEL] for key, value in labels.items()},
        "annotations": annotations,
        "ownerReferences": [controller],
    }


def _hash_in(name: str) -> str:
    parts = name.rsplit("-", 2)
    return parts[1] if len(parts) == 3 else ""


def _spec(revision: Object, record: ReplicaRecord | None) -> Object:
    predictor = revision["spec"]["predictor"]
    model = _container_of(predictor)
    meta = revision["metadata"]
    service = (meta.get("ownerReferences") or [{}])[0].get("name", "")
    names = {"INFERENCE_SERVICE_NAME": service, "PORT": str(record.port) if record else "0", "K_REVISION": meta["name"]}
    names |= {"K_CONFIGURATION": f"{service}-predictor", "K_SERVICE": f"{service}-predictor"}
    if record and record.spec.gpus:
        names["CUDA_VISIBLE_DEVICES"] = ",".join(record.spec.gpus)
    asked = [held for held in model.get("env") or [] if held.get("name") not in names]
    container: Object = {
        "name": CONTAINER,
        "image": IMAGE,
        "args": [f"--model_name={service}", *(record.spec.args if record else model.get("args") or [])],
        "env": [*asked, *({"name": name, "value": value} for name, value in names.items())],
        "resources": model.get("resources") or {},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "imagePullPolicy": "IfNotPresent",
    }
    spec: Object = {"containers": [container], "restartPolicy": "Always"}
    if record is not None:
        container["ports"] = [{"name": "user-port", "containerPort": record.port, "protocol": "TCP"}]
        spec["nodeName"] = node_name()
    account = predictor.get("serviceAccountName") or "default"
    spec |= {"serviceAccountName": account, "serviceAccount": account}
    spec |= {"terminationGracePeriodSeconds": GRACE_S, "dnsPolicy": "ClusterFirst"}
    return spec | {"schedulerName": "default-scheduler", "enableServiceLinks": False, "securityContext": {}}


def _container_of(predictor: Object) -> Object:
    """The part of a predictor that is a container: `model`, or the one that has a storageUri as `sklearn:` has."""
    if predictor.get("model"):
        return predictor["model"]
    held = [part for part in predictor.values() if isinstance(part, dict) and "storageUri" in part]
    return held[0] if held else {}


def _container_status(spec: Object, *, restarts: int, ready: bool) -> Object:
    held = {"name": CONTAINER, "state": {}, "lastState": {}, "ready": ready, "restartCount": restarts, "image": IMAGE}
    return {**held, "imageID": "", "started": False, "resources": spec["containers"][0]["resources"]}


def _crashed(failure: Failure, restarts: int) -> Object:
    back_off = f"back-off restarting failed container={CONTAINER} pod={failure.replica}: ended {restarts} times"
    waiting = {"reason": "CrashLoopBackOff", "message": back_off}
    return {"state": {"waiting": waiting}, "lastState": _last_state(failure), "ready": False}


def _last_state(failure: Failure | None) -> Object:
    if failure is None:
        return {}
    told = ": ".join(part for part in (failure.reason, failure.message) if part)
    return {"terminated": _terminated(failure.exit_code, told, failure.time)}


def _terminated(exit_code: int | None, message: str, at: float) -> Object:
    reason = {None: "ContainerStatusUnknown", 0: "Completed"}.get(exit_code, "Error")
    held: Object = {"exitCode": 137 if exit_code is None else exit_code, "reason": reason}
    if message:
        held["message"] = message
    return held | {"startedAt": None, "finishedAt": timestamp(at)}


def _not_ready(ready: bool) -> Object:
    if ready:
        return {"status": "True"}
    told = f"containers with unready status: [{CONTAINER}]"
    return {"status": "False", "reason": "ContainersNotReady", "message": told}


def _status(phase: str, spec: Object, words: Mapping[str, Object], now: float, container: Object) -> Object:
    since = timestamp(now)
    types = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    conditions = [_condition(kind, now) | words.get(kind, {}) for kind in types]
    held: Object = {"observedGeneration": 1, "phase": phase, "conditions": conditions, "startTime": since}
    held |= {"hostIP": ADDRESS, "hostIPs": [{"ip": ADDRESS}], "podIP": ADDRESS, "podIPs": [{"ip": ADDRESS}]}
    return held | {"containerStatuses": [container], "qosClass": _quality(spec["containers"][0]["resources"])}


def _condition(kind: str, now: float) -> Object:
    held: Object = {"type": kind, "observedGeneration": 1, "status": "True", "lastProbeTime": None}
    return held | {"lastTransitionTime": timestamp(now)}


def _quality(resources: Object) -> str:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    if not limits and not requests:
        return "BestEffort"
    whole = {"cpu", "memory"} <= set(limits)
    return (
        "Guaranteed" if whole and all(requests.get(key, limits[key]) == limits[key] for key in limits) else "Burstable"
    )
