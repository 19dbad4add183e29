"""How a service that ends again and again is held back, and what is noted of it."""

import json

import pytest

from modelyard.yard.launch import (
    KEPT_LIVES,
    LONGEST_DELAY_S,
    STEADY_S,
    count_short_lives,
    decide_delay_s,
    hold_back,
    read_lives,
    write_lives,
)
from modelyard.yard.lives import Lives, forget_lives
from modelyard.yard.lives import read_lives as lives_of
from modelyard.yard.repair import LONGEST_PAUSE_S, decide_pause_s


def test_the_first_start_again_waits_for_nothing_and_each_further_one_twice_as_long():
    assert [decide_delay_s(short) for short in range(9)] == [0, 0, 0.5, 1, 2, 4, 8, LONGEST_DELAY_S, LONGEST_DELAY_S]


def test_a_service_that_was_away_for_a_minute_comes_back_within_a_quarter_of_one():
    assert decide_delay_s(10**6) == 15.0


def test_a_life_is_short_when_the_next_launcher_runs_soon_after_it_began():
    begun = STEADY_S + 1
    assert count_short_lives([[0.0, 0.0]]) == 0
    assert count_short_lives([[0.0, 0.0], [1.0, 1.0]]) == 1
    assert count_short_lives([[0.0, 0.0], [begun, begun]]) == 0


def test_the_time_in_which_it_was_held_back_is_not_a_life():
    held_back = [[0.0, 0.0], [1.0, 60.0], [61.0, None]]
    assert count_short_lives(held_back) == 2


def test_a_long_life_ends_the_count():
    lives = [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [2.0 + STEADY_S, 40.0], [41.0, 41.0]]
    assert count_short_lives(lives) == 1


def test_a_launcher_notes_starts_and_a_first_one_is_no_restart(tmp_path):
    path = tmp_path / "lives" / "mlflow"
    forget_lives(path, is_running=False)
    hold_back(str(path), "mlflow")
    assert lives_of(path) == Lives(restarts=0, short=0)
    hold_back(str(path), "mlflow")
    assert lives_of(path) == Lives(restarts=1, short=1)


def test_a_service_that_up_found_running_is_started_again_when_a_launcher_runs(tmp_path):
    path = tmp_path / "mlflow"
    forget_lives(path, is_running=True)
    hold_back(str(path), "mlflow")
    assert lives_of(path).restarts == 1


def test_a_start_that_is_held_back_says_so_in_the_log_and_in_the_note(tmp_path, capsys, monkeypatch):
    path, waited = tmp_path / "mlflow", []
    monkeypatch.setattr("time.sleep", lambda delay_s: waited.append((delay_s, lives_of(path).waits_s)))
    for _ in range(3):
        hold_back(str(path), "mlflow")
    [(delay_s, noted_s)] = waited
    assert delay_s == 0.5
    assert 0 < noted_s <= 0.5
    assert lives_of(path).waits_s is None, "afterwards it runs"
    assert "mlflow ended 2 times soon after its start; it is started again in 0.5s" in capsys.readouterr().out


def test_so_many_lives_are_noted_and_no_more(tmp_path, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda delay_s: None)
    path = tmp_path / "mlflow"
    for _ in range(KEPT_LIVES + 5):
        hold_back(str(path), "mlflow")
    assert len(json.loads(path.read_text())["lives"]) == KEPT_LIVES
    assert lives_of(path).restarts == KEPT_LIVES + 4


def test_a_disk_that_takes_no_note_slows_a_loop_down_and_stops_no_start(tmp_path, monkeypatch):
    waited = []
    monkeypatch.setattr("time.sleep", waited.append)
    (tmp_path / "file").write_text("no folder")
    hold_back(str(tmp_path / "file" / "mlflow"), "mlflow")
    assert waited == [0.5]
    assert not write_lives(str(tmp_path / "file" / "mlflow"), {})


@pytest.mark.parametrize("text", ["", "{", "[]", '{"restarts": 1}', '{"restarts": "x", "lives": []}'])
def test_a_note_that_cannot_be_read_is_as_none(text, tmp_path):
    path = tmp_path / "mlflow"
    path.write_text(text)
    assert read_lives(str(path)) == {"restarts": -1, "lives": []}
    assert lives_of(path) == Lives()


def test_the_keeper_tries_again_after_twice_as_long_up_to_a_minute():
    assert [decide_pause_s(failures) for failures in (1, 2, 3, 30)] == [2, 4, 8, LONGEST_PAUSE_S]
