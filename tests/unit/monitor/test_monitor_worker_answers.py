"""What the Evidently process says without Evidently: reading a window, ratios, and errors as answers."""

import json

import orjson
import pytest

from modelyard.monitor.cloudevents import Event
from modelyard.monitor.config import parse_config
from modelyard.monitor.reporter import decide_next, decide_pause_s
from modelyard.monitor.store import Store
from modelyard.monitor.worker import References, answer, as_frame, predicted_ratios, read_distances, read_window

CONFIG = {"columns": {"numerical": ["x"], "categorical": ["c"]}, "classes": ["early", "late"]}


def fill(path, sizes: list[int]) -> None:
    """Pairs whose rows are numbered through."""
    store, number = Store(path), 0
    for at, rows in enumerate(sizes):
        request = {"instances": [{"x": float(number + row)} for row in range(rows)]}
        response = {"predictions": [{"class": "early", "probabilities": {}}] * rows}
        number += rows
        for kind, body in (("request", request), ("response", response)):
            store.add_event(Event(f"id{at}", kind, "default", "flights", "1", "r", orjson.dumps(body)), 1.0)
    store.close()


@pytest.mark.parametrize(("first", "last"), [(1, 10), (3, 7), (5, 5), (6, 12), (12, 12)])
def test_a_window_has_exactly_its_rows_wherever_it_begins_within_a_pair(tmp_path, first, last):
    fill(tmp_path / "monitor.db", [4, 1, 5, 2])
    features, classes = read_window(tmp_path / "monitor.db", 1, first, last)
    assert [row["x"] for row in features] == [float(at - 1) for at in range(first, last + 1)]
    assert len(classes) == len(features)


def test_a_known_class_that_was_never_predicted_has_no_share_and_a_strange_one_is_told():
    assert predicted_ratios(["early", "early", "odd", "early"], ["early", "late"]) == {
        "early": 0.75,
        "late": 0.0,
        "odd": 0.25,
    }
    assert predicted_ratios([], ["early"]) == {"early": 0.0}


def test_a_frame_has_floats_and_texts_and_no_value_that_is_of_the_wrong_kind():
    rows = [{"x": 1, "c": "AA", "more": 1}, {"x": None}, {"x": "warm", "c": 5}, {"x": True, "c": None}]
    frame = as_frame(rows, parse_config(json.dumps(CONFIG)))
    assert list(frame.columns) == ["x", "c"]
    assert frame["x"].fillna(-9).tolist() == [1.0, -9.0, -9.0, 1.0]
    assert frame["c"].fillna("none").tolist() == ["AA", "none", "5", "none"]


def test_distances_are_those_of_the_single_columns_and_not_the_count_of_them():
    snapshot = {
        "metrics": [
            {"config": {"type": "evidently:metric_v2:DriftedColumnsCount"}, "value": {"count": 1, "share": 0.5}},
            {"config": {"type": "evidently:metric_v2:ValueDrift", "column": "x"}, "value": 3.7},
        ]
    }
    assert read_distances(snapshot) == {"x": 3.7}


def test_a_reference_that_is_not_there_yet_is_no_fault_of_the_window(tmp_path):
    fill(tmp_path / "monitor.db", [4])
    job = {
        "database": str(tmp_path / "monitor.db"),
        "version": 1,
        "first": 1,
        "last": 4,
        "reference": str(tmp_path / "reference.parquet"),
        "config": json.dumps(CONFIG),
        "report": str(tmp_path / "report.html"),
    }
    told = answer(job, References())
    assert told["again"] and "FileNotFoundError" in told["error"]
    assert not answer({**job, "config": "{"}, References())["again"]


def test_a_window_is_tried_five_times_with_growing_pauses():
    assert [decide_next(attempts) for attempts in (1, 4, 5)] == ["retry", "retry", "fail"]
    pauses = [decide_pause_s(attempts) for attempts in range(1, 12)]
    assert pauses == sorted(pauses) and pauses[-1] == 15.0
