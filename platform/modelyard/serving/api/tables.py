"""Tables as kubectl prints them: KServe's printer columns, and those of the core kinds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from modelyard.serving.api.resources import Resource

Object = dict[str, Any]

_NAME = (
    "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a"
    " client to request the generation of an appropriate name automatically. Name is primarily intended for creation"
    " idempotence and configuration definition. Cannot be updated. More info:"
    " https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names"
)
_COLUMN = "Custom resource definition column (in JSONPath format): "


def age(since: str | None, now: float) -> str:
    """A time in the past as kubectl tells it: 4s, 3m20s, 12m, 5h3m, 2d4h, 30d; `<unknown>` without one.

    Source: k8s.io/apimachinery duration.HumanDuration.
    """
    if not since:
        return "<unknown>"
    seconds = int(now - datetime.fromisoformat(since).timestamp())
    if seconds < -1:
        return "<invalid>"
    minutes, hours, days = max(seconds, 0) // 60, seconds // 3600, seconds // 86400
    forms = (
        (seconds < 120, f"{max(seconds, 0)}s"),
        (minutes < 10, f"{minutes}m{_rest(seconds % 60, 's')}"),
        (minutes < 180, f"{minutes}m"),
        (hours < 8, f"{hours}h{_rest(minutes % 60, 'm')}"),
        (hours < 48, f"{hours}h"),
        (days < 8, f"{days}d{_rest(hours % 24, 'h')}"),
        (days < 730, f"{days}d"),
        (days < 2920, f"{days // 365}y{_rest(days % 365, 'd')}"),
    )
    return next((told for holds, told in forms if holds), f"{days // 365}y")


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


def _rest(value: int, unit: str) -> str:
    return f"{value}{unit}" if value else ""


def _column(name: str, kind: str, description: str, text_format: str = "") -> Object:
    return {"name": name, "type": kind, "format": text_format, "description": description, "priority": 0}


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


def _event_cells(obj: Object, now: float) -> list[Any]:
    subject = obj.get("involvedObject", {})
    last = obj.get("lastTimestamp") or obj.get("firstTimestamp") or obj["metadata"].get("creationTimestamp")
    named = f"{str(subject.get('kind', '')).lower()}/{subject.get('name', '')}"
    return [age(last, now), obj.get("type"), obj.get("reason"), named, obj.get("message")]


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
    _column("Message", "string", "What happened"),
]
_TABLES: dict[str, tuple[list[Object], Callable[[Object, float], list[Any]]]] = {
    "inferenceservices": (_ISVC, _isvc_cells),
    "namespaces": (_NAMESPACE, _namespace_cells),
    "events": (_EVENT, _event_cells),
}
