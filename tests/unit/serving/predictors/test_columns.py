"""Rows of a request as the columns of a signature."""

import math

import pytest

from modelyard.serving.predictors.columns import BadRow, frame_of_rows, frame_of_tensors

COLUMNS = {"carrier": "string", "delay": "double", "hour": "long", "weekend": "boolean"}


def test_null_becomes_nan_and_whole_numbers_become_doubles():
    frame = frame_of_rows([{"carrier": None, "delay": 3, "hour": 4, "weekend": True, "other": 1}], COLUMNS)
    assert frame["delay"].dtype == "float64"
    assert frame_of_rows([[None, None, 1, False]], COLUMNS)["delay"].isna().all()
    assert (frame["carrier"][0], frame["hour"].dtype, list(frame)) == (None, "int64", list(COLUMNS))


def test_rows_may_be_lists_in_the_order_of_the_signature():
    by_name = frame_of_rows([{"carrier": "AA", "delay": 1.5, "hour": 2, "weekend": False}], COLUMNS)
    assert frame_of_rows([["AA", 1.5, 2, False]], COLUMNS).equals(by_name)
    tensors = {"carrier": ["AA"], "delay": [1.5], "hour": [2], "weekend": [False]}
    assert frame_of_tensors(tensors, COLUMNS).equals(by_name)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"carrier": "AA"}, "'delay'"),
        ({"carrier": 1, "delay": 1, "hour": 1, "weekend": True}, '"carrier"'),
        ({"carrier": "AA", "delay": "x", "hour": 1, "weekend": True}, '"delay"'),
        ({"carrier": "AA", "delay": 1, "hour": 1.5, "weekend": True}, '"hour"'),
        ({"carrier": "AA", "delay": 1, "hour": None, "weekend": True}, '"hour"'),
        ({"carrier": "AA", "delay": 1, "hour": 1, "weekend": "yes"}, '"weekend"'),
        (["AA"], "4 values"),
        (7, "object of columns"),
    ],
)
def test_what_does_not_fit_is_told_by_column(row, told):
    with pytest.raises(BadRow, match=told):
        frame_of_rows([row], COLUMNS)


def test_tensors_must_all_be_there_and_equally_long():
    with pytest.raises(BadRow, match="delay, hour, weekend"):
        frame_of_tensors({"carrier": ["AA"]}, COLUMNS)
    with pytest.raises(BadRow, match="differ in length"):
        frame_of_tensors({"carrier": ["AA"], "delay": [1, 2], "hour": [1], "weekend": [True]}, COLUMNS)


def test_no_rows_make_an_empty_frame():
    frame = frame_of_rows([], COLUMNS)
    assert (len(frame), list(frame)) == (0, list(COLUMNS))
    assert math.isnan(frame_of_rows([["AA", None, 1, True]], COLUMNS)["delay"][0])
