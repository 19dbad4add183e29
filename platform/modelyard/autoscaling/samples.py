"""What the autoscaler tells Prometheus of a revision, under upstream's names and labels.

Source: knative/serving pkg/autoscaler/scaling/metrics.go and pkg/reconciler/autoscaling/kpa/metrics.go, with the names
that the OpenTelemetry exporter makes of them. All are gauges.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from modelyard.autoscaling import annotations as names
from modelyard.autoscaling.revision import Outcome
from modelyard.autoscaling.spec import ScalingSpec

_SCOPE = {
    "otel_scope_name": "knative.dev/serving/pkg/autoscaler",
    "otel_scope_schema_url": "",
    "otel_scope_version": "",
}


@dataclass(frozen=True)
class PodCounts:
    """Replicas of a revision by state; `not_ready` are those that run and cannot answer, `pending` do not run yet."""

    ready: int = 0
    not_ready: int = 0
    pending: int = 0
    terminating: int = 0


@dataclass(frozen=True)
class Sample:
    """One value of one gauge."""

    name: str
    help: str
    labels: dict[str, str]
    value: float


def labels_of(*, namespace: str, service: str, configuration: str, revision: str) -> dict[str, str]:
    """Upstream's labels of a revision. KServe names service and configuration `{inferenceservice}-predictor`."""
    return {
        "k8s_namespace_name": namespace,
        "kn_configuration_name": configuration,
        "kn_revision_name": revision,
        "kn_service_name": service,
        **_SCOPE,
    }


def samples(outcome: Outcome, spec: ScalingSpec, pods: PodCounts, labels: dict[str, str]) -> Iterator[Sample]:
    """Everything that is known of one revision after a tick; what is not known yet has no sample.

    Upstream tells 0 for what it does not know, which cannot be told from a load of zero.
    """
    told: list[tuple[str, str, float | None]] = [
        ("pods_desired", "Number of pods the autoscaler wants to allocate", _known(outcome.decided)),
        ("pods_requested", "Number of pods autoscaler requested from Kubernetes", _known(outcome.requested)),
        ("pods_count", "Number of pods that are allocated currently", pods.ready),
        ("pods_not_ready_count", "Number of pods that are not ready currently", pods.not_ready),
        ("pods_pending_count", "Number of pods that are pending currently", pods.pending),
        ("pods_terminating_count", "Number of pods that are terminating currently", pods.terminating),
        ("capacity_excess", "Excess burst capacity observed over the stable window", outcome.excess_burst_capacity),
        ("panic_mode", "If greater than 0 the autoscaler is in panic mode", int(outcome.panicking)),
        *_averages(outcome, spec),
    ]
    for name, about, value in told:
        if value is not None:
            yield Sample(f"kn_revision_{name}", about, labels, value)


def _averages(outcome: Outcome, spec: ScalingSpec) -> list[tuple[str, str, float | None]]:
    if spec.metric == names.RPS:
        name, observed, unit = "rps", "requests-per-second", "_per_second"
    else:
        name, observed, unit = "concurrency", "request count", ""
    about = f"Average of {observed} per observed pod over the"
    return [
        (f"{name}_stable{unit}", f"{about} stable window", outcome.stable),
        (f"{name}_panic{unit}", f"{about} panic window", outcome.panic),
        (f"{name}_target{unit}", "The desired concurrent requests for each pod", spec.target),
    ]


def _known(scale: int) -> int | None:
    return scale if scale >= 0 else None
