"""What KServe's fields and Knative's annotations come to; targets: knative/serving .../resources/target_test.go."""

from dataclasses import replace

import pytest

from modelyard.autoscaling.annotations import GROUP
from modelyard.autoscaling.config import AutoscalerConfig
from modelyard.autoscaling.spec import ScalingSpec, panic_window_s, revision_annotations, scaling_spec

DEFAULT = AutoscalerConfig()
WHOLE = replace(DEFAULT, container_concurrency_target_fraction=1.0)
UPSTREAMS_TARGETS = [
    # predictor, annotations, container-concurrency-target (fraction, default), target, total
    ({}, {}, (1.0, 100), 100, 100),
    ({}, {}, (0.8, 100), 80, 100),
    ({}, {}, (0.3, 2), 0.6, 2),
    ({"containerConcurrency": 12}, {"target-utilization-percentage": "75"}, (0.8, 100), 9, 12),
    ({"containerConcurrency": 10}, {}, (0.8, 100), 8, 10),
    ({"containerConcurrency": 1}, {}, (0.8, 100), 0.8, 1),
    ({"containerConcurrency": 1}, {}, (1.0, 100), 1, 1),
    ({"containerConcurrency": 10}, {}, (1.0, 100), 10, 10),
    ({}, {"target": "1"}, (1.0, 100), 1, 1),
    ({}, {"target": "1"}, (0.001, 100), 0.01, 1),
    ({}, {"target": "1"}, (0.75, 100), 0.75, 1),
    ({}, {"target": "10"}, (0.75, 100), 7.5, 10),
    ({"containerConcurrency": 10}, {"target": "1"}, (1.0, 100), 1, 1),
    ({}, {"target": "500"}, (1.0, 100), 500, 500),
    ({"containerConcurrency": 1}, {"target": "10"}, (1.0, 100), 1, 1),
    ({"containerConcurrency": 1}, {"metric": "rps"}, (1.0, 100), 140, 200),
    ({}, {"metric": "rps", "target": "1"}, (1.0, 100), 0.7, 1),
    ({}, {"metric": "rps", "target-utilization-percentage": "75"}, (1.0, 100), 150, 200),
    ({}, {"metric": "rps", "target": "300"}, (1.0, 100), 210, 300),
    ({"scaleMetric": "rps", "scaleTarget": 300}, {}, (1.0, 100), 210, 300),
]


def annotated(**values: str) -> dict[str, str]:
    return {f"{GROUP}/{name.replace('_', '-')}": value for name, value in values.items()}


@pytest.mark.parametrize(("predictor", "annotations", "concurrency", "target", "total"), UPSTREAMS_TARGETS)
def test_the_target_comes_from_concurrency_annotation_and_utilization(
    predictor, annotations, concurrency, target, total
):
    fraction, default = concurrency
    config = replace(
        DEFAULT,
        container_concurrency_target_fraction=fraction,
        container_concurrency_target_default=default,
    )
    spec = scaling_spec(predictor, {f"{GROUP}/{name}": value for name, value in annotations.items()}, config)
    assert spec.target == pytest.approx(target)
    assert spec.total_target == total


def test_without_a_word_kserve_keeps_one_replica_and_knative_has_no_upper_bound():
    assert scaling_spec({}, {}, DEFAULT) == replace(ScalingSpec(), min_scale=1, max_scale=0, timeout_s=300)


def test_the_fields_of_kserve_become_annotations_of_the_revision():
    predictor = {"minReplicas": 0, "maxReplicas": 7, "scaleTarget": 3, "scaleMetric": "rps", "containerConcurrency": 9}
    assert revision_annotations(predictor, {"other": "kept"}) == {
        "other": "kept",
        "autoscaling.knative.dev/class": "kpa.autoscaling.knative.dev",
        "autoscaling.knative.dev/min-scale": "0",
        "autoscaling.knative.dev/max-scale": "7",
        "autoscaling.knative.dev/target": "3",
        "autoscaling.knative.dev/metric": "rps",
    }


def test_a_field_goes_before_the_annotation_and_the_predictors_annotation_before_the_services():
    service = annotated(min_scale="5", max_scale="5", target="5", window="10s")
    predictor = {"minReplicas": 2, "annotations": annotated(window="20s", target="6")}
    spec = scaling_spec(predictor, service, DEFAULT)
    assert (spec.min_scale, spec.max_scale, spec.total_target, spec.stable_window_s) == (2, 5, 6, 20)


def test_no_upper_bound_in_the_field_leaves_the_one_of_the_configuration():
    config = replace(DEFAULT, max_scale=4)
    assert scaling_spec({"maxReplicas": 0}, {}, config).max_scale == 4
    assert scaling_spec({"maxReplicas": 2}, {}, config).max_scale == 2


def test_every_annotation_changes_its_own_part_of_the_spec():
    spec = scaling_spec(
        {"timeout": 30, "minReplicas": 0},
        annotated(
            window="20s",
            panic_window_percentage="25.0",
            panic_threshold_percentage="150",
            target_burst_capacity="-1",
            scale_to_zero_pod_retention_period="1m5s",
            scale_down_delay="15m",
            initial_scale="3",
            activation_scale="2",
            metric_aggregation_algorithm="weightedExponential",
        )
        | {"serving.knative.dev/progress-deadline": "70s"},
        DEFAULT,
    )
    assert spec == ScalingSpec(
        stable_window_s=20,
        panic_window_s=5,
        panic_threshold=1.5,
        target_burst_capacity=-1,
        retention_s=65,
        scale_down_delay_s=900,
        initial_scale=3,
        activation_scale=2,
        algorithm="weighted-exponential",
        timeout_s=30,
        progress_deadline_s=70,
    )


@pytest.mark.parametrize(
    ("old", "new", "field", "value"),
    [
        ("targetUtilizationPercentage", "target-utilization-percentage", "target_utilization", 0.5),
        ("targetBurstCapacity", "target-burst-capacity", "target_burst_capacity", 50),
        ("initialScale", "initial-scale", "initial_scale", 50),
        ("maxScale", "max-scale", "max_scale", 50),
        ("panicWindowPercentage", "panic-window-percentage", "panic_window_s", 30),
        ("panicThresholdPercentage", "panic-threshold-percentage", "panic_threshold", 0.5),
    ],
)
def test_the_old_spelling_counts_until_the_new_one_stands_beside_it(old, new, field, value):
    assert getattr(scaling_spec({}, {f"{GROUP}/{old}": "50"}, DEFAULT), field) == value
    both = {f"{GROUP}/{old}": "99", f"{GROUP}/{new}": "50"}
    assert getattr(scaling_spec({}, both, DEFAULT), field) == value


def test_zero_as_initial_scale_counts_only_where_the_cluster_allows_it():
    asked = annotated(initial_scale="0")
    assert scaling_spec({}, asked, DEFAULT).initial_scale == 1
    assert scaling_spec({}, asked, replace(DEFAULT, allow_zero_initial_scale=True)).initial_scale == 0


@pytest.mark.parametrize(
    ("stable_s", "percentage", "panic_s"), [(60, 10, 6), (6, 10, 1), (15, 10, 2), (25, 10, 3), (6, 1, 1), (60, 100, 60)]
)
def test_the_panic_window_is_a_share_in_whole_seconds(stable_s, percentage, panic_s):
    assert panic_window_s(stable_s, percentage) == panic_s


def test_what_cannot_be_read_counts_as_absent():
    broken = annotated(window="soon", target="many", target_burst_capacity="NaN", initial_scale="x")
    assert scaling_spec({"scaleTarget": True, "minReplicas": "2"}, broken, DEFAULT) == scaling_spec({}, {}, DEFAULT)
