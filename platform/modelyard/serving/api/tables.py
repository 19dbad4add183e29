"""Tables as kubectl prints them: KServe's printer columns, and those of the core kinds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from modelyard.serving.api.ages import age
from modelyard.serving.api.pod_rows import event_cells, node_cells, pod_cells
from modelyard.serving.api.resources import Resource

Object = dict[str, Any]

_NAME = (
    "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a"
    " client to request the generation of an appropriate name automatically. Name is primarily intended for creation"
    " idempotence and configuration definition. Cannot be updated. More info:"
    " https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names"
)
_COLUMN = "Custom resource definition column (in JSONPath format): "


def table(resource: Resource, items: list[Object], version: str, *, now: float, include: str = "Metadata") -> Object:
    """A Table of the objects; `include` is None, Metadata or Object."""
    columns, cells = _TABLES.get(resource.plural, (_PLAIN, _plain_cells))
    rows = []
    for item in items:
        row: Object = {"cells": cells(item, now)}
        if include == "Object":
            row["object"] = item
        elif include != "None":
            meta = item["metadata"]
            row["object"] = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": meta}
        rows.append(row)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": version},
        "columnDefinitions": columns,
        "rows": rows,
    }


def _column(name: str, kind: str, description: str, text_format: str = "", *, priority: int = 0) -> Object:
    return {"name": name, "type": kind, "format": text_format, "description": description, "priority": priority}


def _traffic(obj: Object, key: str, value: object) -> Object:
    entries = obj.get("status", {}).get("components", {}).get("predictor", {}).get("traffic") or []
    return next((entry for entry in entries if entry.get(key) == value), {})


def _isvc_cells(obj: Object, now: float) -> list[Any]:
    status = obj.get("status", {})
    ready = next((c.get("status") for c in status.get("conditions") or [] if c.get("type") == "Ready"), None)
    previous, latest = _traffic(obj, "tag", "prev"), _traffic(obj, "latestRevision", True)
    meta = obj["metadata"]
    return [
        meta.get("name", ""),
        status.get("url"),
        ready,
        previous.get("percent"),
        latest.get("percent"),
        previous.get("revisionName"),
        latest.get("revisionName"),
        age(meta.get("creationTimestamp"), now),
    ]


def _namespace_cells(obj: Object, now: float) -> list[Any]:
    meta = obj["metadata"]
    return [meta.get("name", ""), obj.get("status", {}).get("phase"), age(meta.get("creationTimestamp"), now)]


def _secret_cells(obj: Object, now: float) -> list[Any]:
    meta = obj["metadata"]
    return [meta.get("name", ""), obj.get("type"), len(obj.get("data") or {}), age(meta.get("creationTimestamp"), now)]


def _config_map_cells(obj: Object, now: float) -> list[Any]:
    meta, held = obj["metadata"], len(obj.get("data") or {}) + len(obj.get("binaryData") or {})
    return [meta.get("name", ""), held, age(meta.get("creationTimestamp"), now)]


def _service_account_cells(obj: Object, now: float) -> list[Any]:
    meta = obj["metadata"]
    return [meta.get("name", ""), len(obj.get("secrets") or []), age(meta.get("creationTimestamp"), now)]


def _plain_cells(obj: Object, now: float) -> list[Any]:
    meta = obj["metadata"]
    return [meta.get("name", ""), age(meta.get("creationTimestamp"), now)]


_PREDICTOR_TRAFFIC = ".status.components.predictor.traffic"
_NAME_COLUMN = _column("Name", "string", _NAME, "name")
_AGE_COLUMN = _column("Age", "date", _COLUMN + ".metadata.creationTimestamp")
_PLAIN = [_NAME_COLUMN, _AGE_COLUMN]
_ISVC = [
    _NAME_COLUMN,
    _column("URL", "string", _COLUMN + ".status.url"),
    _column("Ready", "string", _COLUMN + ".status.conditions[?(@.type=='Ready')].status"),
    _column("Prev", "integer", f"{_COLUMN}{_PREDICTOR_TRAFFIC}[?(@.tag=='prev')].percent"),
    _column("Latest", "integer", f"{_COLUMN}{_PREDICTOR_TRAFFIC}[?(@.latestRevision==true)].percent"),
    _column("PrevRolledoutRevision", "string", f"{_COLUMN}{_PREDICTOR_TRAFFIC}[?(@.tag=='prev')].revisionName"),
    _column("LatestReadyRevision", "string", f"{_COLUMN}{_PREDICTOR_TRAFFIC}[?(@.latestRevision==true)].revisionName"),
    _AGE_COLUMN,
]
_NAMESPACE = [_NAME_COLUMN, _column("Status", "string", "The status of the namespace"), _AGE_COLUMN]
_EVENT = [
    _column("Last Seen", "string", "When the event was last seen"),
    _column("Type", "string", "Normal or Warning"),
    _column("Reason", "string", "Why it happened, in one word"),
    _column("Object", "string", "What it is about"),
    _column("Subobject", "string", "The part of it", priority=1),
    _column("Source", "string", "Who tells it", priority=1),
    _column("Message", "string", "What happened"),
    _column("First Seen", "string", "When the event was first seen", priority=1),
    _column("Count", "string", "How often it was seen", priority=1),
    _column("Name", "string", _NAME, "name", priority=1),
]
_POD = [
    _NAME_COLUMN,
    _column("Ready", "string", "Containers that are ready, of all"),
    _column("Status", "string", "Phase of the pod, or what keeps it from running"),
    _column("Restarts", "string", "How often a container was started again, and when last"),
    _AGE_COLUMN,
    _column("IP", "string", "Address of the pod", priority=1),
    _column("Node", "string", "Where it runs", priority=1),
    _column("Nominated Node", "string", "Where it is to run", priority=1),
    _column("Readiness Gates", "string", "More conditions of its readiness", priority=1),
]
_NODE = [
    _NAME_COLUMN,
    _column("Status", "string", "Whether it takes pods"),
    _column("Roles", "string", "Roles of the node"),
    _AGE_COLUMN,
    _column("Version", "string", "The Kubernetes whose answers are given"),
    _column("Internal-IP", "string", "Address within", priority=1),
    _column("External-IP", "string", "Address from outside", priority=1),
    _column("OS-Image", "string", "Operating system", priority=1),
    _column("Kernel-Version", "string", "Kernel", priority=1),
    _column("Container-Runtime", "string", "What runs containers; here they are processes", priority=1),
]
_DATA_COLUMN = _column("Data", "string", "How many keys it has")
_SECRET = [_NAME_COLUMN, _column("Type", "string", "What the secret is for"), _DATA_COLUMN, _AGE_COLUMN]
_CONFIG_MAP = [_NAME_COLUMN, _DATA_COLUMN, _AGE_COLUMN]
_SERVICE_ACCOUNT = [_NAME_COLUMN, _column("Secrets", "string", "How many secrets it names"), _AGE_COLUMN]
_TABLES: dict[str, tuple[list[Object], Callable[[Object, float], list[Any]]]] = {
    "inferenceservices": (_ISVC, _isvc_cells),
    "namespaces": (_NAMESPACE, _namespace_cells),
    "secrets": (_SECRET, _secret_cells),
    "configmaps": (_CONFIG_MAP, _config_map_cells),
    "serviceaccounts": (_SERVICE_ACCOUNT, _service_account_cells),
    "events": (_EVENT, event_cells),
    "pods": (_POD, pod_cells),
    "nodes": (_NODE, node_cells),
}
