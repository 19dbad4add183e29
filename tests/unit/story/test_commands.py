"""What the tasks of the story make of their options, before anything is started."""

import pytest

from modelyard.errors import YardError
from modelyard.story import commands


def test_parameters_are_read_as_params_yaml_is():
    given = ["model.max_iter=80", "features.dep_delay_unit=hours", "model.early_stopping=false"]
    assert commands.read_params(given) == {
        "model.max_iter": 80,
        "features.dep_delay_unit": "hours",
        "model.early_stopping": False,
    }


def test_a_parameter_without_a_value_is_refused():
    with pytest.raises(YardError, match="'max_iter' has no value"):
        commands.read_params(["model.max_iter=80", "max_iter"])


def test_a_promotion_without_a_reason_is_refused_before_anything_is_asked():
    with pytest.raises(YardError, match="reason") as error:
        commands.promote("3", "  ")
    assert error.value.next_command.startswith("./invoke promote --version 3 --why")


def test_a_step_without_a_yard_says_up(monkeypatch, tmp_path):
    monkeypatch.setenv("MODELYARD_STATE_DIR", str(tmp_path))
    with pytest.raises(YardError) as error:
        commands.lineage()
    assert error.value.next_command == "./invoke up"


def test_after_the_gate_a_first_version_is_promoted_and_a_later_one_is_tried():
    assert commands.decide_next_command(None, "1").startswith("./invoke promote --why")
    assert commands.decide_next_command("1", "2") == "./invoke canary"
    assert commands.decide_next_command("1", "1") == "./invoke predict"
