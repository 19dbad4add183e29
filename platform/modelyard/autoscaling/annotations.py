"""Names of the annotations that steer the autoscaler of one revision, and how they are read.

Source: knative/serving pkg/apis/autoscaling/register.go and v1alpha1/pa_lifecycle.go. Where upstream knows two
spellings, the first one wins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from modelyard.autoscaling import values

GROUP = "autoscaling.knative.dev"
DOMAIN = ".knative.dev"
KPA = f"kpa.{GROUP}"
HPA = f"hpa.{GROUP}"
CONCURRENCY = "concurrency"
RPS = "rps"
LINEAR = "linear"
WEIGHTED = "weighted-exponential"
WEIGHTED_SPELLINGS = frozenset({WEIGHTED, "weightedExponential"})

TARGET_MIN = 0.01
WINDOW_MIN_S = 6
WINDOW_MAX_S = 3600
PANIC_WINDOW_PERCENTAGE_MIN, PANIC_WINDOW_PERCENTAGE_MAX = 1, 100
PANIC_THRESHOLD_PERCENTAGE_MIN, PANIC_THRESHOLD_PERCENTAGE_MAX = 110, 1000

Key = tuple[str, ...]
T = TypeVar("T")


def _key(*names: str) -> Key:
    return tuple(f"{GROUP}/{name}" for name in names)


CLASS = _key("class")
METRIC = _key("metric")
TARGET = _key("target")
UTILIZATION = _key("target-utilization-percentage", "targetUtilizationPercentage")
BURST_CAPACITY = _key("target-burst-capacity", "targetBurstCapacity")
MIN_SCALE = _key("min-scale", "minScale")
MAX_SCALE = _key("max-scale", "maxScale")
INITIAL_SCALE = _key("initial-scale", "initialScale")
ACTIVATION_SCALE = _key("activation-scale")
WINDOW = _key("window")
PANIC_WINDOW = _key("panic-window-percentage", "panicWindowPercentage")
PANIC_THRESHOLD = _key("panic-threshold-percentage", "panicThresholdPercentage")
RETENTION = _key("scale-to-zero-pod-retention-period", "scaleToZeroPodRetentionPeriod")
SCALE_DOWN_DELAY = _key("scale-down-delay", "scaleDownDelay")
ALGORITHM = _key("metric-aggregation-algorithm", "metricAggregationAlgorithm")
PROGRESS_DEADLINE: Key = ("serving.knative.dev/progress-deadline",)
KSERVE_AUTOSCALER_CLASS = "serving.kserve.io/autoscalerClass"


def find(annotations: Mapping[str, str], key: Key) -> tuple[str, str] | None:
    """The spelling that was used and its value, None where the annotation is absent."""
    return next(((name, annotations[name]) for name in key if name in annotations), None)


def text(annotations: Mapping[str, str], key: Key) -> str | None:
    """The value as it was written, None where it is absent."""
    found = find(annotations, key)
    return found[1] if found else None


def _read(annotations: Mapping[str, str], key: Key, parse: Callable[[str], T]) -> T | None:
    found = find(annotations, key)
    try:
        return parse(found[1]) if found else None
    except ValueError:
        return None


def number(annotations: Mapping[str, str], key: Key) -> float | None:
    """The value as a number; None where it is absent or none (admission refuses that, so here it counts as absent)."""
    return _read(annotations, key, values.parse_float)


def integer(annotations: Mapping[str, str], key: Key) -> int | None:
    """The value as a whole number; None as for `number`."""
    return _read(annotations, key, values.parse_int32)


def duration_s(annotations: Mapping[str, str], key: Key) -> float | None:
    """The value in seconds; None as for `number`."""
    return _read(annotations, key, values.parse_duration)
