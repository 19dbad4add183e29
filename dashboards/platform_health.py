"""The dashboard "Platform": does the yard itself run, what does it take, and does the drift monitor keep up?"""

from __future__ import annotations

from typing import Any

from dashboards.frame import board
from dashboards.panels import Limit, alert_list, bars, graph, number, stretches

TITLE = "Platform"
GIBIBYTE = 2**30

NOW = [
    number(
        "How many services answer?",
        "Services of the yard that answer now. Below, which do not.",
        "sum(modelyard:service_ready)",
        "",
    ),
    number(
        "How often was a service started again?",
        "Starts that nobody asked for, of all services together, since the last ./invoke up.",
        "sum(modelyard:service_restarts)",
        "",
        limit=Limit(1),
    ),
    number(
        "How much disk is left?",
        "Free space where the yard keeps its data. Below 1 GiB it becomes narrow: Prometheus, MLflow and the monitor"
        " write all the time.",
        "modelyard:disk_free_bytes",
        "",
        unit="bytes",
        limit=Limit(GIBIBYTE, bad_above=False, near=4 * GIBIBYTE),
    ),
    number(
        "How much memory does the yard take?",
        "Resident memory of every service together. Replicas share pages, which count once for each here.",
        "sum(modelyard:memory_bytes)",
        "",
        unit="bytes",
    ),
]

SERVICES = [
    stretches(
        "Which service answered, and when?",
        "One row a service: green while it answers, red while it does not. A red gap in one row is a service that died"
        " and came back; ./invoke why SERVICE tells why.",
        "modelyard:service_ready",
        "{{service}}",
        span=24,
        limit=Limit(1, bad_above=False),
        words={"1": ("UP", "green"), "0": ("DOWN", "red")},
        empty="nothing is measured yet",
    ),
    bars(
        "Which service was started again?",
        "Starts since the last ./invoke up that nobody asked for. A number that grows is a crash loop.",
        "modelyard:service_restarts",
        "{{service}}",
        limit=Limit(1),
        empty="not counted yet",
    ),
    alert_list("What does Alertmanager hold?", "The alerts of now with their labels, and what to do."),
]

COST = [
    bars(
        "Who takes the memory?",
        "Resident memory now. Replicas are forked from one warm parent and share pages with it, which count once for"
        " each here.",
        "sort_desc(modelyard:memory_bytes)",
        "{{service}}",
        unit="bytes",
        span=8,
    ),
    graph(
        "Who takes the processor?",
        "Cores that each service keeps busy, over the last minute. 1 is one whole core.",
        [("modelyard:cpu_cores:rate", "{{service}}")],
        unit="short",
        span=8,
        stacked=True,
    ),
    graph(
        "Does the disk fill up?",
        "Free space where the yard keeps its data, and what its logs take.",
        [("modelyard:disk_free_bytes", "free"), ("modelyard:log_bytes", "logs")],
        unit="bytes",
        span=8,
    ),
]

MONITOR = [
    graph(
        "Does the drift monitor keep up?",
        "What it has accepted, durably, and not worked through yet: events that have no pair or window yet, windows"
        " whose report is being made. It should return to 0.",
        [("modelyard:monitor_backlog", "{{kind}}")],
        unit="short",
    ),
    graph(
        "What becomes of the events?",
        "Events from the payload logger a second, by what became of them: a pair is a request with its answer; what is"
        " no prediction is acknowledged and ignored.",
        [("modelyard:monitor_events:rate", "{{outcome}}")],
        unit="cps",
    ),
    graph(
        "Is the monitor blind for something?",
        "Part of the events that the replicas could not deliver, because the monitor was too slow or away. What is lost"
        " here is in no window. Counted since the replicas started; the dashed line is one in a hundred.",
        [("modelyard:payload_lost_ratio", "{{revision}}")],
        unit="percentunit",
        limit=Limit(0.01),
        empty="no replica sends events",
    ),
    graph(
        "How long does a drift report take?",
        "On average over all windows so far. Reports are made in a process of their own and hold up no event.",
        [("modelyard:report_seconds:mean", "mean")],
        unit="s",
        empty="no report yet",
    ),
]


def build() -> Any:
    """The dashboard."""
    return board(
        "modelyard-platform",
        TITLE,
        "Does the yard itself run, what does it take, and does the drift monitor keep up?",
        [
            ("Now", NOW),
            ("Services: who answers?", SERVICES),
            ("Cost: who takes what?", COST),
            ("Drift monitor: does it keep up?", MONITOR),
        ],
    ).build()
