"""The ConfigMap config-autoscaler; the cases are those of knative/serving pkg/autoscaler/config/config_test.go."""

from dataclasses import replace

import pytest

from modelyard.autoscaling.config import KEYS, AutoscalerConfig, parse_config
from modelyard.errors import SettingError

DEFAULT = AutoscalerConfig()
SHIPPED = {
    # the values of Knative's shipped example, which must be its defaults
    "container-concurrency-target-percentage": "70",
    "container-concurrency-target-default": "100",
    "requests-per-second-target-default": "200",
    "target-burst-capacity": "211",
    "stable-window": "60s",
    "panic-window-percentage": "10.0",
    "panic-threshold-percentage": "200.0",
    "max-scale-up-rate": "1000.0",
    "max-scale-down-rate": "2.0",
    "enable-scale-to-zero": "true",
    "scale-to-zero-grace-period": "30s",
    "scale-to-zero-pod-retention-period": "0s",
    "pod-autoscaler-class": "kpa.autoscaling.knative.dev",
    "activator-capacity": "100.0",
    "initial-scale": "1",
    "allow-zero-initial-scale": "false",
    "min-scale": "0",
    "max-scale": "0",
    "scale-down-delay": "0s",
    "max-scale-limit": "0",
}


def test_the_shipped_example_is_the_defaults():
    assert parse_config(SHIPPED) == DEFAULT
    assert set(SHIPPED) == set(KEYS)


@pytest.mark.parametrize(
    ("data", "changes"),
    [
        ({}, {}),
        ({"_example": "anything", "tick-interval": "2s"}, {}),
        ({"enable-scale-to-zero": "TRUE"}, {}),
        ({"container-concurrency-target-percentage": "55"}, {"container_concurrency_target_fraction": 0.55}),
        ({"container-concurrency-target-percentage": "0.71"}, {"container_concurrency_target_fraction": 0.71}),
        ({"target-burst-capacity": "-1"}, {"target_burst_capacity": -1.0}),
        ({"scale-down-delay": "15m"}, {"scale_down_delay_s": 900.0}),
        ({"scale-to-zero-pod-retention-period": "2m3s"}, {"scale_to_zero_pod_retention_period_s": 123.0}),
        ({"scale-to-zero-grace-period": "33s"}, {"scale_to_zero_grace_period_s": 33.0}),
        ({"max-scale-up-rate": "1.001"}, {"max_scale_up_rate": 1.001}),
        (
            {"allow-zero-initial-scale": "true", "initial-scale": "0"},
            {"allow_zero_initial_scale": True, "initial_scale": 0},
        ),
        ({"min-scale": "4"}, {"min_scale": 4}),
        ({"max-scale": "10", "max-scale-limit": "11"}, {"max_scale": 10, "max_scale_limit": 11}),
        ({"enable-scale-to-zero": "false"}, {"enable_scale_to_zero": False}),
        ({"activator-capacity": "905"}, {"activator_capacity": 905.0}),
    ],
)
def test_a_key_overrides_its_default_and_nothing_else(data, changes):
    assert parse_config(data) == replace(DEFAULT, **changes)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"max-scale-up-rate": "not a float"}, 'failed to parse "max-scale-up-rate": strconv.ParseFloat'),
        ({"stable-window": "not a duration"}, 'failed to parse "stable-window": time: invalid duration'),
        ({"initial-scale": "invalid"}, 'failed to parse "initial-scale": strconv.ParseInt'),
        ({"allow-zero-initial-scale": "invalid"}, 'failed to parse "allow-zero-initial-scale": strconv.ParseBool'),
        ({"scale-down-delay": "-1m23s"}, "scale-down-delay cannot be negative, was: -1m23s"),
        (
            {"scale-down-delay": "61984ms"},
            "scale-down-delay = 1m1.984s, must be specified with at most second precision",
        ),
        (
            {"scale-to-zero-pod-retention-period": "-4m11s"},
            "scale-to-zero-pod-retention-period cannot be negative, was: -4m11s",
        ),
        (
            {"target-burst-capacity": "-11"},
            "target-burst-capacity must be either non-negative or -1 (for unlimited), was: -11.000000",
        ),
        ({"container-concurrency-target-percentage": "-42"}, "= -42.000000 is outside of valid range of (0, 100]"),
        ({"container-concurrency-target-percentage": "142.4"}, "= 1.424000 is outside of valid range of (0, 100]"),
        ({"requests-per-second-target-default": "-5.25"}, "must be at least 0.01, was: -5.25"),
        ({"max-scale-up-rate": "1"}, "max-scale-up-rate = 1, must be greater than 1.0"),
        ({"max-scale-down-rate": "-55"}, "max-scale-down-rate = -55, must be greater than 1.0"),
        ({"max-scale-down-rate": "1"}, "max-scale-down-rate = 1, must be greater than 1.0"),
        ({"stable-window": "1h1s"}, "stable-window = 1h0m1s, must be in [6s; 1h0m0s] range"),
        ({"stable-window": "1s"}, "stable-window = 1s, must be in [6s; 1h0m0s] range"),
        ({"stable-window": "61984ms"}, "stable-window = 1m1.984s, must be specified with at most second precision"),
        ({"activator-capacity": "0.95"}, "activator-capacity = 0.95, must be at least 1"),
        ({"panic-window-percentage": "0.1"}, "panic-window-percentage = 0.1, must be in [1, 100] interval"),
        ({"panic-window-percentage": "110"}, "panic-window-percentage = 110, must be in [1, 100] interval"),
        (
            {"container-concurrency-target-percentage": "1", "container-concurrency-target-default": "0.001"},
            "yield target concurrency of 0.001, can't be less than 0.01",
        ),
        ({"scale-to-zero-grace-period": "0s"}, "scale-to-zero-grace-period must be positive, was: 0s"),
        ({"initial-scale": "0"}, "initial-scale = 0, must be at least 0 (or at least 1 when"),
        ({"initial-scale": "-1"}, "initial-scale = -1, must be at least 0"),
        ({"max-scale": "-1"}, "max-scale = -1, must be in [0, max-scale-limit(0)] range"),
        ({"max-scale": "10", "max-scale-limit": "9"}, "max-scale = 10, must be in [1, max-scale-limit(9)] range"),
        ({"max-scale-limit": "-9"}, "max-scale-limit = -9, must be at least 0"),
        ({"max-scale-limit": "11"}, "max-scale = 0, must be in [1, max-scale-limit(11)] range"),
        ({"min-scale": "4", "max-scale": "3"}, "min-scale (4) must be less than max-scale (3)"),
        ({"min-scale": "-1"}, "min-scale = -1, must be at least 0"),
    ],
)
def test_a_wrong_value_is_refused_in_upstreams_words(data, words):
    with pytest.raises(SettingError) as refused:
        parse_config(data)
    assert words in refused.value.what
    assert refused.value.next_command == "kubectl edit configmap config-autoscaler --namespace knative-serving"


def test_every_problem_of_a_configuration_is_told_at_once():
    with pytest.raises(SettingError) as refused:
        parse_config({"stable-window": "3s", "max-scale-up-rate": "1", "initial-scale": "0"})
    assert "max-scale-up-rate" in refused.value.what
    assert "stable-window" in refused.value.detail
    assert "initial-scale" in refused.value.detail
