"""The dashboard "Autoscaling": how many replicas are there, and why?"""

from __future__ import annotations

from typing import Any

from dashboards.frame import board
from dashboards.panels import SERVICE, Limit, graph, number

TITLE = "Autoscaling"
PANIC_THRESHOLD_RATIO = 2
"""Knative's default of panic-threshold-percentage, as a ratio."""

NOW = [
    number(
        "How many replicas are ready?",
        "Replicas that can answer, of all revisions of this InferenceService. 0 is no fault where minReplicas is 0: it"
        " sleeps, and the next request wakes it.",
        f"sum(modelyard:replicas_ready{{{SERVICE}}})",
        "",
    ),
    number(
        "How loaded are they?",
        "Load of the last seconds as a part of what the ready replicas are meant for. Around 1 there are just enough;"
        " from 2 on the autoscaler panics.",
        f"max(modelyard:load_ratio:panic{{{SERVICE}}})",
        "",
        unit="percentunit",
        limit=Limit(PANIC_THRESHOLD_RATIO),
        decimals=0,
    ),
    number(
        "Is there panic?",
        "STABLE follows the average of the stable window (60 s by default). PANIC follows the panic window, a tenth of"
        " it, and takes no replica away until the surge has been over for a stable window.",
        f"max(modelyard:panic{{{SERVICE}}})",
        "",
        words={"0": ("STABLE", "green"), "1": ("PANIC", "red")},
    ),
    number(
        "How many requests wait for a replica?",
        "Requests that the activator holds because no replica can take them. They wait for a replica, at most as long"
        " as the revision's timeout; nobody is refused before 10,000 wait.",
        f"sum(modelyard:requests_queued{{{SERVICE}}})",
        "",
        limit=Limit(1),
    ),
]

REPLICAS = [
    graph(
        "Does the number of replicas follow the load?",
        "The load asks: ceil(load / target). Requested is that within minReplicas and maxReplicas, and within the"
        " rates: at most half fewer in one tick of 2 s. The gap from requested to ready is the time that replicas take"
        " to start.",
        [
            (f"modelyard:replicas_desired{{{SERVICE}}}", "asked for: {{revision}}"),
            (f"modelyard:replicas_requested{{{SERVICE}}}", "requested: {{revision}}"),
            (f"modelyard:replicas_ready{{{SERVICE}}}", "ready: {{revision}}"),
        ],
        unit="short",
        span=16,
    ),
    graph(
        "Which replicas are still starting?",
        "Started and not ready yet: the model is fetched and loaded. One that stays here says that it does not"
        " become ready.",
        [(f"modelyard:replicas_starting{{{SERVICE}}}", "{{revision}}")],
        unit="short",
        span=8,
    ),
]

LOAD = [
    graph(
        "Are more requests in flight than the replicas are meant for?",
        "Averages over the stable and the panic window, of all replicas and the activator together. The target is that"
        " of one replica times the ready ones: where the load lies above it, replicas are added. No lines where"
        " scaleMetric is rps.",
        [
            (f"modelyard:concurrency:stable{{{SERVICE}}}", "stable {{revision}}"),
            (f"modelyard:concurrency:panic{{{SERVICE}}}", "panic {{revision}}"),
            (
                f"modelyard:concurrency_target{{{SERVICE}}} * modelyard:replicas_ready{{{SERVICE}}}",
                "target of all {{revision}}",
            ),
        ],
        unit="short",
    ),
    graph(
        "Are there more requests a second than they are meant for?",
        "The same for an InferenceService whose scaleMetric is rps. No lines where it is concurrency, which is the"
        " default.",
        [
            (f"modelyard:rps:stable{{{SERVICE}}}", "stable {{revision}}"),
            (f"modelyard:rps:panic{{{SERVICE}}}", "panic {{revision}}"),
            (
                f"modelyard:rps_target{{{SERVICE}}} * modelyard:replicas_ready{{{SERVICE}}}",
                "target of all {{revision}}",
            ),
        ],
        unit="reqps",
    ),
    graph(
        "How near is panic?",
        "Load over the panic window as a part of what the ready replicas are meant for. Panic begins at the dashed"
        " line: twice as much, where the annotation panic-threshold-percentage says nothing else.",
        [(f"modelyard:load_ratio:panic{{{SERVICE}}}", "{{revision}}")],
        unit="percentunit",
        limit=Limit(PANIC_THRESHOLD_RATIO),
    ),
    graph(
        "When was there panic?",
        "1 while the autoscaler is in panic. It ends one stable window after the last moment above the threshold; until"
        " then replicas are only added.",
        [(f"modelyard:panic{{{SERVICE}}}", "{{revision}}")],
        unit="short",
        top=1,
    ),
]

ACTIVATOR = [
    graph(
        "Who waits for a cold start?",
        "While there is no replica the activator keeps the requests and asks for one. A short peak is a cold start;"
        " what stays is a revision that does not start.",
        [(f"modelyard:requests_queued{{{SERVICE}}}", "{{revision}}")],
        unit="short",
        span=8,
    ),
    graph(
        "Is there room for a burst?",
        "What the ready replicas could take beyond the load of now and the target burst capacity (211 by default)."
        " Below 0 a burst would have to wait, and Knative keeps the activator in the way of every request.",
        [(f"modelyard:burst_capacity{{{SERVICE}}}", "{{revision}}")],
        unit="short",
        span=8,
        bottom=None,
    ),
    graph(
        "What do callers feel (p95)?",
        "95 of 100 requests were answered faster, with the time in the activator. A cold start shows here as a peak;"
        " so do replicas that are too few.",
        [(f"modelyard:latency_seconds:p95{{{SERVICE}}}", "{{revision}}")],
        unit="s",
        span=8,
    ),
]


def build() -> Any:
    """The dashboard."""
    return board(
        "modelyard-autoscaling",
        TITLE,
        "How many replicas are there, and why? The Knative Pod Autoscaler decides every 2 seconds.",
        [
            ("Now", NOW),
            ("Replicas: does their number follow?", REPLICAS),
            ("Load: what does the autoscaler see?", LOAD),
            ("Activator: who waits?", ACTIVATOR),
        ],
        known_by="modelyard:replicas_ready",
    ).build()
