"""The way of a drift window and of the truth, as the drift monitor tells them."""

from __future__ import annotations

from dashboards.series.kinds import PER_REVISION, PER_VERSION, Group, Series, held, of_version, rate


def _lost_events() -> str:
    by = f"sum by ({', '.join(PER_REVISION)})"
    lost = f'{by} (modelyard_payload_events_total{{outcome!="sent"}})'
    every = f"{by} (modelyard_payload_events_total)"
    return f"(\n  {lost}\n  or {every} * 0\n)\n/ ({every} > 0)"


MODEL = Group(
    "modelyard-model",
    "the way of a drift window and of the truth, as the drift monitor tells them",
    (
        Series(
            "modelyard:rows_total",
            "Rows that a model version has predicted and the monitor has paired with their request.",
            "rows",
            PER_VERSION,
            of_version("modelyard_monitor_rows_total"),
        ),
        Series(
            "modelyard:rows:rate",
            "The same, a second.",
            "rows/s",
            PER_VERSION,
            rate("modelyard_monitor_rows_total", PER_VERSION),
        ),
        Series(
            "modelyard:truths_total",
            "Rows whose true class has come.",
            "rows",
            PER_VERSION,
            of_version("modelyard_monitor_truths_total"),
        ),
        Series(
            "modelyard:windows_total",
            "Windows that were closed and judged; kind is drift or quality.",
            "windows",
            (*PER_VERSION, "kind"),
            of_version("modelyard_monitor_windows_total", also="kind"),
        ),
        Series(
            "modelyard:drift_distance",
            "Distance between a column in the last window and in the data that the version was trained on; for a number"
            " in standard deviations (Wasserstein), for a category from 0 to 1 (Jensen-Shannon).",
            "distance",
            (*PER_VERSION, "column"),
            of_version("modelyard_monitor_column_drift", also="column"),
        ),
        Series(
            "modelyard:drift_ratio",
            "The same as a part of the distance at which the column counts as drifted: 1 is drifted, for numbers and"
            " for categories.",
            "ratio",
            (*PER_VERSION, "column"),
            "modelyard:drift_distance\n/ " + of_version("modelyard_monitor_column_drift_threshold", also="column"),
        ),
        Series(
            "modelyard:distribution_ratio",
            "Part of the rows whose value of a column falls into a range; side is `trained on` or `now`, bin puts the"
            " ranges in order. At most 12 ranges a column, of the 20 columns that are farthest away.",
            "ratio",
            (*PER_VERSION, "column", "bin", "range", "side"),
            of_version("modelyard_monitor_distribution_ratio", also="column, bin, range, side"),
        ),
        Series(
            "modelyard:drift_columns",
            "Columns of the last window that are farther away than their threshold.",
            "columns",
            PER_VERSION,
            of_version("modelyard_monitor_columns_drifted"),
        ),
        Series(
            "modelyard:drifted_share_ratio",
            "The same as a part of all columns.",
            "ratio",
            PER_VERSION,
            of_version("modelyard_monitor_drifted_share_ratio"),
        ),
        Series(
            "modelyard:drift_breaches_in_a_row",
            "Windows in a row, up to the last one, in which enough columns drifted; InputDrift fires at 1.",
            "windows",
            PER_VERSION,
            held("modelyard:drift_breaches_in_a_row", "modelyard_monitor_drift_breaches_in_a_row"),
        ),
        Series(
            "modelyard:prediction_ratio",
            "Part of the last window's rows that were predicted as a class.",
            "ratio",
            (*PER_VERSION, "class"),
            of_version("modelyard_monitor_prediction_ratio", also="class"),
        ),
        Series(
            "modelyard:accuracy_ratio",
            "Part of the last window's truths that were predicted right.",
            "ratio",
            PER_VERSION,
            of_version("modelyard_monitor_accuracy_ratio"),
        ),
        Series(
            "modelyard:log_loss",
            "Logarithmic loss over the last window of truths: how surprised the model was; less is better.",
            "nats",
            PER_VERSION,
            of_version("modelyard_monitor_log_loss"),
        ),
        Series(
            "modelyard:recall_ratio",
            "Part of a class's truths that were predicted as that class.",
            "ratio",
            (*PER_VERSION, "class"),
            of_version("modelyard_monitor_recall_ratio", also="class"),
        ),
        Series(
            "modelyard:recall_breaches_in_a_row",
            "Windows of truths in a row with the class's recall below its threshold; ClassRecallLow fires at 2.",
            "windows",
            (*PER_VERSION, "class"),
            held("modelyard:recall_breaches_in_a_row", "modelyard_monitor_recall_breaches_in_a_row", also="class"),
        ),
        Series(
            "modelyard:wrong_predictions_total",
            "Rows whose truth was another class than the predicted one.",
            "rows",
            (*PER_VERSION, "truth", "predicted"),
            of_version("modelyard_monitor_wrong_predictions_total", also="truth, predicted"),
        ),
        Series(
            "modelyard:wrong_predictions:rate",
            "The same, a second.",
            "rows/s",
            (*PER_VERSION, "truth", "predicted"),
            rate("modelyard_monitor_wrong_predictions_total", (*PER_VERSION, "truth", "predicted")),
        ),
        Series(
            "modelyard:monitor_backlog",
            "What the monitor has accepted and not yet worked through; kind is events or windows.",
            "events or windows",
            ("kind",),
            "max by (kind) (modelyard_monitor_backlog)",
        ),
        Series(
            "modelyard:monitor_events:rate",
            "Events that the monitor accepted, by what became of them.",
            "events/s",
            ("outcome",),
            rate("modelyard_monitor_events_total", ("outcome",)),
        ),
        Series(
            "modelyard:payload_lost_ratio",
            "Part of the payload logger's events that never reached the monitor, since the replicas of a revision"
            " started.",
            "ratio",
            PER_REVISION,
            _lost_events(),
        ),
        Series(
            "modelyard:report_seconds:mean",
            "Time that the report of a window took, on average over all of them; no sample before the first.",
            "seconds",
            (),
            "sum(modelyard_monitor_report_seconds_sum) / sum(modelyard_monitor_report_seconds_count) >= 0",
        ),
    ),
)
