"""The canary judge on synthetic pairs; figures are checked against scikit-learn's own."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, log_loss

from modelyard.codec import encode_predictions
from modelyard.rollout.judge import Action, JudgeRules, Pair, figures_of, judge_canary

CLASSES = ["early", "late", "on_time", "very_late"]


def drawn(count: int, sharpness: float, seed: int = 0, shift: int = 0):
    """Truths and answers: `sharpness` says how much the answers know; `shift` moves truths against rows."""
    rng = np.random.default_rng(seed)
    truths = rng.choice(CLASSES, size=count, p=[0.31, 0.16, 0.445, 0.085])
    logits = rng.normal(0, 1, (count, 4)) + sharpness * np.array([[c == t for c in CLASSES] for t in truths])
    if shift:
        logits = np.roll(logits, shift, axis=0)
    odds = np.exp(logits)
    return list(truths), encode_predictions(CLASSES, odds / odds.sum(axis=1, keepdims=True))["predictions"]


def paired(count: int, stable: float, candidate: float, shift: int = 0) -> list[Pair]:
    truths, before = drawn(count, stable, seed=1)
    _, after = drawn(count, candidate, seed=1, shift=shift)
    return [Pair(t, b, a) for t, b, a in zip(truths, before, after, strict=True)]


def test_a_candidate_that_knows_more_is_promoted():
    verdict = judge_canary(paired(500, 1.6, 2.0))
    assert verdict.action is Action.PROMOTE
    assert verdict.log_loss_difference < 0 < verdict.accuracy_difference


def test_the_same_model_again_is_promoted_with_no_difference():
    verdict = judge_canary(paired(500, 1.6, 1.6))
    assert (verdict.action, verdict.log_loss_difference, verdict.accuracy_difference) == (Action.PROMOTE, 0, 0)


def test_answers_joined_one_row_off_are_rolled_back():
    verdict = judge_canary(paired(500, 1.6, 1.6, shift=1))
    assert verdict.action is Action.ROLL_BACK
    assert verdict.accuracy_difference < -0.1


def test_right_classes_with_worse_probabilities_are_rolled_back():
    """Half of the labels shuffled in training keeps accuracy and ruins log-loss: accuracy alone would promote."""
    truths, sure = drawn(600, 2.0)
    dull = [
        {
            "class": p["class"],
            "probabilities": {c: 0.28 if c == p["class"] else 0.24 for c in CLASSES},
        }
        for p in sure
    ]
    verdict = judge_canary([Pair(t, s, d) for t, s, d in zip(truths, sure, dull, strict=True)])
    assert verdict.accuracy_difference == 0
    assert verdict.action is Action.ROLL_BACK
    assert "log-loss" in verdict.why and "accuracy" not in verdict.why


def test_one_truth_short_of_the_least_number_waits():
    pairs = paired(500, 1.6, 2.0)
    assert judge_canary(pairs[:499]).action is Action.WAIT
    assert judge_canary(pairs).action is Action.PROMOTE


def test_no_row_at_all_waits_and_has_no_figures_even_when_none_are_asked_for():
    verdict = judge_canary([], JudgeRules(truths=0))
    assert verdict.action is Action.WAIT
    assert verdict.log_loss_difference is None and verdict.accuracy_difference is None


def _answer(probability_of_early: float, said: str = "early"):
    return {"class": said, "probabilities": {"early": probability_of_early, "late": 1 - probability_of_early}}


@pytest.mark.parametrize(
    ("candidate", "action"),
    [(0.5 * math.exp(-0.0199), Action.PROMOTE), (0.5 * math.exp(-0.0201), Action.ROLL_BACK)],
)
def test_the_log_loss_limit_is_two_hundredths(candidate, action):
    """-log(.5 exp(-d)) = log 2 + d: the difference is d exactly."""
    pairs = [Pair("early", _answer(0.5), _answer(candidate))] * 500
    assert judge_canary(pairs).action is action


@pytest.mark.parametrize(("wrong", "action"), [(15, Action.PROMOTE), (16, Action.ROLL_BACK)])
def test_the_accuracy_limit_is_three_hundredths(wrong, action):
    """15 of 500 is .03 and still allowed; the probabilities are the same, so log-loss says nothing."""
    pairs = [Pair("early", _answer(0.5), _answer(0.5, "late" if n < wrong else "early")) for n in range(500)]
    assert judge_canary(pairs).action is action


def test_a_probability_that_is_not_a_number_is_rolled_back():
    pairs = paired(500, 1.6, 2.0)
    broken = {"class": "early", "probabilities": dict.fromkeys(CLASSES, math.nan)}
    assert judge_canary([*pairs[:-1], Pair("early", pairs[-1].stable, broken)]).action is Action.ROLL_BACK


def test_a_class_that_the_candidate_does_not_know_costs_much_but_is_no_error():
    pairs = [Pair("early", _answer(0.9), {"class": "late", "probabilities": {"late": 1.0}})] * 500
    assert judge_canary(pairs).action is Action.ROLL_BACK


@given(seed=st.integers(0, 10_000), count=st.integers(2, 60), sharpness=st.floats(0, 4))
def test_figures_are_those_of_scikit_learn(seed, count, sharpness):
    truths, answers = drawn(count, sharpness, seed=seed)
    found = figures_of(list(zip(truths, answers, strict=True)))
    table = [[a["probabilities"][c] for c in CLASSES] for a in answers]
    assert found.log_loss == pytest.approx(log_loss(truths, table, labels=CLASSES), abs=1e-9)
    assert found.accuracy == accuracy_score(truths, [a["class"] for a in answers])
