"""How one revision is scaled: KServe's fields and Knative's annotations and defaults in one place.

Source: knative/serving pkg/reconciler/autoscaling/resources/{target,metric}.go and kpa/resources/decider.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelyard.autoscaling import annotations as names
from modelyard.autoscaling.config import AutoscalerConfig
from modelyard.autoscaling.fields import revision_annotations, whole
from modelyard.autoscaling.problems import find_problems, find_unserved_class

__all__ = [
    "ScalingSpec",
    "find_problems",
    "find_unserved_class",
    "panic_window_s",
    "revision_annotations",
    "scaling_spec",
]

DEFAULT_TIMEOUT_S = 300
DEFAULT_PROGRESS_DEADLINE_S = 600.0
UNLIMITED = 0


@dataclass(frozen=True)
class ScalingSpec:
    """Everything that a decision about one revision needs besides what was observed.

    `total_target` is what one replica can hold (requests in flight, or requests/s), `target_utilization` the share of
    it that is aimed at, in (0, 1]. `panic_threshold` is a factor of what the ready replicas are meant for. A
    `max_scale` of 0 is no bound, an `activation_scale` below 2 is off, a `target_burst_capacity` of -1 keeps the
    activator in the path for ever.
    """

    metric: str = names.CONCURRENCY
    container_concurrency: int = 0
    total_target: float = 100.0
    target_utilization: float = 0.7
    min_scale: int = 0
    max_scale: int = UNLIMITED
    initial_scale: int = 1
    activation_scale: int = 0
    stable_window_s: int = 60
    panic_window_s: int = 6
    panic_threshold: float = 2.0
    max_up: float = 1000.0
    max_down: float = 2.0
    target_burst_capacity: float = 211.0
    grace_s: float = 30.0
    retention_s: float = 0.0
    scale_down_delay_s: float = 0.0
    timeout_s: float = DEFAULT_TIMEOUT_S
    progress_deadline_s: float = DEFAULT_PROGRESS_DEADLINE_S
    algorithm: str = names.LINEAR
    enable_scale_to_zero: bool = True

    @property
    def target(self) -> float:
        """What one replica shall have on average."""
        return max(names.TARGET_MIN, self.total_target * self.target_utilization)


def scaling_spec(predictor: Mapping[str, Any], annotations: Mapping[str, str], config: AutoscalerConfig) -> ScalingSpec:
    """The spec of a revision made from this predictor.

    Args:
        predictor: `spec.predictor` of the InferenceService.
        annotations: the InferenceService's annotations.
        config: of all revisions.

    A value that cannot be read counts as absent, as upstream does it: `find_problems` is for saying so.
    """
    found = revision_annotations(predictor, annotations)
    concurrency = whole(predictor, "containerConcurrency") or 0
    metric = names.text(found, names.METRIC) or names.CONCURRENCY
    total, utilization = _total_and_utilization(metric, concurrency, found, config)
    window_s = _or(names.duration_s(found, names.WINDOW), config.stable_window_s)
    share = _or(names.number(found, names.PANIC_WINDOW), config.panic_window_percentage)
    threshold = _or(names.number(found, names.PANIC_THRESHOLD), config.panic_threshold_percentage)
    return ScalingSpec(
        metric=metric,
        container_concurrency=concurrency,
        total_target=total,
        target_utilization=utilization,
        min_scale=int(_or(names.integer(found, names.MIN_SCALE), config.min_scale)),
        max_scale=int(_or(names.integer(found, names.MAX_SCALE), config.max_scale)),
        initial_scale=_initial_scale(found, config),
        activation_scale=names.integer(found, names.ACTIVATION_SCALE) or 0,
        stable_window_s=max(1, round(window_s)),
        panic_window_s=panic_window_s(window_s, share),
        panic_threshold=threshold / 100,
        max_up=config.max_scale_up_rate,
        max_down=config.max_scale_down_rate,
        target_burst_capacity=_or(names.number(found, names.BURST_CAPACITY), config.target_burst_capacity),
        grace_s=config.scale_to_zero_grace_period_s,
        retention_s=_or(names.duration_s(found, names.RETENTION), config.scale_to_zero_pod_retention_period_s),
        scale_down_delay_s=_or(names.duration_s(found, names.SCALE_DOWN_DELAY), config.scale_down_delay_s),
        timeout_s=whole(predictor, "timeout") or DEFAULT_TIMEOUT_S,
        progress_deadline_s=_or(names.duration_s(found, names.PROGRESS_DEADLINE), DEFAULT_PROGRESS_DEADLINE_S),
        algorithm=_algorithm(found),
        enable_scale_to_zero=config.enable_scale_to_zero,
    )


def panic_window_s(stable_window_s: float, percentage: float) -> int:
    """The share of the stable window, to the nearest second (halves go up, as Go rounds), at least one."""
    return max(1, int(stable_window_s * percentage / 100 + 0.5))


def _total_and_utilization(
    metric: str, concurrency: int, found: Mapping[str, str], config: AutoscalerConfig
) -> tuple[float, float]:
    if metric == names.RPS:
        total, utilization = config.requests_per_second_target_default, config.target_utilization
    else:
        total = float(concurrency or config.container_concurrency_target_default)
        utilization = config.container_concurrency_target_fraction
    asked = names.number(found, names.TARGET)
    if asked is not None:
        bounded = metric == names.CONCURRENCY and concurrency != 0  # a replica holds no more than that at once
        total = min(asked, float(concurrency)) if bounded else asked
    percentage = names.number(found, names.UTILIZATION)
    return total, utilization if percentage is None else percentage / 100


def _algorithm(found: Mapping[str, str]) -> str:
    return names.WEIGHTED if names.text(found, names.ALGORITHM) in names.WEIGHTED_SPELLINGS else names.LINEAR


def _initial_scale(found: Mapping[str, str], config: AutoscalerConfig) -> int:
    asked = names.integer(found, names.INITIAL_SCALE)
    if asked is None or (asked == 0 and not config.allow_zero_initial_scale):
        return config.initial_scale
    return asked


def _or(value: float | None, default: float) -> float:
    return default if value is None else value
