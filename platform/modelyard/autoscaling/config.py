"""What Knative's ConfigMap `config-autoscaler` holds: defaults, parsing and the rules a value must keep.

Source: knative/serving pkg/autoscaler/config/config.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from modelyard.autoscaling import annotations as names
from modelyard.autoscaling import values
from modelyard.autoscaling.values import format_duration, format_number
from modelyard.errors import SettingError

NAME = "config-autoscaler"
NAMESPACE = "knative-serving"


@dataclass(frozen=True)
class AutoscalerConfig:
    """Settings of all revisions; an annotation of one revision goes before them. The defaults are upstream's.

    Fractions lie in (0, 1], `_percentage` in percent, `_s` are seconds. 0 as a largest scale means no bound.
    """

    pod_autoscaler_class: str = names.KPA
    enable_scale_to_zero: bool = True
    allow_zero_initial_scale: bool = False
    max_scale_up_rate: float = 1000.0
    max_scale_down_rate: float = 2.0
    container_concurrency_target_fraction: float = 0.7
    container_concurrency_target_default: float = 100.0
    requests_per_second_target_default: float = 200.0
    target_utilization: float = 0.7
    target_burst_capacity: float = 211.0
    panic_window_percentage: float = 10.0
    activator_capacity: float = 100.0
    panic_threshold_percentage: float = 200.0
    initial_scale: int = 1
    min_scale: int = 0
    max_scale: int = 0
    max_scale_limit: int = 0
    stable_window_s: float = 60.0
    scale_down_delay_s: float = 0.0
    scale_to_zero_grace_period_s: float = 30.0
    scale_to_zero_pod_retention_period_s: float = 0.0


_FIELDS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "pod-autoscaler-class": ("pod_autoscaler_class", str),
    "enable-scale-to-zero": ("enable_scale_to_zero", values.parse_bool),
    "allow-zero-initial-scale": ("allow_zero_initial_scale", values.parse_bool),
    "max-scale-up-rate": ("max_scale_up_rate", values.parse_float),
    "max-scale-down-rate": ("max_scale_down_rate", values.parse_float),
    "container-concurrency-target-percentage": ("container_concurrency_target_fraction", values.parse_float),
    "container-concurrency-target-default": ("container_concurrency_target_default", values.parse_float),
    "requests-per-second-target-default": ("requests_per_second_target_default", values.parse_float),
    "target-burst-capacity": ("target_burst_capacity", values.parse_float),
    "panic-window-percentage": ("panic_window_percentage", values.parse_float),
    "activator-capacity": ("activator_capacity", values.parse_float),
    "panic-threshold-percentage": ("panic_threshold_percentage", values.parse_float),
    "initial-scale": ("initial_scale", values.parse_int32),
    "min-scale": ("min_scale", values.parse_int32),
    "max-scale": ("max_scale", values.parse_int32),
    "max-scale-limit": ("max_scale_limit", values.parse_int32),
    "stable-window": ("stable_window_s", values.parse_duration),
    "scale-down-delay": ("scale_down_delay_s", values.parse_duration),
    "scale-to-zero-grace-period": ("scale_to_zero_grace_period_s", values.parse_duration),
    "scale-to-zero-pod-retention-period": ("scale_to_zero_pod_retention_period_s", values.parse_duration),
}
KEYS = tuple(_FIELDS)


def parse_config(data: Mapping[str, str]) -> AutoscalerConfig:
    """The settings that the ConfigMap's `data` asks for; absent keys have their default, unknown ones are passed over.

    Raises:
        SettingError: a value cannot be read or breaks a rule; `detail` tells every problem beyond the first.
    """
    changes: dict[str, Any] = {}
    problems: list[str] = []
    for key, (field, parse) in _FIELDS.items():
        if key in data:
            try:
                changes[field] = parse(data[key])
            except ValueError as error:
                problems.append(f'failed to parse data: failed to parse "{key}": {error}')
    config = replace(AutoscalerConfig(), **changes)
    if config.container_concurrency_target_fraction > 1:  # up to 1 it is read as a fraction, as ever
        share = config.container_concurrency_target_fraction / 100
        config = replace(config, container_concurrency_target_fraction=share)
    problems = problems or list(find_config_problems(config))
    if problems:
        raise SettingError(
            problems[0],
            allowed="the keys and values of Knative's config-autoscaler",
            next_command=f"kubectl edit configmap {NAME} --namespace {NAMESPACE}",
            detail="\n".join(problems[1:]),
        )
    return config


def find_config_problems(config: AutoscalerConfig) -> Iterator[str]:
    """Every rule that is broken, in upstream's words and order."""
    yield from _zero_problems(config)
    yield from _target_problems(config)
    yield from _rate_and_window_problems(config)
    yield from _scale_problems(config)


def _zero_problems(config: AutoscalerConfig) -> Iterator[str]:
    if config.scale_to_zero_grace_period_s <= 0:
        told = format_duration(config.scale_to_zero_grace_period_s)
        yield f"scale-to-zero-grace-period must be positive, was: {told}"
    delay = config.scale_down_delay_s
    if delay < 0:
        yield f"scale-down-delay cannot be negative, was: {format_duration(delay)}"
    if delay != round(delay):
        yield f"scale-down-delay = {format_duration(delay)}, must be specified with at most second precision"
    if config.scale_to_zero_pod_retention_period_s < 0:
        told = format_duration(config.scale_to_zero_pod_retention_period_s)
        yield f"scale-to-zero-pod-retention-period cannot be negative, was: {told}"


def _target_problems(config: AutoscalerConfig) -> Iterator[str]:
    burst, fraction = config.target_burst_capacity, config.container_concurrency_target_fraction
    if burst < 0 and burst != -1:
        yield f"target-burst-capacity must be either non-negative or -1 (for unlimited), was: {burst:f}"
    if not 0 < fraction <= 1:
        yield f"container-concurrency-target-percentage = {fraction:f} is outside of valid range of (0, 100]"
    target = fraction * config.container_concurrency_target_default
    if target < names.TARGET_MIN:
        yield (
            "container-concurrency-target-percentage and container-concurrency-target-default yield target concurrency"
            f" of {format_number(target)}, can't be less than {names.TARGET_MIN}"
        )
    if config.requests_per_second_target_default < names.TARGET_MIN:
        yield (
            f"requests-per-second-target-default must be at least {names.TARGET_MIN},"
            f" was: {format_number(config.requests_per_second_target_default)}"
        )
    if config.activator_capacity < 1:
        yield f"activator-capacity = {format_number(config.activator_capacity)}, must be at least 1"


def _rate_and_window_problems(config: AutoscalerConfig) -> Iterator[str]:
    if config.max_scale_up_rate <= 1:
        yield f"max-scale-up-rate = {format_number(config.max_scale_up_rate)}, must be greater than 1.0"
    if config.max_scale_down_rate <= 1:
        yield f"max-scale-down-rate = {format_number(config.max_scale_down_rate)}, must be greater than 1.0"
    window, told = config.stable_window_s, format_duration(config.stable_window_s)
    if not names.WINDOW_MIN_S <= window <= names.WINDOW_MAX_S:
        low, high = format_duration(names.WINDOW_MIN_S), format_duration(names.WINDOW_MAX_S)
        yield f"stable-window = {told}, must be in [{low}; {high}] range"
    if window != round(window):
        yield f"stable-window = {told}, must be specified with at most second precision"
    low_share, high_share = names.PANIC_WINDOW_PERCENTAGE_MIN, names.PANIC_WINDOW_PERCENTAGE_MAX
    if not low_share <= config.panic_window_percentage <= high_share:
        share = format_number(config.panic_window_percentage)
        yield f"panic-window-percentage = {share}, must be in [{low_share}, {high_share}] interval"


def _scale_problems(config: AutoscalerConfig) -> Iterator[str]:
    if config.initial_scale < 0 or (config.initial_scale == 0 and not config.allow_zero_initial_scale):
        yield (
            f"initial-scale = {config.initial_scale}, must be at least 0"
            " (or at least 1 when allow-zero-initial-scale is false)"
        )
    if config.min_scale < 0:
        yield f"min-scale = {config.min_scale}, must be at least 0"
    limit = config.max_scale_limit
    lowest = 1 if limit > 0 else 0
    if config.max_scale < lowest or (limit > 0 and config.max_scale > limit):
        yield f"max-scale = {config.max_scale}, must be in [{lowest}, max-scale-limit({limit})] range"
    if limit < 0:
        yield f"max-scale-limit = {limit}, must be at least 0"
    if config.min_scale > config.max_scale > 0:
        yield f"min-scale ({config.min_scale}) must be less than max-scale ({config.max_scale})"
