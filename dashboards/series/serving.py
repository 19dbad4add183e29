"""The way of a request, as the gateway and the model servers measure it."""

from __future__ import annotations

from dashboards.series.kinds import (
    PER_REVISION,
    PER_VERSION,
    RATE_WINDOW_S,
    Group,
    Series,
    of_knative,
    of_revision,
    of_version,
    rate,
)


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
    return f"(\n  {first}\n  {watched}\n)\nor {rate(metric, PER_REVISION, selector)}\nor modelyard:requests:rate * 0"


def _gateway_quantile(quantile: float) -> str:
    """Envoy measures in milliseconds. Without requests the quantile is NaN, and `>= 0` makes that "no sample"."""
    buckets = rate("envoy_cluster_upstream_rq_time_bucket", (*PER_REVISION, "le"), '{revision!=""}')
    return f"histogram_quantile({quantile}, {buckets}) / 1000 >= 0"


def _ready() -> str:
    """The control plane's word; while it does not answer its last one, and where there was none the gateway's.

    To the gateway the activator is one more member of each cluster, so that its word alone would be one too many.
    """
    away = 'and on () (max(up{job="serving"} or vector(0)) == 0)'
    return (
        f"{of_knative('kn_revision_pods_count')}\n"
        f'or max by ({", ".join(PER_REVISION)}) (modelyard_serving_replicas{{state="ready"}})\n'
        f"or (modelyard:replicas_ready {away})\n"
        f"or ({of_revision('envoy_cluster_membership_healthy')} {away})"
    )


def _model_info() -> str:
    """The monitor knows versions, from the Kubernetes API; while it does not answer, as it was told last."""
    by = ", ".join(PER_REVISION)
    told = f"max by ({by}, model_version) (modelyard_monitor_revision_info)"
    last = 'modelyard:model_info{model_version!="none"} and on () (max(up{job="monitor"}) == 0)'
    none = f'label_replace(max by ({by}) (modelyard:replicas_ready) * 0 + 1, "model_version", "none", "", "")'
    return f"{told}\nor ({last})\nor ({none}\n  unless on ({by}) ({told}\n    or ({last})))"


SERVING = Group(
    "modelyard-serving",
    "the way of a request, as the gateway and the model servers measure it",
    (
        Series(
            "modelyard:requests:rate",
            "Requests that a revision answered, whatever the answer; 0 from its start on.",
            "requests/s",
            PER_REVISION,
            rate("envoy_cluster_upstream_rq_xx", PER_REVISION, '{revision!=""}')
            + f"\nor {of_revision('envoy_cluster_membership_total')} * 0",
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
            rate("envoy_cluster_upstream_rq_time_bucket", ("namespace", "inferenceservice", "le"), '{revision!=""}'),
        ),
        Series(
            "modelyard:predict_seconds:p95",
            "Time in the model, as its server measured it: 95 of 100 calls were faster; no sample without calls.",
            "seconds",
            PER_REVISION,
            "histogram_quantile(0.95, " + rate("request_predict_seconds_bucket", (*PER_REVISION, "le")) + ") >= 0",
        ),
        Series(
            "modelyard:requests_in_flight",
            "Requests that the gateway has passed on and that have no answer yet.",
            "requests",
            PER_REVISION,
            of_revision("envoy_cluster_upstream_rq_active"),
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
            of_version("modelyard_monitor_traffic_change_timestamp_seconds", also="change"),
        ),
    ),
)
