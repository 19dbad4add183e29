from dataclasses import replace

import pytest

from modelyard.errors import GateRefused
from modelyard.registry.gate import Figures, GateEvidence, judge_candidate, require_passed
from modelyard.registry.models import ModelVersion

GOOD = GateEvidence(
    candidate=Figures("2", 16_693, accuracy=0.678, log_loss=0.709),
    majority_accuracy=0.417,
    rule_accuracy=0.592,
    production=Figures("1", 16_693, accuracy=0.614, log_loss=0.840),
)


def broken(verdict):
    return [check.name for check in verdict.checks if not check.held]


def test_a_candidate_that_beats_baselines_and_production_passes():
    verdict = judge_candidate(GOOD)
    assert verdict.passed
    assert len(verdict.checks) == 5
    assert all(line.startswith("ok") for line in verdict.lines())


def test_the_first_version_has_no_production_to_beat():
    verdict = judge_candidate(replace(GOOD, production=None))
    assert verdict.passed
    assert "nothing is in production" in verdict.lines()[-1]


def test_a_candidate_equal_to_production_passes_a_float_apart():
    same = replace(GOOD.candidate, version="1", accuracy=0.678 + 1e-12, log_loss=0.709 - 1e-12)
    assert judge_candidate(replace(GOOD, production=same)).passed


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"majority_accuracy": 0.678}, "better than the most frequent class"),
        ({"rule_accuracy": 0.679}, "better than the rule of thumb"),
        ({"production": Figures("1", 9, 0.679, 0.84)}, "no worse than version 1 in production, accuracy"),
        ({"production": Figures("1", 9, 0.61, 0.70)}, "no worse than version 1 in production, log-loss"),
        ({"example_error": "ValueError: column dewp"}, "answers its input example"),
    ],
)
def test_each_check_alone_refuses(change, named):
    verdict = judge_candidate(replace(GOOD, **change))
    assert not verdict.passed
    assert broken(verdict) == [named]


def test_a_figure_that_is_no_number_refuses():
    verdict = judge_candidate(replace(GOOD, candidate=replace(GOOD.candidate, log_loss=float("nan"))))
    assert not verdict.passed


@pytest.mark.parametrize("gate", ["refused", ""])
def test_a_version_without_a_passed_gate_gets_no_alias(gate):
    version = ModelVersion("flights", "3", "run", "s3://mlflow/1", "digest", gate=gate)
    with pytest.raises(GateRefused, match="version 3 has not passed the gate"):
        require_passed(version)
    require_passed(replace(version, gate="passed"))
