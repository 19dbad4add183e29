"""GET /status as data: backlog and one entry a model version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from modelyard.monitor.metrics import InTraffic
from modelyard.monitor.queries import VersionView


def describe_status(
    versions: Iterable[VersionView], backlog: Mapping[str, int], in_traffic: InTraffic
) -> dict[str, Any]:
    """The whole answer of /status."""
    return {
        "backlog": dict(backlog),
        "versions": [describe_version(held, in_traffic(held.service, held.model_version)) for held in versions],
    }


def describe_version(held: VersionView, in_traffic: bool) -> dict[str, Any]:
    """One version: counts, whether its configuration is known, and the last window of each kind."""
    drift, quality = held.last_drift or {}, held.last_quality or {}
    return {
        "namespace": held.namespace,
        "inferenceservice": held.inferenceservice,
        "model_version": held.model_version,
        "run_id": held.run_id,
        "rows": held.rows,
        "truths": held.truths,
        "in_traffic": in_traffic,
        "config": {"state": held.config_state, "error": held.config_error},
        "drift": {
            **_windows(held, "drift"),
            "breaches_in_a_row": drift.get("breaches_in_a_row", 0),
            "last": held.last_drift,
        },
        "quality": {
            **_windows(held, "quality"),
            "breaches_in_a_row": quality.get("breaches_in_a_row", {}),
            "last": held.last_quality,
        },
    }


def _windows(held: VersionView, kind: str) -> dict[str, int]:
    return {
        "windows": held.windows.get((kind, "done"), 0),
        "waiting": held.windows.get((kind, "waiting"), 0),
        "failed": held.windows.get((kind, "failed"), 0),
        "dropped": held.windows.get((kind, "dropped"), 0),
    }
