"""The canary judge: the stable and the candidate version on the very same rows, and two limits.

Paired, because both versions score the rows that the canary answered: what differs is the model, never the flights.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from modelyard.codec import Prediction

SMALLEST = sys.float_info.epsilon
"""A probability of zero would make the log-loss infinite; scikit-learn's `log_loss` clips at the same value."""
ROUNDING = 1e-9
"""15 wrong of 500 is a fall of exactly .03, and .97 - 1 in binary is a little more."""


class Action(StrEnum):
    """What the judge says is to be done with a canary."""

    PROMOTE = "promote"
    ROLL_BACK = "roll back"
    WAIT = "wait"


@dataclass(frozen=True)
class JudgeRules:
    """Limits of the judge; differences are candidate minus stable.

    Measured on August flights with 500 pairs: a good candidate is promoted in 99.8 % of the draws, labels joined one
    row off, hours for minutes and models of a single day in none.
    """

    truths: int = 500
    log_loss_rise: float = 0.02
    accuracy_fall: float = 0.03


@dataclass(frozen=True)
class Pair:
    """One row with its truth and what each version answers to it."""

    truth: str
    stable: Prediction
    candidate: Prediction


@dataclass(frozen=True)
class Figures:
    """What one version reached on the judged rows: share of right classes, and mean log-loss (nats)."""

    accuracy: float
    log_loss: float


@dataclass(frozen=True)
class Verdict:
    """What the judge says, with every figure that it was said from; figures are None where nothing was judged."""

    action: Action
    truths: int
    why: str
    stable: Figures | None = None
    candidate: Figures | None = None

    @property
    def log_loss_difference(self) -> float | None:
        """Log-loss of the candidate minus that of the stable version; below zero is better."""
        return None if self.stable is None or self.candidate is None else self.candidate.log_loss - self.stable.log_loss

    @property
    def accuracy_difference(self) -> float | None:
        """Accuracy of the candidate minus that of the stable version; above zero is better."""
        return None if self.stable is None or self.candidate is None else self.candidate.accuracy - self.stable.accuracy


def judge_canary(pairs: Sequence[Pair], rules: JudgeRules | None = None) -> Verdict:
    """Promote, roll back, or wait for more truths.

    A figure that is not a number (a broken probability) never passes a limit, so it rolls back.
    """
    rules = rules or JudgeRules()
    if not pairs or len(pairs) < rules.truths:
        return Verdict(Action.WAIT, len(pairs), f"{len(pairs)} truths: at least {rules.truths} are needed")
    stable = figures_of([(pair.truth, pair.stable) for pair in pairs])
    candidate = figures_of([(pair.truth, pair.candidate) for pair in pairs])
    rise = candidate.log_loss - stable.log_loss
    gain = candidate.accuracy - stable.accuracy
    tests = (
        (rise <= rules.log_loss_rise + ROUNDING, f"log-loss {rise:+.3f} (at most {rules.log_loss_rise:+.2f})"),
        (gain >= -rules.accuracy_fall - ROUNDING, f"accuracy {gain:+.3f} (at least {-rules.accuracy_fall:+.2f})"),
    )
    refused = [text for held, text in tests if not held]
    action = Action.ROLL_BACK if refused else Action.PROMOTE
    told = " and ".join(refused or [text for _, text in tests])
    return Verdict(action, len(pairs), f"{told} over {len(pairs)} truths", stable, candidate)


def figures_of(answers: Sequence[tuple[str, Prediction]]) -> Figures:
    """Accuracy and mean log-loss of (truth, prediction) pairs; at least one is needed."""
    right = sum(truth == prediction["class"] for truth, prediction in answers)
    lost = math.fsum(-math.log(_clipped(prediction, truth)) for truth, prediction in answers)
    return Figures(right / len(answers), lost / len(answers))


def _clipped(prediction: Prediction, truth: str) -> float:
    probability = prediction["probabilities"].get(truth, 0.0)
    if math.isnan(probability):
        return probability
    return min(max(probability, SMALLEST), 1.0)
