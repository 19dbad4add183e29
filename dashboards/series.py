"""The `modelyard:*` series: the one vocabulary that dashboards and alert rules read.

Each substrate measures the same things under other names. Here stands, once, what every series means and how the
substrate `local` gives it; `dashboards/build.py` makes rules/recording.yml and docs/metrics.md from this list. The
names behind the expressions are those of Envoy's /stats/prometheus (to which the scrape configuration adds namespace,
inferenceservice and revision, from the name of the cluster), of KServe's model server, of Knative's autoscaler and
activator, and of the drift monitor.
"""

from __future__ import annotations

from dataclasses import dataclass

RATE_WINDOW_S = 60
"""Seconds over which rates and quantiles are taken: at least four scrapes must fall into it."""

DRIFT_THRESHOLD = 1.5
"""Normalised distance at which a numerical column counts as drifted."""

EARLY_RECALL_THRESHOLD_RATIO = 0.42
"""Recall of the class `early` below which a window of truths counts as a breach."""

PER_REVISION = ("namespace", "inferenceservice", "revision")
PER_VERSION = ("namespace", "inferenceservice", "model_version")


@dataclass(frozen=True)
class Series:
    """One recorded series.

    Attributes:
        name: `modelyard:WHAT`, with `:rate` or `:p95` after it where it is taken over a window of time.
        help: what it tells, in one sentence.
        unit: of its value: seconds, ratio, bytes, a count, or a count per second.
        labels: every label that it carries.
        local: the PromQL that gives it on the substrate `local`.
    """

    name: str
    help: str
    unit: str
    labels: tuple[str, ...]
    local: str


@dataclass(frozen=True)
class Group:
    """Series that are evaluated one after the other: a later one may read an earlier one."""

    name: str
    about: str
    series: tuple[Series, ...]


def _rate(metric: str, labels: tuple[str, ...], selector: str = "") -> str:
    return f"sum by ({', '.join(labels)}) (rate({metric}{selector}[{RATE_WINDOW_S}s]))"


def _errors() -> str:
    """Answers 5xx a second, 0 where there were none.

    Envoy tells of a class of answers only from its first one on, and `rate` sees no growth in a series that begins at
    3: the first errors ever would not show. So a series that is younger than the window counts whole, if the revision
    was watched before.
    """
    metric, selector = "envoy_cluster_upstream_rq_xx", '{envoy_response_code_class="5",revision!=""}'
    first = (
        f"sum by ({', '.join(PER_REVISION)}) ({metric}{selector} unless {metric}{selector} offset {RATE_WINDOW_S}s)"
        f" / {RATE_WINDOW_S}"
    )
    watched = (
        f'and on ({", ".join(PER_REVISION)}) (envoy_cluster_upstream_rq_total{{revision!=""}} offset {RATE_WINDOW_S}s)'
    )
    return f"(\n  {first}\n  {watched}\n)\nor {_rate(metric, PER_REVISION, selector)}\nor modelyard:requests:rate * 0"


def _gateway_quantile(quantile: float) -> str:
    """Envoy measures in milliseconds. Without requests the quantile is NaN, and `>= 0` makes that "no sample"."""
    buckets = _rate("envoy_cluster_upstream_rq_time_bucket", (*PER_REVISION, "le"), '{revision!=""}')
    return f"histogram_quantile({quantile}, {buckets}) / 1000 >= 0"


def _of_revision(metric: str) -> str:
    return f'sum by ({", ".join(PER_REVISION)}) ({metric}{{revision!=""}})'


def _of_knative(metric: str) -> str:
    """Knative's components name a revision by labels of their own; its InferenceService is a part of its name."""
    where = f'label_replace({metric}, "namespace", "$1", "k8s_namespace_name", "(.+)")'
    which = f'label_replace({where}, "revision", "$1", "kn_revision_name", "(.+)")'
    whose = f'label_replace({which}, "inferenceservice", "$1", "kn_revision_name", "(.+)-predictor-[0-9]+")'
    return f"max by ({', '.join(PER_REVISION)}) ({whose})"


def _ready() -> str:
    """The control plane's word; while it does not answer its last one, and where there was none the gateway's.

    To the gateway the activator is one more member of each cluster, so that its word alone would be one too many.
    """
    away = 'and on () (max(up{job="serving"} or vector(0)) == 0)'
    return (
        f"{_of_knative('kn_revision_pods_count')}\n"
        f'or max by ({", ".join(PER_REVISION)}) (modelyard_serving_replicas{{state="ready"}})\n'
        f"or (modelyard:replicas_ready {away})\n"
        f"or ({_of_revision('envoy_cluster_membership_healthy')} {away})"
    )


def _of_version(metric: str, *, also: str = "", how: str = "max") -> str:
    labels = ", ".join((*PER_VERSION, also)) if also else ", ".join(PER_VERSION)
    return f"{how} by ({labels}) ({metric})"


def _held(name: str, metric: str, *, also: str = "") -> str:
    """As the monitor told it; while it does not answer, as it was told last, so that its death ends no alert."""
    return f'{_of_version(metric, also=also)}\nor ({name} and on () (max(up{{job="monitor"}}) == 0))'


def _model_info() -> str:
    """The monitor knows versions, from the Kubernetes API; while it does not answer, as it was told last."""
    by = ", ".join(PER_REVISION)
    told = f"max by ({by}, model_version) (modelyard_monitor_revision_info)"
    last = 'modelyard:model_info{model_version!="none"} and on () (max(up{job="monitor"}) == 0)'
    none = f'label_replace(max by ({by}) (modelyard:replicas_ready) * 0 + 1, "model_version", "none", "", "")'
    return f"{told}\nor ({last})\nor ({none}\n  unless on ({by}) ({told}\n    or ({last})))"


def _lost_events() -> str:
    by = f"sum by ({', '.join(PER_REVISION)})"
    lost = f'{by} (modelyard_payload_events_total{{outcome!="sent"}})'
    every = f"{by} (modelyard_payload_events_total)"
    return f"(\n  {lost}\n  or {every} * 0\n)\n/ ({every} > 0)"


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

SERVING = Group(
    "modelyard-serving",
    "the way of a request, as the gateway and the model servers measure it",
    (
        Series(
            "modelyard:requests:rate",
            "Requests that a revision answered, whatever the answer; 0 from its start on.",
            "requests/s",
            PER_REVISION,
            _rate("envoy_cluster_upstream_rq_xx", PER_REVISION, '{revision!=""}')
            + f"\nor {_of_revision('envoy_cluster_membership_total')} * 0",
        ),
        Series(
            "modelyard:errors:rate",
            "Requests that were answered with 500 or above; 0 where there were none.",
            "requests/s",
            PER_REVISION,
            _errors(),
        ),
        Series(
            "modelyard:error_ratio",
            "Errors as a part of the requests; 0 without requests.",
            "ratio",
            PER_REVISION,
            "modelyard:errors:rate / (modelyard:requests:rate > 0)\nor modelyard:errors:rate * 0",
        ),
        Series(
            "modelyard:traffic_ratio",
            "Part of its InferenceService's requests that a revision answered; no sample without requests.",
            "ratio",
            PER_REVISION,
            "modelyard:requests:rate\n/ ignoring (revision) group_left ()\n"
            "(sum without (revision) (modelyard:requests:rate) > 0)",
        ),
        Series(
            "modelyard:traffic_target_ratio",
            "Part of its InferenceService's requests that a revision should get, as the control plane has decided.",
            "ratio",
            PER_REVISION,
            f"max by ({', '.join(PER_REVISION)}) (modelyard_serving_traffic_ratio)",
        ),
        *(
            Series(
                f"modelyard:latency_seconds:p{percent}",
                f"Time to the answer at the gateway: {percent} of 100 were faster; no sample without requests.",
                "seconds",
                PER_REVISION,
                _gateway_quantile(percent / 100),
            )
            for percent in (50, 95, 99)
        ),
        Series(
            "modelyard:latency_bucket:rate",
            "Requests answered within `le` milliseconds at the gateway, of all revisions; cumulative, as buckets are.",
            "requests/s",
            ("namespace", "inferenceservice", "le"),
            _rate("envoy_cluster_upstream_rq_time_bucket", ("namespace", "inferenceservice", "le"), '{revision!=""}'),
        ),
        Series(
            "modelyard:predict_seconds:p95",
            "Time in the model, as its server measured it: 95 of 100 calls were faster; no sample without calls.",
            "seconds",
            PER_REVISION,
            "histogram_quantile(0.95, " + _rate("request_predict_seconds_bucket", (*PER_REVISION, "le")) + ") >= 0",
        ),
        Series(
            "modelyard:requests_in_flight",
            "Requests that the gateway has passed on and that have no answer yet.",
            "requests",
            PER_REVISION,
            _of_revision("envoy_cluster_upstream_rq_active"),
        ),
        Series(
            "modelyard:replicas_ready",
            "Replicas of a revision that can answer.",
            "replicas",
            PER_REVISION,
            _ready(),
        ),
        Series(
            "modelyard:model_info",
            "1 for each revision and the model version that it serves; `none` where it was not made from the registry.",
            "1",
            (*PER_REVISION, "model_version"),
            _model_info(),
        ),
        Series(
            "modelyard:version_traffic_ratio",
            "Part of its InferenceService's requests that a model version should get, all its revisions together.",
            "ratio",
            PER_VERSION,
            f"sum by ({', '.join(PER_VERSION)}) (\n"
            f"  modelyard:model_info * on ({', '.join(PER_REVISION)}) group_left () modelyard:traffic_target_ratio\n"
            ")",
        ),
        Series(
            "modelyard:traffic_change_timestamp_seconds",
            "When a model version got its part of the traffic; `change` is promoted, canary or rolled back. The value"
            " is the time, in seconds since 1970.",
            "seconds since 1970",
            (*PER_VERSION, "change"),
            _of_version("modelyard_monitor_traffic_change_timestamp_seconds", also="change"),
        ),
    ),
)

AUTOSCALING = Group(
    "modelyard-autoscaling",
    "the Knative Pod Autoscaler: what it sees, what it wants, and what waits for it",
    (
        Series(
            "modelyard:replicas_desired",
            "Replicas that the load asks for, before minReplicas, maxReplicas and the last replica's grace period.",
            "replicas",
            PER_REVISION,
            _of_knative("kn_revision_pods_desired"),
        ),
        Series(
            "modelyard:replicas_requested",
            "Replicas that a revision is to have, after all bounds.",
            "replicas",
            PER_REVISION,
            _of_knative("kn_revision_pods_requested"),
        ),
        Series(
            "modelyard:replicas_starting",
            "Replicas that were started and cannot answer yet.",
            "replicas",
            PER_REVISION,
            f"{_of_knative('kn_revision_pods_not_ready_count')}\n+ {_of_knative('kn_revision_pods_pending_count')}",
        ),
        Series(
            "modelyard:concurrency:stable",
            "Requests in flight at all replicas and in the activator together, on average over the stable window; no"
            " sample for a revision that is scaled by requests/s.",
            "requests",
            PER_REVISION,
            _of_knative("kn_revision_concurrency_stable"),
        ),
        Series(
            "modelyard:concurrency:panic",
            "The same over the panic window.",
            "requests",
            PER_REVISION,
            _of_knative("kn_revision_concurrency_panic"),
        ),
        Series(
            "modelyard:concurrency_target",
            "Requests in flight that one replica is meant for.",
            "requests",
            PER_REVISION,
            _of_knative("kn_revision_concurrency_target"),
        ),
        Series(
            "modelyard:rps:stable",
            "Requests a second on average over the stable window; only for a revision that is scaled by them.",
            "requests/s",
            PER_REVISION,
            _of_knative("kn_revision_rps_stable_per_second"),
        ),
        Series(
            "modelyard:rps:panic",
            "The same over the panic window.",
            "requests/s",
            PER_REVISION,
            _of_knative("kn_revision_rps_panic_per_second"),
        ),
        Series(
            "modelyard:rps_target",
            "Requests a second that one replica is meant for.",
            "requests/s",
            PER_REVISION,
            _of_knative("kn_revision_rps_target_per_second"),
        ),
        Series(
            "modelyard:load_ratio:panic",
            "Load over the panic window as a part of what the ready replicas are meant for; panic begins at 2 (where"
            " no annotation says else). No sample without a ready replica.",
            "ratio",
            PER_REVISION,
            "modelyard:concurrency:panic / (modelyard:concurrency_target * (modelyard:replicas_ready > 0))\n"
            "or modelyard:rps:panic / (modelyard:rps_target * (modelyard:replicas_ready > 0))",
        ),
        Series(
            "modelyard:panic",
            "1 while the autoscaler is in panic: it follows the panic window and takes no replica away.",
            "1 or 0",
            PER_REVISION,
            _of_knative("kn_revision_panic_mode"),
        ),
        Series(
            "modelyard:burst_capacity",
            "Requests that the ready replicas could take beyond the load and the target burst capacity; below 0 they"
            " could not.",
            "requests",
            PER_REVISION,
            _of_knative("kn_revision_capacity_excess"),
        ),
        Series(
            "modelyard:requests_queued",
            "Requests that the activator holds, because no replica can take them; 0 where it holds none.",
            "requests",
            PER_REVISION,
            f"{_of_knative('kn_revision_request_queued')}\nor modelyard:replicas_ready * 0",
        ),
        Series(
            "modelyard:requests_stranded",
            "The same of a revision that has no ready replica: they wait for a cold start.",
            "requests",
            PER_REVISION,
            "modelyard:requests_queued and modelyard:replicas_ready == 0\nor modelyard:requests_queued * 0",
        ),
        Series(
            "modelyard:replica_failures",
            "Ends of replicas in a row that nobody asked for; the wait before the next try grows with them.",
            "failures",
            PER_REVISION,
            f"max by ({', '.join(PER_REVISION)}) (modelyard_serving_replica_failures)",
        ),
    ),
)

MODEL = Group(
    "modelyard-model",
    "the way of a drift window and of the truth, as the drift monitor tells them",
    (
        Series(
            "modelyard:rows_total",
            "Rows that a model version has predicted and the monitor has paired with their request.",
            "rows",
            PER_VERSION,
            _of_version("modelyard_monitor_rows_total"),
        ),
        Series(
            "modelyard:rows:rate",
            "The same, a second.",
            "rows/s",
            PER_VERSION,
            _rate("modelyard_monitor_rows_total", PER_VERSION),
        ),
        Series(
            "modelyard:truths_total",
            "Rows whose true class has come.",
            "rows",
            PER_VERSION,
            _of_version("modelyard_monitor_truths_total"),
        ),
        Series(
            "modelyard:windows_total",
            "Windows that were closed and judged; kind is drift or quality.",
            "windows",
            (*PER_VERSION, "kind"),
            _of_version("modelyard_monitor_windows_total", also="kind"),
        ),
        Series(
            "modelyard:drift_distance",
            "Distance between a column in the last window and in the data that the version was trained on; for a number"
            " in standard deviations (Wasserstein), for a category from 0 to 1 (Jensen-Shannon).",
            "distance",
            (*PER_VERSION, "column"),
            _of_version("modelyard_monitor_column_drift", also="column"),
        ),
        Series(
            "modelyard:drift_ratio",
            "The same as a part of the distance at which the column counts as drifted: 1 is drifted, for numbers and"
            " for categories.",
            "ratio",
            (*PER_VERSION, "column"),
            "modelyard:drift_distance\n/ " + _of_version("modelyard_monitor_column_drift_threshold", also="column"),
        ),
        Series(
            "modelyard:distribution_ratio",
            "Part of the rows whose value of a column falls into a range; side is `trained on` or `now`, bin puts the"
            " ranges in order. At most 12 ranges a column, of the 20 columns that are farthest away.",
            "ratio",
            (*PER_VERSION, "column", "bin", "range", "side"),
            _of_version("modelyard_monitor_distribution_ratio", also="column, bin, range, side"),
        ),
        Series(
            "modelyard:drift_columns",
            "Columns of the last window that are farther away than their threshold.",
            "columns",
            PER_VERSION,
            _of_version("modelyard_monitor_columns_drifted"),
        ),
        Series(
            "modelyard:drifted_share_ratio",
            "The same as a part of all columns.",
            "ratio",
            PER_VERSION,
            _of_version("modelyard_monitor_drifted_share_ratio"),
        ),
        Series(
            "modelyard:drift_breaches_in_a_row",
            "Windows in a row, up to the last one, in which enough columns drifted; InputDrift fires at 1.",
            "windows",
            PER_VERSION,
            _held("modelyard:drift_breaches_in_a_row", "modelyard_monitor_drift_breaches_in_a_row"),
        ),
        Series(
            "modelyard:prediction_ratio",
            "Part of the last window's rows that were predicted as a class.",
            "ratio",
            (*PER_VERSION, "class"),
            _of_version("modelyard_monitor_prediction_ratio", also="class"),
        ),
        Series(
            "modelyard:accuracy_ratio",
            "Part of the last window's truths that were predicted right.",
            "ratio",
            PER_VERSION,
            _of_version("modelyard_monitor_accuracy_ratio"),
        ),
        Series(
            "modelyard:log_loss",
            "Logarithmic loss over the last window of truths: how surprised the model was; less is better.",
            "nats",
            PER_VERSION,
            _of_version("modelyard_monitor_log_loss"),
        ),
        Series(
            "modelyard:recall_ratio",
            "Part of a class's truths that were predicted as that class.",
            "ratio",
            (*PER_VERSION, "class"),
            _of_version("modelyard_monitor_recall_ratio", also="class"),
        ),
        Series(
            "modelyard:recall_breaches_in_a_row",
            "Windows of truths in a row with the class's recall below its threshold; ClassRecallLow fires at 2.",
            "windows",
            (*PER_VERSION, "class"),
            _held("modelyard:recall_breaches_in_a_row", "modelyard_monitor_recall_breaches_in_a_row", also="class"),
        ),
        Series(
            "modelyard:wrong_predictions_total",
            "Rows whose truth was another class than the predicted one.",
            "rows",
            (*PER_VERSION, "truth", "predicted"),
            _of_version("modelyard_monitor_wrong_predictions_total", also="truth, predicted"),
        ),
        Series(
            "modelyard:wrong_predictions:rate",
            "The same, a second.",
            "rows/s",
            (*PER_VERSION, "truth", "predicted"),
            _rate("modelyard_monitor_wrong_predictions_total", (*PER_VERSION, "truth", "predicted")),
        ),
        Series(
            "modelyard:monitor_backlog",
            "What the monitor has accepted and not yet worked through; kind is events or windows.",
            "events or windows",
            ("kind",),
            "max by (kind) (modelyard_monitor_backlog)",
        ),
        Series(
            "modelyard:monitor_events:rate",
            "Events that the monitor accepted, by what became of them.",
            "events/s",
            ("outcome",),
            _rate("modelyard_monitor_events_total", ("outcome",)),
        ),
        Series(
            "modelyard:payload_lost_ratio",
            "Part of the payload logger's events that never reached the monitor, since the replicas of a revision"
            " started.",
            "ratio",
            PER_REVISION,
            _lost_events(),
        ),
        Series(
            "modelyard:report_seconds:mean",
            "Time that the report of a window took, on average over all of them; no sample before the first.",
            "seconds",
            (),
            "sum(modelyard_monitor_report_seconds_sum) / sum(modelyard_monitor_report_seconds_count) >= 0",
        ),
    ),
)

GROUPS = (PLATFORM, SERVING, AUTOSCALING, MODEL)
SERIES = tuple(series for group in GROUPS for series in group.series)
