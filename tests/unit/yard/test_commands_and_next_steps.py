import json
import shlex

import pytest

from modelyard.connections import connect
from modelyard.errors import YardError
from modelyard.settings import Settings
from modelyard.yard.commands import agrees, settings_with
from modelyard.yard.logs import choose_logs
from modelyard.yard.next_steps import decide_next_steps
from modelyard.yard.pages import choose_pages
from modelyard.yard.record import new_record, write_record
from modelyard.yard.reset import describe_loss


@pytest.fixture
def conn(tmp_path):
    folder = tmp_path / "default"
    write_record(folder / "yard.json", new_record(substrate="local", ports=7600, python="3.12", lock=""))
    return connect(folder, Settings(state_dir=tmp_path))


def inferenceservice(name, ready):
    status = {"conditions": [{"type": "Ready", "status": ready}]}
    return {"metadata": {"name": name, "namespace": "default"}, "status": status}


def test_a_yard_without_a_model_leads_to_the_demo(conn):
    assert decide_next_steps(conn, [])[0] == "./invoke demo"
    assert decide_next_steps(conn, [inferenceservice("flights", "False")])[0] == "./invoke demo"


def test_a_yard_with_a_ready_model_leads_to_a_prediction(conn):
    line = decide_next_steps(conn, [inferenceservice("early", "False"), inferenceservice("flights", "True")])[0]
    words = shlex.split(line)
    assert words[0] == "curl"
    assert "http://flights.default.localhost:7600/v1/models/flights:predict" in words
    assert json.loads(words[-1])["instances"]


def test_an_option_of_the_command_line_counts_as_set(monkeypatch):
    monkeypatch.setenv("MODELYARD_PORTS", "7700")
    settings = settings_with(ports="auto")
    assert settings.ports == "auto"
    assert "ports" in settings.model_fields_set


def test_only_yes_is_yes():
    assert agrees(lambda question: "yes")
    assert not agrees(lambda question: "y")
    assert not agrees(lambda question: "")

    def closed(question):
        raise EOFError

    assert not agrees(closed)


def test_reset_tells_what_is_lost_with_its_size(conn, tmp_path):
    run = conn.layout.data("mlflow") / "mlflow.db"
    run.parent.mkdir(parents=True)
    run.write_bytes(b"x" * 2_000_000)
    told = describe_loss(Settings(state_dir=tmp_path))
    assert any("data (2.0 MB): runs, models, metrics and events" in line for line in told)


def test_reset_of_no_yard_has_nothing_to_tell(tmp_path):
    assert describe_loss(Settings(state_dir=tmp_path)) == []


def test_an_unknown_log_is_told_with_those_that_there_are(tmp_path):
    (tmp_path / "mlflow.log").touch()
    assert choose_logs(tmp_path, "mlflow") == [tmp_path / "mlflow.log"]
    with pytest.raises(YardError, match="allowed: mlflow"):
        choose_logs(tmp_path, "mlfow")


def test_a_service_without_a_page_is_told_with_those_that_have_one():
    with pytest.raises(YardError, match="mlflow, prometheus"):
        choose_pages("objectstore")
