"""The yard's own services: who answers, and what they take."""

from __future__ import annotations

from dashboards.series.kinds import RATE_WINDOW_S, Group, Series

PLATFORM = Group(
    "modelyard-platform",
    "the yard's own services",
    (
        Series(
            "modelyard:service_up",
            "1 while Prometheus can read the service's metrics, else 0; the object store and MLflow tell none.",
            "1 or 0",
            ("service",),
            'min by (service) (label_replace(up{job!="replicas"}, "service", "$1", "job", "(.+)"))',
        ),
        Series(
            "modelyard:service_ready",
            "1 while a service answers a real request, as the board asks each, else 0; of a service that the board does"
            " not tell of, whether Prometheus can read its metrics.",
            "1 or 0",
            ("service",),
            "max by (service) (modelyard_service_ready)\nor modelyard:service_up",
        ),
        Series(
            "modelyard:service_lost",
            "1 while a service does not answer that has answered in the last six hours, else 0; no sample before it"
            " has, because starting is no fault.",
            "1 or 0",
            ("service",),
            "1 - modelyard:service_ready\nand on (service) max_over_time(modelyard:service_ready[6h:1m]) == 1",
        ),
        Series(
            "modelyard:service_restarts",
            "Starts of a service that nobody asked for, since the last `up`.",
            "starts",
            ("service",),
            "max by (service) (modelyard_service_restarts_total)",
        ),
        Series(
            "modelyard:memory_bytes",
            "Resident memory of a service; of the replicas together, whose shared pages count once for each.",
            "bytes",
            ("service",),
            "max by (service) (modelyard_service_memory_bytes)\n"
            'or sum by (service) (label_replace(process_resident_memory_bytes, "service", "$1", "job", "(.+)"))\n'
            'or sum by (service) (label_replace(envoy_server_memory_physical_size, "service", "$1", "job", "(.+)"))',
        ),
        Series(
            "modelyard:cpu_cores:rate",
            "Processor cores that a service keeps busy.",
            "cores",
            ("service",),
            f"max by (service) (rate(modelyard_service_cpu_seconds_total[{RATE_WINDOW_S}s]))\n"
            "or sum by (service) (label_replace("
            f'rate(process_cpu_seconds_total[{RATE_WINDOW_S}s]), "service", "$1", "job", "(.+)"))',
        ),
        Series(
            "modelyard:disk_free_bytes",
            "Free space where the yard keeps its data.",
            "bytes",
            (),
            "min(modelyard_disk_free_bytes)",
        ),
        Series(
            "modelyard:log_bytes",
            "What the logs of all services take.",
            "bytes",
            (),
            "sum(modelyard_log_bytes)",
        ),
        Series(
            "modelyard:alerts_firing",
            "Number of alerts that fire.",
            "alerts",
            ("alertname", "severity", "namespace", "inferenceservice", "model_version"),
            'count by (alertname, severity, namespace, inferenceservice, model_version) (ALERTS{alertstate="firing"})',
        ),
    ),
)
