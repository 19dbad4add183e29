import re
from pathlib import Path

import pytest

from modelyard.board import definitions, frames
from modelyard.board.windows import Window
from modelyard.errors import SettingError

JSON = Path(__file__).parents[3] / "dashboards" / "json"
STATIC = Path(definitions.__file__).with_name("static")
WINDOW = Window(1000, 2800, 5, live=True)
BOARDS = definitions.read_dashboards(JSON)
PANELS = [(board, panel) for board in BOARDS for panel in board.panels]
DRAWN = {
    "row",
    "timeseries",
    "stat",
    "bargauge",
    "barchart",
    "state-timeline",
    "heatmap",
    "table",
    "alertGroups",
    "text",
}


def test_the_dashboards_come_in_the_order_of_a_tour_from_the_whole_to_the_parts():
    assert [board.uid for board in BOARDS][:4] == list(definitions.ORDER)


@pytest.mark.parametrize(("board", "panel"), PANELS, ids=lambda held: getattr(held, "uid", None) or held["id"])
def test_every_panel_of_the_dashboards_can_be_drawn_here(board, panel):
    assert panel["type"] in DRAWN
    assert {step["id"] for step in panel.get("transformations") or []} <= set(frames.KNOWN)
    chosen = {held["name"]: "one" for held in board.variables}
    for query in definitions.plan_queries(panel, chosen, WINDOW):
        assert not re.search(r"\$[a-zA-Z_{]", query.promql), query.promql


def test_the_page_knows_every_type_that_is_said_to_be_drawn():
    told = (STATIC / "panels.js").read_text("utf-8")
    table = "".join(re.findall(r"^const (?:GRAPHS|HTML) = \{(.*?)\};", told, re.MULTILINE))
    assert {kind for kind in DRAWN - {"row"} if not re.search(rf"\b{kind}\b", table)} == set()


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_every_variable_of_the_dashboards_can_be_asked_for(board):
    asked = [definitions.label_query(held) or definitions.fixed_values(held) for held in board.variables]
    assert all(asked)


def test_a_panel_of_a_collapsed_row_is_found():
    inside = {"id": 7, "type": "stat"}
    board = definitions.Dashboard("u", "t", {"panels": [{"id": 1, "type": "row", "panels": [inside]}]})
    assert definitions.find_panel(board, 7) == inside
    with pytest.raises(LookupError, match="no panel 8"):
        definitions.find_panel(board, 8)


def test_a_file_that_is_half_written_takes_no_dashboard_away(tmp_path):
    (tmp_path / "good.json").write_text('{"uid": "a", "title": "A", "panels": []}')
    (tmp_path / "half.json").write_text('{"uid": "b", "tit')
    assert [board.uid for board in definitions.read_dashboards(tmp_path)] == ["a"]


def test_variables_stand_in_every_form_that_grafana_knows():
    told = definitions.substitute(
        'a{b="$one",c="${two}",d="${two:raw}"}[$__interval]', {"one": "x", "two": "y"}, WINDOW
    )
    assert told == 'a{b="x",c="y",d="y"}[5s]'


def test_what_is_no_variable_is_left_alone():
    assert definitions.substitute('a{b=~"x.+$"} > $other', {"one": "x"}, WINDOW) == 'a{b=~"x.+$"} > $other'


@pytest.mark.parametrize("value", ['x"} or vector(1) #', "a b", "{}", "x\n", "$one", "é", "a" * 254])
def test_a_value_that_could_leave_its_string_is_refused(value):
    with pytest.raises(SettingError, match="namespace is"):
        definitions.check_values({"namespace": value})


def test_names_of_kubernetes_and_an_empty_value_are_no_danger():
    definitions.check_values({"namespace": "default", "inferenceservice": "my-model.v2", "column": ""})


def test_a_legend_takes_its_labels_and_a_missing_one_is_nothing():
    labels = {"column": "dewp", "model_version": "2"}
    assert definitions.render_legend("{{column}}, version {{ model_version }}{{none}}", labels) == "dewp, version 2"


def test_a_series_without_a_legend_is_named_as_prometheus_writes_it():
    assert definitions.render_legend("__auto", {"__name__": "up", "job": "a"}) == 'up{job="a"}'


def test_the_value_that_was_asked_for_is_kept_only_while_it_is_there():
    assert definitions.choose_value(["a", "b"], "b") == "b"
    assert definitions.choose_value(["a", "b"], "gone") == "a"
    assert definitions.choose_value([], "b") == ""


def test_the_page_is_told_no_more_than_it_draws():
    told = definitions.describe(BOARDS[0])
    assert {"targets", "datasource"}.isdisjoint(key for panel in told["panels"] for key in panel)
