"""The dashboard "Overview": is everything well? The page to begin with, and to leave on the wall."""

from __future__ import annotations

from typing import Any

from dashboards.frame import board
from dashboards.panels import Limit, graph, number, stretches, table

TITLE = "Overview"
PER_SERVICE = "namespace, inferenceservice"

WELL = [
    number(
        "Does any alert fire?",
        "Alerts about models and about the platform that fire now.",
        "sum(modelyard:alerts_firing) or vector(0)",
        "",
        span=6,
        limit=Limit(1),
        words={"0": ("none", "green")},
    ),
    number(
        "Which parts of the yard answer?",
        "Every service of the yard: UP while it answers a real request, or, where nobody asks it one, while Prometheus"
        " can read its metrics. ./invoke why SERVICE tells what is wrong with one that is DOWN.",
        "modelyard:service_ready",
        "{{service}}",
        span=18,
        words={"1": ("UP", "green"), "0": ("DOWN", "red")},
        empty="nothing is measured yet",
    ),
]

MODELS = [
    table(
        "Which model answers, and how well does it do?",
        "Each model version in the traffic: the share that it is meant to get, the columns of its last window that look"
        " unlike its training data, and how it does on the rows whose truth has come. During a canary there are two"
        " rows, one for each version.",
        [
            ("modelyard:version_traffic_ratio", "share of traffic", "percentunit"),
            ("modelyard:drift_columns", "columns drifted", "short"),
            ("modelyard:accuracy_ratio", "accuracy", "percentunit"),
            ("modelyard:log_loss", "log loss", "short"),
            ("modelyard:rows_total", "rows seen", "short"),
        ],
        labels={"namespace": "namespace", "inferenceservice": "InferenceService", "model_version": "model version"},
        span=24,
        height=5,
        empty="no InferenceService yet: ./invoke promote",
    ),
]

CALLERS = [
    graph(
        "How much is asked of each InferenceService?",
        "Answered requests a second, over the last minute.",
        [(f"sum by ({PER_SERVICE}) (modelyard:requests:rate)", "{{inferenceservice}}")],
        unit="reqps",
        empty="no InferenceService yet",
    ),
    graph(
        "How long do callers wait?",
        "95 of 100 requests were answered faster, at the slowest revision of each InferenceService. No line without"
        " requests.",
        [(f"max by ({PER_SERVICE}) (modelyard:latency_seconds:p95)", "{{inferenceservice}}")],
        unit="s",
        empty="no requests in this time",
    ),
    graph(
        "How many requests fail?",
        "Part of the requests that were answered with 500 or above; the dashed line is one in a hundred. A wrong"
        " request (4xx) is the client's and not counted.",
        [
            (
                f"sum by ({PER_SERVICE}) (modelyard:errors:rate)"
                f" / (sum by ({PER_SERVICE}) (modelyard:requests:rate) > 0)"
                f" or sum by ({PER_SERVICE}) (modelyard:errors:rate) * 0",
                "{{inferenceservice}}",
            )
        ],
        unit="percentunit",
        limit=Limit(0.01),
        empty="no requests in this time",
    ),
    graph(
        "How many replicas are ready?",
        "Model servers that can answer, of each InferenceService: they follow the load. 0 where it sleeps"
        " (minReplicas 0): the next request wakes it.",
        [(f"sum by ({PER_SERVICE}) (modelyard:replicas_ready)", "{{inferenceservice}}")],
        unit="short",
        empty="no InferenceService yet",
    ),
]

ALERTS = [
    stretches(
        "What fired, and when?",
        "When each alert fired. A version that no traffic goes to has no series, and its alerts end.",
        "modelyard:alerts_firing",
        "{{alertname}} {{inferenceservice}} {{model_version}}",
        span=24,
        height=7,
        empty="no alert in this time",
    ),
]


def build() -> Any:
    """The dashboard."""
    return board(
        "modelyard-overview",
        TITLE,
        "Is everything well? The yard's services, the models in the traffic, their callers, and what fired.",
        [
            ("Is everything well?", WELL),
            ("Models: are the answers still right?", MODELS),
            ("Callers: do they get their answers?", CALLERS),
            ("Alerts: what fired when?", ALERTS),
        ],
    ).build()
