"""The lines with which `up` ends: each can be pasted."""

from __future__ import annotations

import json
from typing import Any

from modelyard.connections import Connections
from modelyard.kube import is_ready


def next_steps(conn: Connections) -> list[str]:
    """Commands for the yard as it is now: a prediction where an InferenceService is ready, else the demo."""
    return ["", "Next, to paste:", *(f"  {line}" for line in decide_next_steps(conn, _inferenceservices(conn)))]


def decide_next_steps(conn: Connections, held: list[dict[str, Any]]) -> list[str]:
    """The lines, from the InferenceServices that there are."""
    ready = next((item for item in held if is_ready(item)), None)
    first = predict_line(conn, ready["metadata"]["name"], ready["metadata"]["namespace"]) if ready else "./invoke demo"
    return [first, 'eval "$(./invoke env)"', "kubectl get isvc", "./invoke open"]


def predict_line(conn: Connections, name: str, namespace: str) -> str:
    """A prediction with curl: one row whose columns are all missing, which every model of the story can answer."""
    body = json.dumps({"instances": [{"carrier": "UA", "origin": "EWR", "dest": "ORD", "dep_delay": 45}]})
    url = f"http://{conn.host(name, namespace)}:{conn.port('gateway')}/v1/models/{name}:predict"
    return f"curl -s {url} -H 'Content-Type: application/json' -d '{body}'"


def _inferenceservices(conn: Connections) -> list[dict[str, Any]]:
    import httpx

    from modelyard.services.serving import list_inferenceservices

    try:
        return list_inferenceservices(conn)
    except (OSError, LookupError, ValueError, httpx.HTTPError):
        return []
