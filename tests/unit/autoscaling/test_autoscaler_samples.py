"""Names, labels and help texts of the series, against the ones that a Knative 1.23 autoscaler exposed."""

import re
from dataclasses import replace
from pathlib import Path

from modelyard.autoscaling.revision import Outcome, RevisionScaler
from modelyard.autoscaling.samples import PodCounts, labels_of, samples
from modelyard.autoscaling.spec import ScalingSpec

RECORDED = (Path(__file__).parent / "recorded" / "autoscaler.txt").read_text("utf-8")
LABELS = labels_of(
    namespace="demo", service="iris-predictor", configuration="iris-predictor", revision="iris-predictor-00001"
)
SPEC = ScalingSpec()


def outcome(spec: ScalingSpec = SPEC) -> Outcome:
    scaler = RevisionScaler(spec, ready_at_start=1, now=100.0, scale_at_start=1)
    scaler.record(100.0, concurrency=12.0, rps=31.0)
    return scaler.tick(100.0, ready=1, activator_in_path=True)


def told(spec: ScalingSpec = SPEC, pods: PodCounts | None = None) -> dict[str, float]:
    return {one.name: one.value for one in samples(outcome(spec), spec, pods or PodCounts(ready=1), LABELS)}


def test_the_series_are_those_of_a_recorded_autoscaler_with_its_labels_and_words():
    recorded_labels = {
        name: dict(re.findall(r'(\w+)="([^"]*)"', labels))
        for name, labels in re.findall(r"^(kn_revision_\w+)\{([^}]*00001[^}]*)\}", RECORDED, re.MULTILINE)
    }
    recorded_help = dict(re.findall(r"^# HELP (kn_revision_\w+) (.*)$", RECORDED, re.MULTILINE))
    ours = list(samples(outcome(), SPEC, PodCounts(ready=1), LABELS))
    assert {one.name: one.labels for one in ours} == recorded_labels
    assert {one.name: one.help for one in ours} == recorded_help


def test_the_values_are_those_of_the_last_tick():
    pods = PodCounts(ready=2, not_ready=3, pending=4, terminating=5)
    assert told(pods=pods) == {
        "kn_revision_pods_desired": 1,
        "kn_revision_pods_requested": 1,
        "kn_revision_pods_count": 2,
        "kn_revision_pods_not_ready_count": 3,
        "kn_revision_pods_pending_count": 4,
        "kn_revision_pods_terminating_count": 5,
        "kn_revision_capacity_excess": 100 - 211 - 12,
        "kn_revision_panic_mode": 0,
        "kn_revision_concurrency_stable": 12.0,
        "kn_revision_concurrency_panic": 12.0,
        "kn_revision_concurrency_target": 70.0,
    }


def test_a_revision_that_is_scaled_by_requests_per_second_has_series_of_those():
    values = told(replace(SPEC, metric="rps", total_target=200.0))
    assert values["kn_revision_rps_stable_per_second"] == 31.0
    assert values["kn_revision_rps_panic_per_second"] == 31.0
    assert values["kn_revision_rps_target_per_second"] == 140.0
    assert not any("concurrency" in name for name in values)


def test_what_is_not_known_yet_has_no_sample():
    scaler = RevisionScaler(SPEC, ready_at_start=0, now=100.0)
    new = scaler.tick(100.0, ready=0, activator_in_path=True)
    names = {one.name for one in samples(new, SPEC, PodCounts(), LABELS)}
    assert "kn_revision_concurrency_stable" not in names
    assert "kn_revision_pods_desired" not in names
    assert "kn_revision_pods_count" in names
