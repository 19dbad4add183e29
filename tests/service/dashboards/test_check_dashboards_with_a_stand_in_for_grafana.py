"""`check dashboards` through grafana-client: Grafana is a stand-in here, Prometheus and Alertmanager are real."""

import json
import sys
from pathlib import Path

import pytest

from modelyard.errors import DashboardsIncomplete
from modelyard.grafana.answers import Answer, Grafana, Prometheus, ask_board
from modelyard.grafana.arrival import check_arrivals, connect_api
from modelyard.grafana.commands import FOLDER, check, has_grafana, tell_answers
from modelyard.grafana.questions import Question, read_boards
from modelyard.services import grafana
from modelyard.services.service import Context
from modelyard.settings import Settings
from modelyard.toolbox import Toolbox
from modelyard.waiting import wait_until

STAND_IN = Path(__file__).with_name("grafana_stand_in.py")
VERSION = 'namespace="demo",inferenceservice="iris",model_version="1"'
TOLD = f"""\
modelyard_monitor_rows_total{{{VERSION}}} 1000
modelyard_monitor_column_drift{{{VERSION},column="petal"}} 3.0
modelyard_monitor_column_drift_threshold{{{VERSION},column="petal"}} 1.5
modelyard_monitor_distribution_ratio{{{VERSION},column="petal",bin="00",range="below 2",side="trained on"}} 0.9
modelyard_monitor_distribution_ratio{{{VERSION},column="petal",bin="00",range="below 2",side="now"}} 0.1
modelyard_monitor_revision_info{{{VERSION},revision="iris-predictor-00001"}} 1
"""


@pytest.fixture(scope="module")
def started(conn, monitor, start_service, tmp_path_factory):
    """The stand-in, started as a yard starts Grafana."""
    monitor.told = TOLD
    program = tmp_path_factory.mktemp("bin") / "grafana"
    program.write_text(f"#!{sys.executable}\n{STAND_IN.read_text('utf-8')}")
    program.chmod(0o755)
    toolbox = Toolbox(tmp_path_factory.mktemp("cache"), path=str(program.parent))
    start_service(grafana, Context(conn, Settings(scrape_interval_s=1), toolbox))
    return conn


@pytest.fixture(scope="module")
def api(started):
    return connect_api(started.address("grafana"), ("admin", started.credentials.grafana_password))


def test_everything_that_is_provisioned_arrived_in_the_stand_in(started):
    arrivals = check_arrivals(started, read_boards(FOLDER))
    assert [held for held in arrivals if held.told] == []
    assert len(arrivals) == 1 + 5 + 2 + 1 + 1


def test_every_panel_is_answered_by_the_stand_in_as_prometheus_itself_answers_it(started, api, ask):
    wait_until(lambda: ask("modelyard:drift_ratio"), what="the rules", deadline_s=20)
    for board in read_boards(FOLDER):
        before = ask_board(Prometheus(started), board)
        by_grafana = ask_board(Grafana(api), board)
        after = ask_board(Prometheus(started), board)
        assert [held.panel for held in by_grafana] == [held.panel for held in after]
        for held, *possible in zip(by_grafana, before, after, strict=True):  # the first data may come between the two
            assert held.state in {one.state for one in possible}, held.panel
        assert "fails" not in {held.state for held in by_grafana}
        if board.title == "Model health":
            states = {held.panel: held.state for held in by_grafana}
            assert states["How does the farthest column look, trained on and now?"] == "answers"
            assert states["How does $column look, trained on and now?"] == "no data"  # no version has traffic here


def test_a_query_that_prometheus_refuses_is_told_with_its_reason(started, api):
    good, bad = Question("A", "vector(1)", True, "time_series"), Question("B", "sum(", True, "time_series")
    for source in (Grafana(api), Prometheus(started)):
        assert "parse error" in source.ask([good, bad], "now-30m", 1800)[1].error
    assert source.ask([good], "now-30m", 1800) == [Answer(({},))]


def test_what_has_not_arrived_is_named(started, api, tmp_path):
    boards = read_boards(FOLDER)
    held = json.loads((FOLDER / "overview.json").read_text("utf-8"))
    held["panels"][1]["targets"][0]["expr"] = "modelyard:not_there"
    (tmp_path / "overview.json").write_text(json.dumps(held))
    (tmp_path / "new.json").write_text(json.dumps(held | {"uid": "modelyard-new", "title": "New"}))
    told = {found.what: found.told for found in check_arrivals(started, read_boards(tmp_path)) if found.told}
    assert set(told) == {"dashboard Overview", "dashboard New"}
    assert told["dashboard New"].startswith("Grafana answers 404")
    assert boards[2].panels[0].title in told["dashboard Overview"]


def test_the_task_prints_what_arrived_and_how_each_dashboard_fares(started, monkeypatch, capsys):
    assert has_grafana(started)
    monkeypatch.setattr("modelyard.grafana.commands.connect", lambda *_: started)
    check(Settings())
    told = capsys.readouterr().out
    assert "there  contact point modelyard-monitor" in told and "there  a password of its own" in told
    assert "panels Overview: " in told and "WRONG" not in told


def test_a_grafana_that_keeps_the_login_that_everyone_knows_is_wrong(started, monkeypatch):
    everyone = ("admin", started.credentials.grafana_password)
    monkeypatch.setattr("modelyard.grafana.arrival.DEFAULT_LOGIN", everyone)
    assert check_arrivals(started, [])[-1].told == "admin may log in with the password admin"


def test_panels_that_fail_end_the_task_with_an_error(started, monkeypatch, capsys):
    monkeypatch.setattr("modelyard.grafana.commands.connect", lambda *_: started)
    monkeypatch.setattr(
        "modelyard.grafana.commands.Grafana.ask", lambda self, questions, *_: [Answer(error="away")] * len(questions)
    )
    with pytest.raises(DashboardsIncomplete, match="findings in 5 dashboards"):
        check(Settings())
    assert "fails: Does any alert fire?: away" in capsys.readouterr().out


def test_a_dashboard_without_any_data_is_one_line(capsys):
    from modelyard.grafana.answers import PanelAnswer

    assert tell_answers([PanelAnswer("B", "one", "no data", ""), PanelAnswer("B", "two", "no data", "")]) == []
    assert capsys.readouterr().out == "panels B: 2 no data\n"
