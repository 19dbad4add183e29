"""The dashboard "Model health": does the world still look like the training data, and are the answers still right?"""

from __future__ import annotations

from typing import Any

from dashboards.panels import SERVICE, Limit, bars, board, graph, number, stretches
from dashboards.series import DRIFT_THRESHOLD, EARLY_RECALL_THRESHOLD_RATIO

TITLE = "Model health"
VERSION = "version {{model_version}}"

GLANCE = [
    number(
        "Columns drifted",
        "Columns of the last window that look unlike the training data. One is enough for the alert InputDrift.",
        f"modelyard:drift_columns{{{SERVICE}}}",
        VERSION,
        span=5,
        limit=Limit(1),
    ),
    number(
        "Accuracy",
        "Part of the last window of truths that was predicted right. It is shown and not alerted on: it moves with the"
        " season and the mix of classes as well as with the model.",
        f"modelyard:accuracy_ratio{{{SERVICE}}}",
        VERSION,
        unit="percentunit",
        span=5,
        decimals=1,
    ),
    number(
        "Recall of early",
        f"Part of the flights that were early and were called early. Below {EARLY_RECALL_THRESHOLD_RATIO} in two"
        " windows in a row the alert ClassRecallLow fires.",
        f'modelyard:recall_ratio{{{SERVICE},class="early"}}',
        VERSION,
        unit="percentunit",
        span=5,
        limit=Limit(EARLY_RECALL_THRESHOLD_RATIO, bad_above=False),
        decimals=1,
    ),
    number(
        "Rows predicted",
        "Rows that each version in the traffic has answered and the monitor has seen.",
        f"modelyard:rows_total{{{SERVICE}}}",
        VERSION,
        span=5,
    ),
    number(
        "Alerts firing",
        "Alerts about this InferenceService that fire now.",
        f"sum(modelyard:alerts_firing{{{SERVICE}}}) or vector(0)",
        "",
        limit=Limit(1),
    ),
]

DRIFT = [
    graph(
        "Distance from the training data, by column",
        "How far the values of the last window lie from those that the version was trained on, in standard"
        f" deviations of the column (Wasserstein distance). A number counts as drifted at {DRIFT_THRESHOLD}, the"
        " dashed line; a category is measured otherwise (Jensen-Shannon, 0 to 1) and drifts at 0.4.",
        [(f"modelyard:drift_distance{{{SERVICE}}}", "{{column}}, " + VERSION)],
        unit="short",
        limit=Limit(DRIFT_THRESHOLD),
    ),
    bars(
        "Distance in the last window, farthest first",
        "The same, now. The first bar says what to ask the owner of the data about.",
        f"sort_desc(modelyard:drift_distance{{{SERVICE}}})",
        "{{column}}, " + VERSION,
        limit=Limit(DRIFT_THRESHOLD),
    ),
    graph(
        "Drifted windows in a row",
        "Windows count rows, not minutes. The first drifted one raises InputDrift (the dashed line), a healthy one"
        " resets it.",
        [(f"modelyard:drift_breaches_in_a_row{{{SERVICE}}}", VERSION)],
        unit="short",
        limit=Limit(1),
    ),
    graph(
        "What is predicted",
        "Part of the last window that was predicted as each class. A shift tells something before any truth comes,"
        " but not whether the world or the model has moved.",
        [(f"modelyard:prediction_ratio{{{SERVICE}}}", "{{class}}, " + VERSION)],
        unit="percentunit",
    ),
]

QUALITY = [
    graph(
        "Recall by class",
        "Of the rows that truly were of a class, the part that was called so. The dashed line is the threshold for"
        f" early ({EARLY_RECALL_THRESHOLD_RATIO}): a model can lose one class while its accuracy hardly moves.",
        [(f"modelyard:recall_ratio{{{SERVICE}}}", "{{class}}, " + VERSION)],
        unit="percentunit",
        top=1,
        limit=Limit(EARLY_RECALL_THRESHOLD_RATIO, bad_above=False),
    ),
    graph(
        "Windows in a row with too low a recall",
        "Two in a row raise ClassRecallLow (the dashed line): one can be bad luck.",
        [(f"modelyard:recall_breaches_in_a_row{{{SERVICE}}}", "{{class}}, " + VERSION)],
        unit="short",
        limit=Limit(2),
    ),
    graph(
        "Accuracy",
        "Part of the last window of truths that was predicted right. Compare versions only on the same rows, as the"
        " canary's judge does.",
        [(f"modelyard:accuracy_ratio{{{SERVICE}}}", VERSION)],
        unit="percentunit",
        top=1,
    ),
    graph(
        "Log loss",
        "How surprised the model was by the truth: being wrong and sure costs most. Less is better; guessing by the"
        " classes' frequencies alone would be about 1.2 here.",
        [(f"modelyard:log_loss{{{SERVICE}}}", VERSION)],
        unit="short",
    ),
]

WRONG = [
    bars(
        "What is taken for what",
        "Wrong predictions so far, most frequent first: the true class, then what it was called.",
        f"topk(12, modelyard:wrong_predictions_total{{{SERVICE}}})",
        "{{truth}} called {{predicted}}, " + VERSION,
    ),
    graph(
        "Wrong predictions by true class",
        "Wrong predictions a second, as the truths come in: a class that suddenly rises is being lost.",
        [
            (
                f"sum by (truth, model_version) (modelyard:wrong_predictions:rate{{{SERVICE}}})",
                "{{truth}}, " + VERSION,
            )
        ],
        unit="cps",
    ),
]

COVERAGE = [
    graph(
        "Rows by version",
        "Predicted rows a second: during a canary both versions answer.",
        [(f"modelyard:rows:rate{{{SERVICE}}}", VERSION)],
        unit="cps",
        span=8,
    ),
    graph(
        "Rows and truths so far",
        "Truth comes later than the prediction, and for some rows never: a cancelled flight has no arrival.",
        [
            (f"modelyard:rows_total{{{SERVICE}}}", "rows, " + VERSION),
            (f"modelyard:truths_total{{{SERVICE}}}", "truths, " + VERSION),
        ],
        unit="short",
        span=8,
    ),
    graph(
        "Windows judged",
        "Closed windows: drift counts rows, quality counts truths. No window mixes two phases of a replay.",
        [(f"modelyard:windows_total{{{SERVICE}}}", "{{kind}}, " + VERSION)],
        unit="short",
        span=8,
    ),
]

ALERTS = [
    stretches(
        "Alerts over time",
        "When each alert fired. A version that no traffic goes to has no series, and its alerts end.",
        f"modelyard:alerts_firing{{{SERVICE}}}",
        "{{alertname}}, " + VERSION,
        span=24,
    ),
]


def build() -> Any:
    """The dashboard."""
    return board(
        "modelyard-model-health",
        TITLE,
        "Does the world still look like the training data, and are the answers still right? Every panel reads"
        " modelyard:* series only.",
        [
            ("At a glance", GLANCE),
            ("Drift: does the question still look like the training data?", DRIFT),
            ("Quality: are the answers right, once the truth has come?", QUALITY),
            ("Wrong predictions: what is taken for what?", WRONG),
            ("Alerts: what fired when?", ALERTS),
            ("Coverage: how much has been seen?", COVERAGE),
        ],
        known_by="modelyard:rows_total",
    ).build()
