"""The dashboard "Service health": are the parts up, and how do requests fare?"""

from __future__ import annotations

from typing import Any

from dashboards.panels import SERVICE, Limit, alert_list, bars, board, graph, number

TITLE = "Service health"

UP = [
    number(
        "Services",
        "UP while Prometheus can read a service's metrics. MLflow and the object store tell none: ./invoke status asks"
        " them with a real request.",
        "modelyard:service_up",
        "{{service}}",
        span=12,
        words={"1": ("UP", "green"), "0": ("DOWN", "red")},
    ),
    number(
        "Alerts firing",
        "How many alerts fire now, of models and of the platform.",
        "sum(modelyard:alerts_firing) or vector(0)",
        "",
        limit=Limit(1),
    ),
    number(
        "Replicas ready",
        "Model servers that can answer, of all revisions of this InferenceService. 0 where it sleeps (minReplicas 0).",
        f"sum(modelyard:replicas_ready{{{SERVICE}}})",
        "",
    ),
    number(
        "Requests a second",
        "Answered requests a second over the last minute, of all revisions of this InferenceService.",
        f"sum(modelyard:requests:rate{{{SERVICE}}})",
        "",
        unit="reqps",
        decimals=1,
    ),
]

TRAFFIC = [
    graph(
        "Requests by revision",
        "Answered requests a second. Every change of a model makes a new revision; during a canary two of them answer.",
        [(f"modelyard:requests:rate{{{SERVICE}}}", "{{revision}}")],
        unit="reqps",
        span=8,
    ),
    graph(
        "Share of the traffic",
        "How the gateway really split the requests, and how it should (canaryTrafficPercent). With few requests the"
        " real share scatters; without any it has no line.",
        [
            (f"modelyard:traffic_ratio{{{SERVICE}}}", "{{revision}}"),
            (f"modelyard:traffic_target_ratio{{{SERVICE}}}", "target of {{revision}}"),
        ],
        unit="percentunit",
        span=8,
        top=1,
    ),
    graph(
        "Errors",
        "Part of the requests that were answered with 500 or above. A wrong request (4xx) is the client's and not"
        " counted.",
        [(f"modelyard:error_ratio{{{SERVICE}}}", "{{revision}}")],
        unit="percentunit",
        span=8,
        limit=Limit(0.01),
    ),
]

LATENCY = [
    graph(
        "Time to the answer, at the gateway",
        "Half of the requests were faster than p50, 95 of 100 faster than p95. The gap between them is what unlucky"
        " callers feel. Estimated from buckets, so fine differences are not real. No line while there are no"
        " requests.",
        [
            (f"modelyard:latency_seconds:p50{{{SERVICE}}}", "p50 {{revision}}"),
            (f"modelyard:latency_seconds:p95{{{SERVICE}}}", "p95 {{revision}}"),
            (f"modelyard:latency_seconds:p99{{{SERVICE}}}", "p99 {{revision}}"),
        ],
        unit="s",
    ),
    graph(
        "Time in the model (p95)",
        "As the model server measured the call of the model itself. What the gateway sees on top of it is waiting,"
        " parsing and the way there and back.",
        [(f"modelyard:predict_seconds:p95{{{SERVICE}}}", "{{revision}}")],
        unit="s",
    ),
]

REPLICAS = [
    graph(
        "Ready replicas",
        "Model servers that can answer. While there is none, requests wait in the activator for a cold start: the"
        " dashboard Autoscaling tells why there are as many as there are.",
        [(f"modelyard:replicas_ready{{{SERVICE}}}", "{{revision}}")],
        unit="short",
    ),
    graph(
        "Requests in flight",
        "Requests that wait for their answer. A number that keeps growing says that replicas are too few or too slow.",
        [(f"modelyard:requests_in_flight{{{SERVICE}}}", "{{revision}}")],
        unit="short",
    ),
]

MONITOR = [
    graph(
        "Backlog of the drift monitor",
        "What it has accepted, durably, and not worked through yet: events that have no pair or window yet, windows"
        " whose report is being made. It should return to 0.",
        [("modelyard:monitor_backlog", "{{kind}}")],
        unit="short",
        span=6,
    ),
    graph(
        "Events from the payload logger",
        "By what became of them: a pair is a request with its answer; what is no prediction is acknowledged and"
        " ignored.",
        [("modelyard:monitor_events:rate", "{{outcome}}")],
        unit="cps",
        span=6,
    ),
    graph(
        "Events lost on the way",
        "Part of the events that the replicas could not deliver, because the monitor was too slow or away. What is"
        " lost here is in no window: the monitor is blind for it. Counted since the replicas started.",
        [(f"modelyard:payload_lost_ratio{{{SERVICE}}}", "{{revision}}")],
        unit="percentunit",
        span=6,
        limit=Limit(0.01),
    ),
    graph(
        "Time of a drift report",
        "How long the report of one window takes, on average over all of them. Reports are made in a"
        " process of their own, so that they hold up no event.",
        [("modelyard:report_seconds:mean", "mean")],
        unit="s",
        span=6,
    ),
]

PLATFORM = [
    bars(
        "Memory now",
        "Resident memory. Replicas are forked from one warm parent and share pages with it, which count once for"
        " each here.",
        "sort_desc(modelyard:memory_bytes)",
        "{{service}}",
        unit="bytes",
    ),
    alert_list("Alerts now", "What Alertmanager holds, with the labels of each alert and what to do."),
]


def build() -> Any:
    """The dashboard."""
    return board(
        "modelyard-service-health",
        TITLE,
        "Are the parts up, and how do requests fare? Every panel reads modelyard:* series only.",
        [
            ("Is everything up?", UP),
            ("Traffic: who answers how much?", TRAFFIC),
            ("Latency: how long does a caller wait?", LATENCY),
            ("Replicas: is there enough of them?", REPLICAS),
            ("Drift monitor: does it keep up?", MONITOR),
            ("Platform: what does it take, and what is wrong?", PLATFORM),
        ],
        known_by="modelyard:replicas_ready",
    ).build()
