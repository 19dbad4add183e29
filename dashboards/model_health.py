"""The dashboard "Model health": does the world still look like the training data, and are the answers still right?"""

from __future__ import annotations

from typing import Any

from dashboards.frame import board
from dashboards.panels import SERVICE, Limit, bars, distribution, graph, number, stretches, table
from dashboards.series import EARLY_RECALL_THRESHOLD_RATIO

TITLE = "Model health"
VERSION = "version {{model_version}}"
WATCHED = f"modelyard:recall_ratio{{{SERVICE}}} and modelyard:recall_breaches_in_a_row{{{SERVICE}}}"
"""Recall of the classes that have a threshold."""
OF_VERSION = "and on (namespace, inferenceservice, model_version)"
OF_COLUMN = "and on (namespace, inferenceservice, model_version, column)"
NO_WINDOW, NO_TRUTH = "no window yet", "no truth yet"

GLANCE = [
    number(
        "How many columns drifted?",
        "Columns of the last window that look unlike the training data. One is enough for the alert InputDrift.",
        f"modelyard:drift_columns{{{SERVICE}}}",
        VERSION,
        limit=Limit(1),
        empty=NO_WINDOW,
    ),
    number(
        "How often is it right?",
        "Accuracy over the last window of truths. It is shown and not alerted on: it moves with the season and the mix"
        " of classes as well as with the model.",
        f"modelyard:accuracy_ratio{{{SERVICE}}}",
        VERSION,
        unit="percentunit",
        decimals=1,
        empty=NO_TRUTH,
    ),
    number(
        "Does it still recognise what it must?",
        "Recall of each class that has a threshold: of the rows that truly were of the class, the part that was called"
        f" so. Below the threshold ({EARLY_RECALL_THRESHOLD_RATIO} for early flights) in two windows in a row"
        " ClassRecallLow fires.",
        WATCHED,
        "{{class}}, " + VERSION,
        unit="percentunit",
        limit=Limit(EARLY_RECALL_THRESHOLD_RATIO, bad_above=False),
        decimals=1,
        empty=NO_TRUTH,
    ),
    number(
        "Does an alert fire?",
        "Alerts about this InferenceService that fire now.",
        f"sum(modelyard:alerts_firing{{{SERVICE}}}) or vector(0)",
        "",
        limit=Limit(1),
        words={"0": ("none", "green")},
    ),
]

DRIFT = [
    stretches(
        "Which column moved away from the training data, and when?",
        "One row a column: its distance from the training data in the last window, as a part of the distance at which"
        " it counts as drifted. Green is near, yellow is half way, red (100 % and more) is drifted.",
        f"modelyard:drift_ratio{{{SERVICE}}}",
        "{{column}}, " + VERSION,
        span=24,
        height=12,
        unit="percentunit",
        limit=Limit(1, near=0.5),
        empty=NO_WINDOW,
    ),
    distribution(
        "How does the farthest column look, trained on and now?",
        "Of the column that is farthest away: which part of the rows fell into each range, in the data that the version"
        " was trained on and in the last window. Where the bars differ is what has changed in the world.",
        f"modelyard:distribution_ratio{{{SERVICE}}} {OF_COLUMN} topk(1, modelyard:drift_ratio{{{SERVICE}}})",
        empty=NO_WINDOW,
    ),
    distribution(
        "How does $column look, trained on and now?",
        "The same for the column that is chosen above, of the version that gets most of the traffic.",
        f'modelyard:distribution_ratio{{{SERVICE},column="$column"}}'
        f" {OF_VERSION} topk(1, modelyard:version_traffic_ratio{{{SERVICE}}})",
        empty=NO_WINDOW,
    ),
]

QUALITY = [
    graph(
        "Are the answers right?",
        "Accuracy of each version, window by window, as the truths come in. Only versions that answered the same"
        " flights can be compared: during a canary they do.",
        [(f"modelyard:accuracy_ratio{{{SERVICE}}}", VERSION)],
        unit="percentunit",
        top=1,
        empty=NO_TRUTH,
    ),
    graph(
        "Which class does it lose?",
        "Recall of each class. The dashed line is the threshold for early"
        f" ({EARLY_RECALL_THRESHOLD_RATIO}): a model can lose one class while its accuracy hardly moves.",
        [(f"modelyard:recall_ratio{{{SERVICE}}}", "{{class}}, " + VERSION)],
        unit="percentunit",
        top=1,
        limit=Limit(EARLY_RECALL_THRESHOLD_RATIO, bad_above=False),
        empty=NO_TRUTH,
    ),
]

WRONG = [
    bars(
        "What is taken for what?",
        "Wrong predictions so far, most frequent first: the true class, then what it was called.",
        f"topk(8, modelyard:wrong_predictions_total{{{SERVICE}}})",
        "{{truth}} called {{predicted}}, " + VERSION,
        empty=NO_TRUTH,
    ),
    graph(
        "What is predicted?",
        "Part of the last window that was predicted as each class. A shift tells something before any truth comes,"
        " but not whether the world or the model has moved.",
        [(f"modelyard:prediction_ratio{{{SERVICE}}}", "{{class}}, " + VERSION)],
        unit="percentunit",
        top=1,
        empty=NO_WINDOW,
    ),
]

CANARY = [
    graph(
        "Which version should answer?",
        "The share of the traffic that each version is meant to get. A step from 10 to 100 % is a promotion, back to 0"
        " a roll-back; the blue marks in every graph stand where it happened.",
        [(f"modelyard:version_traffic_ratio{{{SERVICE}}}", VERSION)],
        unit="percentunit",
        top=1,
        stacked=True,
    ),
    graph(
        "Is the canary less surprised than the stable version?",
        "Log loss by version: how surprised the model was by the truth, where being wrong and sure costs most. Less is"
        " better; guessing by the classes' frequencies alone would be about 1.2 here.",
        [(f"modelyard:log_loss{{{SERVICE}}}", VERSION)],
        unit="short",
        empty=NO_TRUTH,
    ),
    table(
        "How do the versions compare?",
        "Every version in the traffic side by side. The canary's judge decides on the same rows for both, not on these"
        " windows.",
        [
            (f"modelyard:version_traffic_ratio{{{SERVICE}}}", "share of traffic", "percentunit"),
            (f"modelyard:rows_total{{{SERVICE}}}", "rows", "short"),
            (f"modelyard:truths_total{{{SERVICE}}}", "truths", "short"),
            (f"modelyard:accuracy_ratio{{{SERVICE}}}", "accuracy", "percentunit"),
            (f"modelyard:log_loss{{{SERVICE}}}", "log loss", "short"),
            (f"modelyard:drift_columns{{{SERVICE}}}", "columns drifted", "short"),
        ],
        labels={"model_version": "model version"},
        span=24,
        height=6,
        empty="no version has answered yet",
    ),
]


def build() -> Any:
    """The dashboard."""
    return board(
        "modelyard-model-health",
        TITLE,
        "Does the world still look like the training data, and are the answers still right?",
        [
            ("At a glance", GLANCE),
            ("Drift: does the question still look like the training data?", DRIFT),
            ("Quality: are the answers right, once the truth has come?", QUALITY),
            ("Wrong predictions: what is taken for what?", WRONG),
            ("Canary: is the new version better than the old one?", CANARY),
        ],
        known_by="modelyard:rows_total",
        column_of="modelyard:drift_distance",
    ).build()
