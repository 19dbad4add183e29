"""What is wrong with the scaling part of an InferenceService, in the words of the webhooks of KServe and Knative.

Source: kserve pkg/apis/serving/v1beta1/{component,inference_service_validation}.go; knative/serving
pkg/apis/autoscaling/annotation_validation.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from modelyard.autoscaling import annotations as names
from modelyard.autoscaling import values
from modelyard.autoscaling.config import AutoscalerConfig
from modelyard.autoscaling.fields import DEFAULT_MIN_REPLICAS, revision_annotations, whole
from modelyard.autoscaling.values import INT32_MAX, format_duration

_KSERVE_CLASSES = ("hpa", "external", "keda", "none")
_KPA_METRICS = (names.CONCURRENCY, names.RPS)
_HPA_METRICS = ("cpu", "memory")
_PATH = "metadata.annotations."
_SECOND_PRECISION = "must be specified with at most second precision"


def find_problems(
    predictor: Mapping[str, Any], annotations: Mapping[str, str], config: AutoscalerConfig | None = None
) -> list[str]:
    """Everything that admission refuses about scaling, KServe's rules first; empty where all is right.

    Args:
        predictor: `spec.predictor`, of the types that the schema asks for (a value of another type counts as absent).
        annotations: of the InferenceService.
        config: of all revisions; Knative's defaults where it is left out.
    """
    refused = list(_kserve_problems(predictor, annotations))
    if refused:
        # Knative's words about the annotations that are made of refused fields would only repeat it
        return [*refused, *find_annotation_problems({**annotations, **(predictor.get("annotations") or {})}, config)]
    return find_annotation_problems(revision_annotations(predictor, annotations), config)


def find_annotation_problems(annotations: Mapping[str, str], config: AutoscalerConfig | None = None) -> list[str]:
    """What Knative's webhook refuses about a revision with these annotations, one line a message, sorted as there."""
    config = config or AutoscalerConfig()
    chosen = names.text(annotations, names.CLASS)
    return _merged(
        chain(
            _class_problems(chosen),
            _metric_problems(annotations, config.pod_autoscaler_class if chosen is None else chosen),
            _algorithm_problems(annotations, chosen),
            _scale_problems(annotations, config),
            _annotation_problems(annotations, config),
        )
    )


def find_unserved_class(predictor: Mapping[str, Any], annotations: Mapping[str, str]) -> str | None:
    """Why no Knative Pod Autoscaler scales this: admission takes other classes, and a cluster may have them.

    Returns:
        What was asked for and where it is to be had; None where the class is ours.
    """
    key, chosen = names.CLASS[0], revision_annotations(predictor, annotations)[names.CLASS[0]]
    if chosen == names.KPA:
        return None
    return f"annotation {key} is {chosen}: this yard scales by {names.KPA} alone; a cluster has others: --on kind"


def _merged(problems: Iterable[str]) -> list[str]:
    """Of several paths with the same message one line."""
    paths: dict[str, set[str]] = {}
    for problem in problems:
        message, _, where = problem.rpartition(": ")
        paths.setdefault(message, set()).update(where.split(", "))
    return [f"{message}: {', '.join(sorted(where))}" for message, where in sorted(paths.items())]


def _kserve_problems(predictor: Mapping[str, Any], annotations: Mapping[str, str]) -> Iterator[str]:
    kserve_class = annotations.get(names.KSERVE_AUTOSCALER_CLASS)
    if kserve_class is not None and kserve_class not in _KSERVE_CLASSES:
        yield f"[{kserve_class}] is not a supported autoscaler class type"
    if (whole(predictor, "containerConcurrency") or 0) < 0:
        yield "parallelism cannot be less than 0"
    asked, most = whole(predictor, "minReplicas"), whole(predictor, "maxReplicas") or 0
    least = DEFAULT_MIN_REPLICAS if asked is None else asked
    if least < 0:
        yield "'MinReplicas' cannot be less than 0"
    if most < 0:
        yield "'MaxReplicas' cannot be less than 0"
    if least > most > 0:
        yield "'MinReplicas' cannot be greater than MaxReplicas"
    yield from _kserve_metric_problems(predictor, hpa=annotations.get(names.CLASS[0]) == names.HPA)


def _kserve_metric_problems(predictor: Mapping[str, Any], *, hpa: bool) -> Iterator[str]:
    metric = predictor.get("scaleMetric", _HPA_METRICS[0] if hpa else names.CONCURRENCY)
    target = whole(predictor, "scaleTarget")
    if metric not in (_HPA_METRICS if hpa else _KPA_METRICS):
        yield f"[{metric}] is not a supported metric"
    elif target is None:
        return
    elif metric == "cpu" and not 1 <= target <= 100:
        yield "the target utilization percentage should be a [1-100] integer"
    elif metric == "memory" and target < 1:
        yield "the target memory should be greater than 1 MiB"
    elif metric == names.RPS and target < 1:
        yield "the target for rps should be greater than 1"


def _class_problems(chosen: str | None) -> Iterator[str]:
    if chosen is not None and chosen.endswith(names.DOMAIN) and chosen not in (names.KPA, names.HPA):
        yield _invalid(names.CLASS[0], chosen)


def _annotation_problems(found: Mapping[str, str], config: AutoscalerConfig) -> Iterator[str]:
    """The rules that concern one annotation alone."""
    for key, check in _NUMBER_RULES.items():
        yield from _check_number(found, key, check)
    yield from _duration_problems(found, names.WINDOW, names.WINDOW_MIN_S, whole_seconds=True)
    yield from _duration_problems(found, names.RETENTION, 0, whole_seconds=False)
    yield from _duration_problems(found, names.SCALE_DOWN_DELAY, 0, whole_seconds=True)
    yield from _initial_scale_problems(found, config)


def _bounded(low: float, high: float) -> Callable[[str, str, float], str | None]:
    return lambda key, told, value: None if low <= value <= high else _outside(key, told, low, high)


def _target_rule(key: str, told: str, value: float) -> str | None:
    least = names.TARGET_MIN
    return f"target {told} should be at least {least}: {_PATH}{key}" if value < least else None


def _burst_rule(key: str, told: str, value: float) -> str | None:
    return _invalid(key, told) if value < 0 and value != -1 else None


_NUMBER_RULES: dict[names.Key, Callable[[str, str, float], str | None]] = {
    names.PANIC_WINDOW: _bounded(names.PANIC_WINDOW_PERCENTAGE_MIN, names.PANIC_WINDOW_PERCENTAGE_MAX),
    names.PANIC_THRESHOLD: _bounded(names.PANIC_THRESHOLD_PERCENTAGE_MIN, names.PANIC_THRESHOLD_PERCENTAGE_MAX),
    names.TARGET: _target_rule,
    names.UTILIZATION: _bounded(1, 100),
    names.BURST_CAPACITY: _burst_rule,
}


def _check_number(
    found: Mapping[str, str], key: names.Key, check: Callable[[str, str, float], str | None]
) -> Iterator[str]:
    if (entry := names.find(found, key)) is None:
        return
    name, told = entry
    try:
        problem = check(name, told, values.parse_float(told))
    except ValueError:
        problem = _invalid(name, told)
    if problem:
        yield problem


def _duration_problems(
    found: Mapping[str, str], key: names.Key, least_s: float, *, whole_seconds: bool
) -> Iterator[str]:
    if (entry := names.find(found, key)) is None:
        return
    name, told = entry
    try:
        seconds = values.parse_duration(told)
    except ValueError:
        yield _invalid(name, told)
        return
    if not least_s <= seconds <= names.WINDOW_MAX_S:
        low, high = format_duration(least_s), format_duration(names.WINDOW_MAX_S)
        yield f"expected {low} <= {told} <= {high}: {_PATH}{name}"
    elif whole_seconds and seconds != round(seconds):
        yield f"{_SECOND_PRECISION}: {_PATH}{name}"


def _scale_problems(found: Mapping[str, str], config: AutoscalerConfig) -> Iterator[str]:
    least, problem = _scale(found, names.MIN_SCALE)
    yield from problem
    most, problem = _scale(found, names.MAX_SCALE)
    yield from problem
    if most != 0 and most < least:
        yield (
            f"max-scale={most} is less than min-scale={least}: {_PATH}{names.MAX_SCALE[0]}, {_PATH}{names.MIN_SCALE[0]}"
        )
    if config.max_scale_limit and (entry := names.find(found, names.MAX_SCALE)):
        if most > config.max_scale_limit:
            yield _outside(entry[0], str(most), 1, config.max_scale_limit)
        if most == 0:
            yield f"max-scale=0 (unlimited), must be less than {config.max_scale_limit}: {_PATH}{entry[0]}"
    yield from _activation_problems(found, least, most)


def _scale(found: Mapping[str, str], key: names.Key) -> tuple[int, list[str]]:
    if (entry := names.find(found, key)) is None:
        return 0, []
    name, told = entry
    try:
        value = values.parse_int32(told)
    except values.OutOfRange:
        value = -1
    except ValueError:
        return 0, [_invalid(name, told)]
    return (value, []) if value >= 0 else (0, [_outside(name, told, 0, INT32_MAX)])


def _activation_problems(found: Mapping[str, str], least: int, most: int) -> Iterator[str]:
    if (entry := names.find(found, names.ACTIVATION_SCALE)) is None:
        return
    name, told = entry
    try:
        value = values.parse_int32(told)
    except ValueError:
        yield _invalid(name, told)
        return
    if least > value:
        yield f"min-scale={least} is greater than activation-scale={value}: {_PATH}{name}"
    elif most != 0 and most < value:
        yield f"max-scale={most} is less than activation-scale={value}: {_PATH}{name}"
    elif value < 2:
        yield f"activation-scale={value} must be greater than 1: {_PATH}{name}"


def _metric_problems(found: Mapping[str, str], chosen: str) -> Iterator[str]:
    """Other classes of autoscaler have their own metrics."""
    metric = names.text(found, names.METRIC)
    refused = metric not in _KPA_METRICS if chosen == names.KPA else chosen == names.HPA and metric == ""
    if metric is not None and refused:
        yield _invalid(names.METRIC[0], metric)


def _algorithm_problems(found: Mapping[str, str], chosen: str | None) -> Iterator[str]:
    entry = names.find(found, names.ALGORITHM)
    if entry and chosen == names.KPA and entry[1] not in ("", names.LINEAR, *names.WEIGHTED_SPELLINGS):
        yield _invalid(*entry)


def _initial_scale_problems(found: Mapping[str, str], config: AutoscalerConfig) -> Iterator[str]:
    if (entry := names.find(found, names.INITIAL_SCALE)) is None:
        return
    name, told = entry
    try:
        value = values.parse_int32(told)
    except ValueError:
        yield _invalid(name, told)
        return
    if value < 0:
        yield _invalid(f"{name} must be greater than 0", told)
    elif value == 0 and not config.allow_zero_initial_scale:
        yield _invalid(f"{name}=0 not allowed by cluster", told)


def _invalid(key: str, told: str) -> str:
    return f"invalid value: {told}: {_PATH}{key}"


def _outside(key: str, told: str, low: float, high: float) -> str:
    return f"expected {values.format_number(low)} <= {told} <= {values.format_number(high)}: {_PATH}{key}"
