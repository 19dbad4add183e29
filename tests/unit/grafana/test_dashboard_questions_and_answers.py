"""What a dashboard asks, and what is made of Grafana's answers: frames as Grafana 12's /api/ds/query returns them."""

import json

import pytest

from modelyard.errors import FileDamaged
from modelyard.grafana.answers import Answer, ask_board, decide_state, read_frames
from modelyard.grafana.arrival import compare
from modelyard.grafana.questions import fill, read_board, read_boards, values_query

BOARD = {
    "uid": "modelyard-test",
    "title": "Test",
    "time": {"from": "now-30m", "to": "now"},
    "templating": {
        "list": [
            {"name": "namespace", "query": {"query": "label_values(a, namespace)"}},
            {"name": "inferenceservice", "query": {"query": 'label_values(a{namespace="$namespace"}, isvc)'}},
        ]
    },
    "panels": [
        {"type": "row", "title": "Topic"},
        {
            "type": "timeseries",
            "title": "lines",
            "targets": [
                {"refId": "A", "expr": 'b{n="$namespace",i="${inferenceservice}"}', "range": True},
                {"refId": "B", "expr": "c", "instant": True, "format": "table"},
            ],
        },
        {"type": "alertGroups", "title": "alerts"},
    ],
}


class Told:
    """Answers from a table of queries; keeps what was asked."""

    def __init__(self, table, alerts=()):
        self._table, self._alerts, self.asked = table, alerts, []

    def ask(self, questions, since, range_s):
        self.asked += [(held.promql, held.instant, since, range_s) for held in questions]
        return [self._table.get(held.promql, Answer()) for held in questions]

    def alerts(self):
        return Answer(tuple(self._alerts))


def test_variables_are_filled_in_their_order_before_the_panels_are_asked():
    source = Told(
        {
            "count by (namespace) (a)": Answer(({"namespace": "prod"}, {"namespace": "default"})),
            'count by (isvc) (a{namespace="default"})': Answer(({"isvc": "flights"},)),
            'b{n="default",i="flights"}': Answer(({"x": "1"}, {"x": "2"})),
        }
    )
    answers = ask_board(source, read_board(BOARD))
    assert [(held.panel, held.state, held.told) for held in answers] == [
        ("lines", "answers", "2 series"),
        ("alerts", "answers", "0 groups"),
    ]
    assert source.asked[2:] == [('b{n="default",i="flights"}', False, "now-30m", 1800), ("c", True, "now-30m", 1800)]


def test_a_yard_without_any_series_leaves_panels_without_data():
    answers = ask_board(Told({}), read_board(BOARD))
    assert [held.state for held in answers] == ["no data", "answers"]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([Answer(({},)), Answer()], "answers"),
        ([Answer(), Answer()], "no data"),
        ([Answer(({},)), Answer(error="parse error")], "fails"),
    ],
)
def test_a_panel_answers_where_one_query_finds_something_and_fails_where_one_is_refused(answers, expected):
    assert decide_state(answers)[0] == expected


def test_lines_are_a_series_a_field_and_empty_fields_are_none():
    time = {"name": "Time", "type": "time"}
    one = {"name": "Value", "type": "number", "labels": {"revision": "a"}}
    frames = [
        {"schema": {"fields": [time, one]}, "data": {"values": [[1, 2], [0.5, 0.6]]}},
        {"schema": {"fields": [time, one]}, "data": {"values": [[], []]}},
    ]
    assert read_frames({"status": 200, "frames": frames}) == Answer(({"revision": "a"},))


def test_a_table_is_a_series_a_row():
    fields = [
        {"name": "Time", "type": "time"},
        {"name": "column", "type": "string"},
        {"name": "Value", "type": "number"},
    ]
    frames = [{"schema": {"fields": fields}, "data": {"values": [[1, 1], ["dewp", "humid"], [3.7, 0.2]]}}]
    assert read_frames({"frames": frames}).series == ({"column": "dewp"}, {"column": "humid"})


def test_no_frames_are_no_series_and_an_error_is_told():
    assert read_frames({"frames": []}) == Answer()
    assert read_frames({"error": "bad_data: parse error", "status": 400}) == Answer(error="bad_data: parse error")
    assert read_frames(None).error


def test_values_of_a_variable_are_asked_for_with_those_before_it():
    query = 'label_values(modelyard:a{namespace="$namespace"}, inferenceservice)'
    asked = values_query(query, {"namespace": "default"})
    assert asked == ('count by (inferenceservice) (modelyard:a{namespace="default"})', "inferenceservice")
    with pytest.raises(ValueError, match="is not label_values"):
        values_query("query_result(up)", {})


def test_a_variable_without_a_value_stays_as_it_is_written():
    assert fill("$a ${b} $__range", {"b": "x"}) == "$a x $__range"


def test_a_file_that_is_no_dashboard_is_named_with_what_makes_it_anew(tmp_path):
    (tmp_path / "broken.json").write_text(json.dumps({"uid": "x"}))
    with pytest.raises(FileDamaged, match=r"broken.json is no dashboard") as raised:
        read_boards(tmp_path)
    assert raised.value.next_command.endswith("python dashboards/build.py")


def test_the_first_value_that_differs_is_told():
    assert compare({"a": 1, "b": 2}, {"a": 1}) == ""
    assert compare({"a": 1}, {"a": 1, "b": "x"}) == "b is None: should be 'x'"
