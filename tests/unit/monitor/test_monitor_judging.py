import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, log_loss, recall_score

from modelyard.monitor.config import parse_config
from modelyard.monitor.judging import Label, count_breaches, judge_drift, judge_quality

CLASSES = ["early", "on_time", "late", "very_late"]
CONFIG = parse_config(
    '{"columns": {"numerical": ["dewp", "humid"], "categorical": ["dest"]},'
    ' "classes": ["early", "on_time", "late", "very_late"],'
    ' "drift": {"window_rows": 1000, "num_threshold": 1.5, "cat_threshold": 0.4, "min_columns": 1},'
    ' "quality": {"window_rows": 1000, "recall_below": {"early": 0.42}}}'
)


def test_the_flights_of_july_breach_by_the_dew_point_alone():
    verdict = judge_drift({"dewp": 3.7, "humid": 0.41, "dest": 0.17}, CONFIG)
    assert verdict.drifted and verdict.drifted_columns == ["dewp"] and verdict.columns_drifted == 1
    assert verdict.share_ratio == pytest.approx(1 / 3) and verdict.breaches_in_a_row == 1


def test_a_threshold_belongs_to_the_kind_of_the_column_and_is_itself_a_breach():
    assert not judge_drift({"dewp": 1.49, "humid": 0.5, "dest": 0.39}, CONFIG).drifted
    assert judge_drift({"dewp": 1.5, "humid": 0.5, "dest": 0.1}, CONFIG).drifted_columns == ["dewp"]
    assert judge_drift({"dewp": 0.5, "humid": 0.5, "dest": 0.4}, CONFIG).drifted_columns == ["dest"]


def test_breaches_in_a_row_end_with_the_first_calm_window():
    calm, warm = {"dewp": 0.1}, {"dewp": 3.0}
    counts, before = [], 0
    for distances in (warm, warm, calm, warm):
        before = judge_drift(distances, CONFIG, before=before).breaches_in_a_row
        counts.append(before)
    assert counts == [1, 2, 0, 1]


@pytest.mark.parametrize("nothing", [None, math.nan, math.inf])
def test_a_column_without_values_is_told_as_nothing_and_not_as_zero(nothing):
    verdict = judge_drift({"dewp": nothing, "humid": 0.1, "dest": 0.1}, CONFIG)
    assert verdict.columns["dewp"] is None and not verdict.drifted


labels = st.lists(st.tuples(st.sampled_from(CLASSES), st.lists(st.floats(0.01, 1), min_size=4, max_size=4)), min_size=1)


@given(labels)
def test_quality_equals_what_scikit_learn_says(drawn):
    truths = [truth for truth, _ in drawn]
    held = [[p / sum(raw) for p in raw] for _, raw in drawn]
    predicted = [CLASSES[max(range(4), key=row.__getitem__)] for row in held]
    rows = [
        Label(truth, guess, row[CLASSES.index(truth)])
        for truth, guess, row in zip(truths, predicted, held, strict=True)
    ]
    verdict = judge_quality(rows, CONFIG)
    assert verdict.accuracy == pytest.approx(accuracy_score(truths, predicted))
    by_name = sorted(CLASSES)
    ordered = [[row[CLASSES.index(name)] for name in by_name] for row in held]
    assert verdict.log_loss == pytest.approx(log_loss(truths, ordered, labels=by_name))
    recalls = recall_score(truths, predicted, labels=CLASSES, average=None, zero_division=0)
    for name, recall in zip(CLASSES, recalls, strict=True):
        assert verdict.recall[name] == (pytest.approx(recall) if name in truths else None)


def test_early_flights_unrecognised_in_two_windows_are_two_breaches():
    bad = [Label("early", "on_time", 0.2)] * 60 + [Label("early", "early", 0.5)] * 40
    first = judge_quality(bad, CONFIG)
    second = judge_quality(bad, CONFIG, before=first.breaches_in_a_row)
    assert [first.breaches_in_a_row, second.breaches_in_a_row] == [{"early": 1}, {"early": 2}]
    good = [Label("early", "early", 0.5)] * 42 + [Label("early", "late", 0.2)] * 58
    assert judge_quality(good, CONFIG, before=second.breaches_in_a_row).breaches_in_a_row == {"early": 0}


def test_a_window_without_the_class_keeps_the_count():
    assert count_breaches(None, 0.42, 1) == 1


def test_a_true_class_that_the_model_never_heard_of_is_told():
    verdict = judge_quality([Label("diverted", "late", None)], CONFIG)
    assert verdict.recall["diverted"] == 0 and verdict.log_loss is None and verdict.accuracy == 0


def test_certainty_that_was_wrong_costs_much_and_not_infinitely():
    assert judge_quality([Label("early", "late", 0.0)], CONFIG).log_loss == pytest.approx(-math.log(1e-15))
