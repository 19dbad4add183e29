"""What the first page tells of each InferenceService's traffic: fixed queries over the recorded series."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from modelyard.board.queries import Sources, Unanswered
from modelyard.board.windows import Window

HISTORY_S = 600
STEP_S = 15
OWNER = "namespace, inferenceservice"
REQUESTS = f"sum by ({OWNER}) (modelyard:requests:rate)"
NOW = {
    "requests": REQUESTS,
    "p95_s": f"max by ({OWNER}) (modelyard:latency_seconds:p95)",
    "errors": f"sum by ({OWNER}) (modelyard:errors:rate) / (sum by ({OWNER}) (modelyard:requests:rate) > 0)",
}
SHARES = "modelyard:traffic_ratio"
Found = dict[str, dict[str, Any]]


async def ask_traffic(sources: Sources, now_s: float) -> Found | None:
    """Of each `NAMESPACE/NAME`: requests a second, p95_s, errors (ratio), shares by revision and ten minutes' history.

    None where Prometheus does not answer.
    """
    end_s = int(now_s) // STEP_S * STEP_S
    window = Window(end_s - HISTORY_S, end_s, STEP_S, live=True)
    try:
        history, shares, *now = await asyncio.gather(
            sources.over_time(REQUESTS, window),
            sources.now(SHARES, now_s),
            *(sources.now(promql, now_s) for promql in NOW.values()),
        )
    except Unanswered:
        return None
    return join(history, shares, dict(zip(NOW, now, strict=True)))


def join(
    history: Sequence[Mapping[str, Any]],
    shares: Sequence[Mapping[str, Any]],
    now: Mapping[str, Sequence[Mapping[str, Any]]],
) -> Found:
    """The answers by InferenceService; what has no series is None: no data is not zero."""
    found: Found = {}

    def of(labels: Mapping[str, str]) -> dict[str, Any]:
        key = f"{labels.get('namespace', '')}/{labels.get('inferenceservice', '')}"
        return found.setdefault(key, {**dict.fromkeys(now), "revisions": {}, "history": []})

    for name, samples in now.items():
        for sample in samples:
            of(sample["labels"])[name] = sample["value"]
    for sample in shares:
        of(sample["labels"])["revisions"][sample["labels"].get("revision", "")] = sample["value"]
    for series in history:
        of(series["labels"])["history"] = series["values"]
    return found
