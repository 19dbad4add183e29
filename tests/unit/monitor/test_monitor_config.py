import json

import pytest

from modelyard.monitor.config import MonitoringConfigInvalid, parse_config

FLIGHTS = {
    "columns": {"numerical": ["distance", "dewp"], "categorical": ["carrier", "origin", "dest"]},
    "classes": ["early", "on_time", "late", "very_late"],
    "drift": {
        "window_rows": 1000,
        "num_method": "wasserstein",
        "num_threshold": 1.5,
        "cat_method": "jensenshannon",
        "cat_threshold": 0.4,
        "min_columns": 1,
    },
    "quality": {"window_rows": 1000, "recall_below": {"early": 0.42}, "in_a_row": 2},
}


def test_the_flights_configuration_is_read_as_it_is_written():
    config = parse_config(json.dumps(FLIGHTS))
    assert config.threshold("dewp") == 1.5 and config.threshold("dest") == 0.4
    assert config.quality.recall_below == {"early": 0.42} and config.quality.in_a_row == 2
    assert config.drift.window_rows == 1000 and config.classes[0] == "early"


def test_what_is_left_out_has_the_default_that_the_flights_use():
    short = parse_config(json.dumps({"columns": FLIGHTS["columns"], "classes": FLIGHTS["classes"]}))
    assert short.drift == parse_config(json.dumps(FLIGHTS)).drift
    assert short.quality.window_rows == 1000 and short.quality.recall_below == {}


def test_every_problem_is_named_at_once():
    bad = {
        "columns": {"numerical": "dewp", "categorical": []},
        "drift": {"window_rows": 0, "num_threshold": "high"},
        "quality": {"recall_below": {"early": 42}},
    }
    with pytest.raises(MonitoringConfigInvalid) as raised:
        parse_config(json.dumps(bad))
    for wrong in ("columns.numerical", "window_rows is 0", "num_threshold is 'high'", "recall_below", "none is named"):
        assert wrong in raised.value.what


@pytest.mark.parametrize("text", ["", "[]", "{", '{"columns": []}'])
def test_what_is_no_configuration_is_refused(text):
    with pytest.raises(MonitoringConfigInvalid):
        parse_config(text)
