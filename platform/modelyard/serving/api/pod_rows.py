"""Rows of `kubectl get pods`, `get nodes` and `get events`, in upstream's words.

Source: kubernetes pkg/printers/internalversion/printers.go (printPod, printNode, printEvent).
"""

from __future__ import annotations

from typing import Any

from modelyard.serving.api.ages import age

Object = dict[str, Any]
NONE = "<none>"


def pod_cells(pod: Object, now: float) -> list[Any]:
    """Name, Ready, Status, Restarts, Age, IP, Node, Nominated Node, Readiness Gates."""
    meta, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
    containers = status.get("containerStatuses") or []
    ready = sum(bool(held.get("ready")) and "running" in (held.get("state") or {}) for held in containers)
    addresses = [held.get("ip", "") for held in status.get("podIPs") or []]
    return [
        meta.get("name", ""),
        f"{ready}/{len(spec.get('containers') or [])}",
        pod_word(pod),
        _restarts(containers, now),
        age(meta.get("creationTimestamp"), now),
        addresses[0] if addresses else NONE,
        spec.get("nodeName") or NONE,
        status.get("nominatedNodeName") or NONE,
        NONE,
    ]


def pod_word(pod: Object) -> str:
    """The cell Status: the phase, or what keeps a container from running, or that the pod is on its way out."""
    status = pod.get("status") or {}
    if pod["metadata"].get("deletionTimestamp"):
        return "Terminating"
    word, is_running = status.get("reason") or status.get("phase") or "Unknown", False
    for held in reversed(status.get("containerStatuses") or []):
        state = held.get("state") or {}
        waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
        if waiting.get("reason"):
            word = waiting["reason"]
        elif ended:
            word = ended.get("reason") or f"ExitCode:{ended.get('exitCode')}"
        elif held.get("ready") and "running" in state:
            is_running = True
    if word == "Completed" and is_running:
        return "Running"
    return word


def node_cells(node: Object, now: float) -> list[Any]:
    """Name, Status, Roles, Age, Version, Internal-IP, External-IP, OS-Image, Kernel-Version, Container-Runtime."""
    meta, status = node["metadata"], node.get("status") or {}
    ready = next((held["status"] for held in status.get("conditions") or [] if held.get("type") == "Ready"), None)
    word = {"True": "Ready", None: "Unknown"}.get(ready, "NotReady")
    if (node.get("spec") or {}).get("unschedulable"):
        word += ",SchedulingDisabled"
    addresses = {held.get("type"): held.get("address") for held in status.get("addresses") or []}
    info = status.get("nodeInfo") or {}
    return [
        meta.get("name", ""),
        word,
        NONE,
        age(meta.get("creationTimestamp"), now),
        info.get("kubeletVersion", ""),
        addresses.get("InternalIP") or NONE,
        addresses.get("ExternalIP") or NONE,
        info.get("osImage", ""),
        info.get("kernelVersion", ""),
        info.get("containerRuntimeVersion", ""),
    ]


def event_cells(event: Object, now: float) -> list[Any]:
    """Last Seen, Type, Reason, Object, Subobject, Source, Message, First Seen, Count, Name."""
    subject, source = event.get("involvedObject") or {}, event.get("source") or {}
    made = event["metadata"].get("creationTimestamp")
    first = event.get("firstTimestamp") or event.get("eventTime") or made
    last = event.get("lastTimestamp") or first
    told_by = ", ".join(part for part in (source.get("component"), source.get("host")) if part)
    return [
        age(last, now),
        event.get("type"),
        event.get("reason"),
        f"{str(subject.get('kind', '')).lower()}/{subject.get('name', '')}",
        subject.get("fieldPath") or "",
        told_by or event.get("reportingComponent") or "",
        (event.get("message") or "").strip(),
        age(first, now),
        str(event.get("count") or 1),
        event["metadata"].get("name", ""),
    ]


def _restarts(containers: list[Object], now: float) -> str:
    count = sum(int(held.get("restartCount") or 0) for held in containers)
    ended = [((held.get("lastState") or {}).get("terminated") or {}).get("finishedAt") for held in containers]
    last = max(filter(None, ended), default=None)
    return f"{count} ({age(last, now)} ago)" if count and last else str(count)
