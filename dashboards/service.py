"""The dashboard "Service": one InferenceService as its callers see it."""

from __future__ import annotations

from typing import Any

from dashboards.frame import board
from dashboards.panels import SERVICE, Limit, graph, heat_map, number, table

TITLE = "Service"
ERRORS = (
    f"sum(modelyard:errors:rate{{{SERVICE}}}) / (sum(modelyard:requests:rate{{{SERVICE}}}) > 0)"
    f" or sum(modelyard:errors:rate{{{SERVICE}}}) * 0"
)

NOW = [
    number(
        "How much is asked?",
        "Answered requests a second over the last minute, of all revisions together.",
        f"sum(modelyard:requests:rate{{{SERVICE}}})",
        "",
        unit="reqps",
        decimals=1,
    ),
    number(
        "How many requests fail?",
        "Part of the requests of the last minute that were answered with 500 or above.",
        ERRORS,
        "",
        unit="percentunit",
        limit=Limit(0.01),
        decimals=1,
    ),
    number(
        "How long do callers wait?",
        "95 of 100 requests of the last minute were answered faster, at the slowest revision.",
        f"max(modelyard:latency_seconds:p95{{{SERVICE}}})",
        "",
        unit="s",
        empty="no requests",
    ),
    number(
        "How many replicas are ready?",
        "Model servers that can answer, of all revisions. 0 where it sleeps (minReplicas 0).",
        f"sum(modelyard:replicas_ready{{{SERVICE}}})",
        "",
    ),
]


def numbered(series: str) -> str:
    """A series of the chosen service by the number at the end of each revision's name, which is all that differs."""
    return f'label_replace({series}{{{SERVICE}}}, "number", "$1", "revision", ".*-([0-9]+)")'


TRAFFIC = [
    graph(
        "Who answers?",
        "How the gateway really split the requests. During a canary the new revision's part grows from below; with few"
        " requests it scatters, and without any there is nothing to see.",
        [(numbered("modelyard:traffic_ratio"), "revision {{number}}")],
        unit="percentunit",
        top=1,
        stacked=True,
        empty="no requests in this time",
    ),
    table(
        "Which model does each revision serve, and what should it get?",
        "Every change of a model makes a new revision. The target is what the control plane has decided"
        " (canaryTrafficPercent); what it gets is what the gateway counted over the last minute.",
        [
            (
                f"modelyard:model_info{{{SERVICE}}} * on (namespace, inferenceservice, revision) group_left ()"
                " modelyard:traffic_target_ratio",
                "target",
                "percentunit",
            ),
            (
                f"modelyard:model_info{{{SERVICE}}} * on (namespace, inferenceservice, revision) group_left ()"
                " modelyard:traffic_ratio",
                "gets",
                "percentunit",
            ),
            (
                f"modelyard:model_info{{{SERVICE}}} * on (namespace, inferenceservice, revision) group_left ()"
                " modelyard:replicas_ready",
                "replicas ready",
                "short",
            ),
        ],
        labels={"revision": "revision", "model_version": "model version"},
        empty="no revision yet",
    ),
]

LATENCY = [
    heat_map(
        "How are the waiting times spread?",
        "Each column is a moment, each row a range of waiting times at the gateway, the darker the more requests. Two"
        " bands mean two kinds of callers: often those who met a cold start or a slow replica.",
        f"modelyard:latency_bucket:rate{{{SERVICE}}}",
        unit="ms",
    ),
    graph(
        "How long do lucky and unlucky callers wait?",
        "Half of the requests were faster than p50, 99 of 100 faster than p99. Estimated from buckets, so fine"
        " differences are not real. The model's own part is what its server measured.",
        [
            (numbered("modelyard:latency_seconds:p50"), "p50 {{number}}"),
            (numbered("modelyard:latency_seconds:p95"), "p95 {{number}}"),
            (numbered("modelyard:latency_seconds:p99"), "p99 {{number}}"),
            (numbered("modelyard:predict_seconds:p95"), "p95 in the model {{number}}"),
        ],
        unit="s",
        empty="no requests in this time",
    ),
]

ERRORS_AND_REPLICAS = [
    graph(
        "Which revision fails?",
        "Part of each revision's requests that were answered with 500 or above; the dashed line is one in a hundred.",
        [(numbered("modelyard:error_ratio"), "revision {{number}}")],
        unit="percentunit",
        limit=Limit(0.01),
    ),
    graph(
        "Are there enough replicas?",
        "The gap from requested to ready is the time that replicas take to start. Why there are as many as there are:"
        " dashboard Autoscaling.",
        [
            (numbered("modelyard:replicas_requested"), "requested {{number}}"),
            (numbered("modelyard:replicas_ready"), "ready {{number}}"),
        ],
        unit="short",
    ),
    graph(
        "How many requests wait for their answer?",
        "In flight is what the gateway has passed on; held is what the activator keeps until a replica is ready."
        " Numbers that keep growing say that replicas are too few or too slow.",
        [
            (numbered("modelyard:requests_in_flight"), "in flight {{number}}"),
            (numbered("modelyard:requests_queued"), "held {{number}}"),
        ],
        unit="short",
        span=24,
    ),
]


def build() -> Any:
    """The dashboard."""
    return board(
        "modelyard-service",
        TITLE,
        "One InferenceService as its callers see it: who answers, how fast, how often it fails, and who waits.",
        [
            ("Now", NOW),
            ("Traffic: who answers how much?", TRAFFIC),
            ("Latency: how long does a caller wait?", LATENCY),
            ("Errors and replicas: is there enough, and does it hold?", ERRORS_AND_REPLICAS),
        ],
        known_by="modelyard:replicas_ready",
    ).build()
