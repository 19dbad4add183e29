"""The lines with which `up` ends: each can be pasted."""

from __future__ import annotations

import json
from typing import Any

from modelyard.connections import Connections
from modelyard.kube import is_ready

STORY_MODEL = "flights"
FLIGHT = {
    **{"carrier": "UA", "origin": "EWR", "dest": "ORD", "distance": 719, "sched_min": 1050, "weekday": 4},
    **{"dep_delay": 45, "sched_block": 150, "load_hour": 60, "dewp": 70, "humid": 70, "wind_speed": 10},
    **{"precip": 0, "pressure": 1012, "visib": 10},
}
"""A flight as the model of the story takes it: it asks for every column of its signature."""


def next_steps(conn: Connections) -> list[str]:
    """Commands for the yard as it is now: a prediction where an InferenceService is ready, else the demo."""
    return ["", "Next, to paste:", *(f"  {line}" for line in decide_next_steps(conn, _inferenceservices(conn)))]


def decide_next_steps(conn: Connections, held: list[dict[str, Any]]) -> list[str]:
    """The lines, from the InferenceServices that there are."""
    ready = next((item for item in held if is_ready(item)), None)
    first = ask_line(conn, ready["metadata"]["name"], ready["metadata"]["namespace"]) if ready else "./invoke demo"
    return [first, 'eval "$(./invoke env)"', "kubectl get isvc", "./invoke open"]


def ask_line(conn: Connections, name: str, namespace: str) -> str:
    """A request with curl: a prediction of the story's model; the state of another, whose columns nobody knows here."""
    url = f"http://{conn.host(name, namespace)}:{conn.port('gateway')}/v1/models/{name}"
    if name != STORY_MODEL:
        return f"curl -s {url}"
    body = json.dumps({"instances": [FLIGHT]})
    return f"curl -s {url}:predict -H 'Content-Type: application/json' -d '{body}'"


def _inferenceservices(conn: Connections) -> list[dict[str, Any]]:
    import httpx

    from modelyard.services.serving import list_inferenceservices

    try:
        return list_inferenceservices(conn)
    except (OSError, LookupError, ValueError, httpx.HTTPError):
        return []
