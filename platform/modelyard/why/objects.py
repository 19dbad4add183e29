"""Reading InferenceServices, pods and events as the Kubernetes API gives them; pure."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from modelyard.faults.targets import MODEL_KEYS, pid_of
from modelyard.kube import condition, is_pod_ready, traffic

Object = dict[str, Any]
REVISION = "serving.knative.dev/revision"
SERVICE = "serving.kserve.io/inferenceservice"
OWN_VARIABLES = frozenset(
    {"INFERENCE_SERVICE_NAME", "PORT", "K_REVISION", "K_CONFIGURATION", "K_SERVICE", "CUDA_VISIBLE_DEVICES"}
)
MOST_EVENTS = 5
POD = re.compile(r"\b([a-z0-9-]+-predictor-\d+)-deployment-[a-z0-9]+-[a-z0-9]+\b")


def subject_of(service: Object) -> str:
    """As diagnoses and faults name an InferenceService."""
    return f"isvc {service['metadata']['namespace']}/{service['metadata']['name']}"


def name_of(service: Object) -> str:
    """Its name."""
    return str(service["metadata"]["name"])


def annotations_of(service: Object) -> dict[str, str]:
    """Its annotations."""
    return service["metadata"].get("annotations") or {}


def model_of(service: Object) -> Object:
    """What its predictor says of the model."""
    predictor = service.get("spec", {}).get("predictor", {})
    return next((predictor[key] for key in MODEL_KEYS if predictor.get(key)), {})


def pods_of(service: Object, pods: Iterable[Object]) -> list[Object]:
    """Its pods, by name."""
    place, name = service["metadata"]["namespace"], name_of(service)
    ours = [
        pod
        for pod in pods
        if pod["metadata"].get("namespace") == place and pod["metadata"].get("labels", {}).get(SERVICE) == name
    ]
    return sorted(ours, key=lambda pod: str(pod["metadata"]["name"]))


def revision_of(pod: Object) -> str:
    """The revision of a pod."""
    return str(pod["metadata"].get("labels", {}).get(REVISION, ""))


def served_by(service: Object) -> list[str]:
    """Revisions that get a part of the traffic."""
    return [str(held.get("revisionName", "")) for held in traffic(service) if held.get("percent")]


def ready_pods(pods: Iterable[Object], revisions: Sequence[str], frozen: Mapping[int, str]) -> list[Object]:
    """Pods of these revisions that can answer."""
    held = [pod for pod in pods if is_pod_ready(pod) and revision_of(pod) in revisions]
    return [pod for pod in held if pid_of(pod) not in frozen]


def user_variables(pods: Iterable[Object], revision: str) -> dict[str, str]:
    """Variables that somebody set for a revision's model server."""
    for pod in pods:
        if revision_of(pod) == revision:
            held = pod["spec"]["containers"][0].get("env") or []
            return {v["name"]: v.get("value", "") for v in held if v["name"] not in OWN_VARIABLES}
    return {}


def changed_variables(pods: Sequence[Object], newest: str, before: Sequence[str]) -> list[str]:
    """`NAME=VALUE` of what the newest revision sets and those before do not set so."""
    known = [user_variables(pods, revision) for revision in before if revision != newest]
    return [
        f"{name}={value}"
        for name, value in sorted(user_variables(pods, newest).items())
        if not any(held.get(name) == value for held in known)
    ]


def events_about(events: Iterable[Object], service: Object, pods: Iterable[Object]) -> tuple[str, ...]:
    """The last events about an InferenceService, and warnings about its pods, oldest first.

    Equal ones of several pods are one; a pod's BackOff is left out, because the InferenceService's own says more.
    """
    names = {name_of(service), *(pod["metadata"]["name"] for pod in pods)}
    prefix = f"{name_of(service)}-predictor-"
    place = service["metadata"]["namespace"]
    merged: dict[tuple[str, str, str], tuple[float, int]] = {}
    for event in events:
        about = event.get("involvedObject") or {}
        ours = about.get("name") in names or str(about.get("name", "")).startswith(prefix)
        of_pod = about.get("kind") == "Pod"
        if of_pod and (event.get("type") != "Warning" or event.get("reason") == "BackOff"):
            continue
        if about.get("namespace") != place or not ours:
            continue
        message = POD.sub(r"\1-…", str(event.get("message", "")))
        key = (str(event.get("type")), str(event.get("reason")), message)
        seen, count = merged.get(key, (0.0, 0))
        merged[key] = (max(seen, seconds_of(event.get("lastTimestamp"))), count + int(event.get("count") or 1))
    latest = sorted(merged.items(), key=lambda held: held[1][0])[-MOST_EVENTS:]
    return tuple(_event_line(*key, at, count) for key, (at, count) in latest)


def _event_line(kind: str, reason: str, message: str, at: float, count: int) -> str:
    times = f" (×{count})" if count > 1 else ""
    return f"{clock(at)} {kind} {reason}{times}: {message}"


def seconds_of(text: Any) -> float:
    """Seconds since 1970 of a Kubernetes time; 0 where there is none."""
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return 0.0


def clock(at: float) -> str:
    """A time of day, as this machine tells it."""
    return time.strftime("%H:%M:%S", time.localtime(at))


def readiness(service: Object) -> tuple[str, str, str]:
    """Status, reason and since when of the condition Ready."""
    held = condition(service, "Ready") or {}
    since = seconds_of(held.get("lastTransitionTime"))
    return str(held.get("status", "Unknown")), str(held.get("reason", "")), clock(since) if since else ""
