"""What admission refuses; the table is that of knative/serving pkg/apis/autoscaling/annotation_validation_test.go."""

import ast
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import modelyard.autoscaling
from modelyard.autoscaling.config import AutoscalerConfig
from modelyard.autoscaling.problems import find_annotation_problems
from modelyard.autoscaling.spec import find_problems, find_unserved_class

GROUP = "autoscaling.knative.dev/"
KPA, HPA = "kpa.autoscaling.knative.dev", "hpa.autoscaling.knative.dev"
LIMIT = AutoscalerConfig(max_scale_limit=10, max_scale=1)
CASES = [
    ({}, ""),
    ({"class": "unsupported.knative.dev"}, "invalid value: unsupported.knative.dev: class"),
    ({"class": "some.other.domain"}, ""),
    ({"min-scale": "0"}, ""),
    ({"max-scale": "0"}, ""),
    ({"min-scale": "-1"}, "expected 0 <= -1 <= 2147483647: min-scale"),
    ({"max-scale": "2147483648"}, "expected 0 <= 2147483648 <= 2147483647: max-scale"),
    ({"max-scale": "-1"}, "expected 0 <= -1 <= 2147483647: max-scale"),
    ({"min-scale": "foo"}, "invalid value: foo: min-scale"),
    ({"max-scale": "bar"}, "invalid value: bar: max-scale"),
    ({"max-scale": "bar", "min-scale": "bar"}, "invalid value: bar: max-scale, min-scale"),
    ({"min-scale": "2", "max-scale": "5"}, ""),
    ({"min-scale": "5", "max-scale": "2"}, "max-scale=2 is less than min-scale=5: max-scale, min-scale"),
    ({"min-scale": "0", "max-scale": "0"}, ""),
    ({"min-scale": "1", "activation-scale": "2", "max-scale": "3"}, ""),
    ({"min-scale": "3", "activation-scale": "2"}, "min-scale=3 is greater than activation-scale=2: activation-scale"),
    ({"max-scale": "1", "activation-scale": "2"}, "max-scale=1 is less than activation-scale=2: activation-scale"),
    ({"activation-scale": "1"}, "activation-scale=1 must be greater than 1: activation-scale"),
    ({"metric-aggregation-algorithm": "linear", "class": KPA}, ""),
    ({"metric-aggregation-algorithm": "", "class": KPA}, ""),
    (
        {"metric-aggregation-algorithm": "random-selection", "class": KPA},
        "invalid value: random-selection: metric-aggregation-algorithm",
    ),
    ({"metric-aggregation-algorithm": "random-selection", "class": "of-keys"}, ""),
    ({"panic-window-percentage": "-1"}, "expected 1 <= -1 <= 100: panic-window-percentage"),
    ({"panic-window-percentage": "202"}, "expected 1 <= 202 <= 100: panic-window-percentage"),
    ({"panic-window-percentage": "fifty"}, "invalid value: fifty: panic-window-percentage"),
    ({"panic-threshold-percentage": "210"}, ""),
    ({"panic-threshold-percentage": "109"}, "expected 110 <= 109 <= 1000: panic-threshold-percentage"),
    ({"panic-threshold-percentage": "10009"}, "expected 110 <= 10009 <= 1000: panic-threshold-percentage"),
    ({"panic-threshold-percentage": "fifty"}, "invalid value: fifty: panic-threshold-percentage"),
    ({"target": "-11"}, "target -11 should be at least 0.01: target"),
    ({"target": "0"}, "target 0 should be at least 0.01: target"),
    ({"target": "100}"}, "invalid value: 100}: target"),
    ({"target": "11"}, ""),
    ({"target-burst-capacity": "-11"}, "invalid value: -11: target-burst-capacity"),
    ({"target-burst-capacity": "0"}, ""),
    ({"target-burst-capacity": "19870709"}, ""),
    ({"target-burst-capacity": "-1"}, ""),
    ({"target-burst-capacity": "qarashen"}, "invalid value: qarashen: target-burst-capacity"),
    ({"target-utilization-percentage": "0"}, "expected 1 <= 0 <= 100: target-utilization-percentage"),
    ({"target-utilization-percentage": "101"}, "expected 1 <= 101 <= 100: target-utilization-percentage"),
    ({"target-utilization-percentage": "dghyak"}, "invalid value: dghyak: target-utilization-percentage"),
    ({"targetUtilizationPercentage": "101"}, "expected 1 <= 101 <= 100: targetUtilizationPercentage"),
    ({"window": "jerry-was-a-racecar-driver"}, "invalid value: jerry-was-a-racecar-driver: window"),
    ({"window": "1s"}, "expected 6s <= 1s <= 1h0m0s: window"),
    ({"window": "365h"}, "expected 6s <= 365h <= 1h0m0s: window"),
    ({"window": "1m9s82ms"}, "must be specified with at most second precision: window"),
    ({"window": "7s", "class": KPA}, ""),
    ({"window": "7s", "class": "test"}, ""),
    ({"scale-to-zero-pod-retention-period": "0"}, ""),
    ({"scale-to-zero-pod-retention-period": "21m31s"}, ""),
    (
        {"scale-to-zero-pod-retention-period": "311m"},
        "expected 0s <= 311m <= 1h0m0s: scale-to-zero-pod-retention-period",
    ),
    (
        {"scale-to-zero-pod-retention-period": "-42s"},
        "expected 0s <= -42s <= 1h0m0s: scale-to-zero-pod-retention-period",
    ),
    ({"scale-to-zero-pod-retention-period": "22-min"}, "invalid value: 22-min: scale-to-zero-pod-retention-period"),
    ({"scale-down-delay": "0"}, ""),
    ({"scale-down-delay": "21m31s"}, ""),
    ({"scale-down-delay": "311m"}, "expected 0s <= 311m <= 1h0m0s: scale-down-delay"),
    ({"scale-down-delay": "42.5s"}, "must be specified with at most second precision: scale-down-delay"),
    ({"scale-down-delay": "-42s"}, "expected 0s <= -42s <= 1h0m0s: scale-down-delay"),
    ({"scale-down-delay": "22-minutes"}, "invalid value: 22-minutes: scale-down-delay"),
    (
        {
            "panic-threshold-percentage": "fifty",
            "panic-window-percentage": "-11",
            "min-scale": "-4",
            "max-scale": "never",
        },
        "expected 0 <= -4 <= 2147483647: min-scale\nexpected 1 <= -11 <= 100: panic-window-percentage\n"
        "invalid value: fifty: panic-threshold-percentage\ninvalid value: never: max-scale",
    ),
    (
        {
            "panic-threshold-percentage": "125",
            "panic-window-percentage": "75",
            "min-scale": "5",
            "max-scale": "8",
            "window": "1984s",
        },
        "",
    ),
    ({"metric": "cpu"}, "invalid value: cpu: metric"),
    ({"metric": "", "class": HPA}, "invalid value: : metric"),
    ({"metric": "rps"}, ""),
    ({"metric": "concurrency"}, ""),
    ({"metric": "cpu", "class": HPA}, ""),
    ({"metric": "rps", "class": "other"}, ""),
    ({"initial-scale": "0"}, "invalid value: 0: initial-scale=0 not allowed by cluster"),
    ({"initial-scale": "2"}, ""),
    ({"initial-scale": "-1"}, "invalid value: -1: initial-scale must be greater than 0"),
    ({"initial-scale": "invalid"}, "invalid value: invalid: initial-scale"),
]


def found(annotations: dict[str, str], config: AutoscalerConfig | None = None) -> str:
    problems = find_annotation_problems({GROUP + name: value for name, value in annotations.items()}, config)
    return "\n".join(problems).replace("metadata.annotations." + GROUP, "")


@pytest.mark.parametrize(("annotations", "words"), CASES)
def test_annotations_are_judged_as_knatives_webhook_judges_them(annotations, words):
    assert found(annotations) == words


@pytest.mark.parametrize(
    ("annotations", "config", "words"),
    [
        ({"max-scale": "11"}, LIMIT, "expected 1 <= 11 <= 10: max-scale"),
        ({"max-scale": "0"}, LIMIT, "max-scale=0 (unlimited), must be less than 10: max-scale"),
        ({"max-scale": "9"}, LIMIT, ""),
        ({}, LIMIT, ""),
        ({"metric": "cpu"}, AutoscalerConfig(pod_autoscaler_class=HPA), ""),
        ({"initial-scale": "0"}, AutoscalerConfig(allow_zero_initial_scale=True), ""),
    ],
)
def test_what_the_configuration_allows_and_bounds(annotations, config, words):
    assert found(annotations, config) == words


@pytest.mark.parametrize(
    ("predictor", "annotations", "problems"),
    [
        ({}, {}, []),
        ({"minReplicas": 0, "maxReplicas": 0, "containerConcurrency": 0}, {}, []),
        ({"minReplicas": -1}, {}, ["'MinReplicas' cannot be less than 0"]),
        ({"maxReplicas": -1}, {}, ["'MaxReplicas' cannot be less than 0"]),
        ({"minReplicas": 3, "maxReplicas": 2}, {}, ["'MinReplicas' cannot be greater than MaxReplicas"]),
        ({"containerConcurrency": -1}, {}, ["parallelism cannot be less than 0"]),
        ({"scaleMetric": "cpu"}, {}, ["[cpu] is not a supported metric"]),
        ({"scaleMetric": "rps", "scaleTarget": 0}, {}, ["the target for rps should be greater than 1"]),
        ({"scaleMetric": "memory"}, {GROUP + "class": HPA}, []),
        ({"scaleMetric": "rps"}, {GROUP + "class": HPA}, ["[rps] is not a supported metric"]),
        (
            {"scaleMetric": "cpu", "scaleTarget": 101},
            {GROUP + "class": HPA},
            ["the target utilization percentage should be a [1-100] integer"],
        ),
        ({"scaleMetric": "memory", "scaleTarget": 101}, {GROUP + "class": HPA}, []),
        (
            {},
            {"serving.kserve.io/autoscalerClass": "magic"},
            ["[magic] is not a supported autoscaler class type"],
        ),
        (
            {"minReplicas": 3},
            {GROUP + "activation-scale": "2"},
            [f"min-scale=3 is greater than activation-scale=2: metadata.annotations.{GROUP}activation-scale"],
        ),
        (
            {"scaleTarget": 0},
            {},
            [f"target 0 should be at least 0.01: metadata.annotations.{GROUP}target"],
        ),
        (
            {"minReplicas": 3, "maxReplicas": 2},
            {GROUP + "window": "3s"},
            [
                "'MinReplicas' cannot be greater than MaxReplicas",
                f"expected 6s <= 3s <= 1h0m0s: metadata.annotations.{GROUP}window",
            ],
        ),
    ],
)
def test_an_inferenceservice_is_judged_by_kserves_rules_and_then_by_knatives(predictor, annotations, problems):
    assert find_problems(predictor, annotations) == problems


def test_problems_are_found_under_the_configuration_that_holds():
    asked = {GROUP + "initial-scale": "0"}
    assert find_problems({}, asked)
    assert not find_problems({}, asked, replace(AutoscalerConfig(), allow_zero_initial_scale=True))


def test_another_class_of_autoscaler_is_admitted_and_told_to_be_a_clusters():
    asked = {GROUP + "class": HPA}
    assert not find_problems({"scaleMetric": "cpu"}, asked)
    told = find_unserved_class({}, asked)
    assert HPA in told
    assert told.endswith("--on kind")
    assert find_unserved_class({"annotations": asked}, {})
    assert find_unserved_class({}, {GROUP + "class": KPA}) is None
    assert find_unserved_class({}, {}) is None


def test_the_package_needs_nothing_but_the_standard_library_and_the_errors():
    folder = Path(modelyard.autoscaling.__file__).parent
    for module in folder.glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text("utf-8"))):
            imported = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            imported += [name.name for name in node.names] if isinstance(node, ast.Import) else []
            for name in imported:
                own = name.startswith("modelyard.autoscaling") or name == "modelyard.errors"
                assert own or name.split(".")[0] in sys.stdlib_module_names, f"{module.name} imports {name}"
