"""InferenceServices as `status` and the board tell them: who gets the traffic, which model it is, how many replicas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from modelyard.connections import Connections
from modelyard.kube import is_pod_ready, traffic
from modelyard.kube import is_ready as isvc_ready
from modelyard.services.serving import list_inferenceservices, list_objects

Object = dict[str, Any]
REVISION_LABEL = "serving.knative.dev/revision"
MODEL_VERSION = "modelyard.dev/model-version"


def observe_inferenceservices(conn: Connections) -> tuple[Object, ...]:
    """Every InferenceService of the yard; none where its API does not answer."""
    import httpx

    try:
        items, pods = list_inferenceservices(conn), list_objects(conn, "/api/v1/pods")
    except (OSError, LookupError, ValueError, httpx.HTTPError):
        return ()
    return tuple(describe_inferenceservice(item, pods) for item in items)


def describe_inferenceservice(item: Object, pods: Iterable[Object]) -> Object:
    """One InferenceService: name, namespace, ready, stopped, url, model_version, traffic, conditions and revisions.

    `revisions` has the newest first, each with its `percent` of the traffic, the model version of its replicas (""
    where it is not known), and how many `replicas` there are and are ready: those of the traffic, and those that
    still have replicas.
    """
    meta, status = item["metadata"], item.get("status", {})
    own = [pod for pod in pods if _is_of(pod, meta)]
    entries = traffic(item)
    shares = {entry["revisionName"]: entry.get("percent", 0) for entry in entries if "revisionName" in entry}
    names = sorted({*shares, *(_revision(pod) for pod in own)} - {""}, reverse=True)
    version = meta.get("annotations", {}).get(MODEL_VERSION, "")
    newest = status.get("components", {}).get("predictor", {}).get("latestCreatedRevision", "")
    return {
        "name": meta["name"],
        "namespace": meta["namespace"],
        "ready": isvc_ready(item),
        "stopped": any(c["type"] == "Stopped" and c["status"] == "True" for c in status.get("conditions", [])),
        "url": status.get("url", ""),
        "model_version": version,
        "traffic": entries,
        "conditions": status.get("conditions", []),
        "revisions": [
            describe_revision(name, shares.get(name, 0), own, version if name == newest else "") for name in names
        ],
    }


def describe_revision(name: str, percent: int, pods: Sequence[Object], version: str) -> Object:
    """One revision; `version` is what the InferenceService names for it, which pods of its own may say better."""
    own = [pod for pod in pods if _revision(pod) == name and "deletionTimestamp" not in pod["metadata"]]
    named = (pod["metadata"].get("annotations", {}).get(MODEL_VERSION, "") for pod in own)
    return {
        "name": name,
        "percent": percent,
        "model_version": next(filter(None, named), version),
        "replicas": len(own),
        "replicas_ready": sum(is_pod_ready(pod) for pod in own),
    }


def _is_of(pod: Object, meta: Mapping[str, Any]) -> bool:
    labels = pod["metadata"].get("labels", {})
    named = labels.get("serving.kserve.io/inferenceservice")
    return named == meta["name"] and pod["metadata"]["namespace"] == meta["namespace"]


def _revision(pod: Object) -> str:
    return str(pod["metadata"].get("labels", {}).get(REVISION_LABEL, ""))
