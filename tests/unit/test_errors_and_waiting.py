import pytest

from modelyard.errors import SettingError, WaitTimeout, YardError
from modelyard.settings import load_settings
from modelyard.waiting import wait_until


def test_an_error_prints_what_happened_what_is_allowed_and_the_next_command_in_that_order():
    error = YardError("port 7600 is taken by nginx", allowed="a free block", next_command="./invoke up --ports auto")
    assert str(error).splitlines() == [
        "error: port 7600 is taken by nginx",
        "  allowed: a free block",
        "  next: ./invoke up --ports auto",
    ]


def test_waiting_returns_the_first_true_answer_and_counts_refused_connections_as_not_yet():
    answers = iter([None, ConnectionRefusedError("no"), "ready"])

    def probe():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert wait_until(probe, what="it", deadline_s=5, interval_s=0) == "ready"


def test_a_wait_that_times_out_says_what_for_and_shows_the_last_refusal():
    def probe():
        raise ConnectionRefusedError("connection refused by 127.0.0.1:7602")

    with pytest.raises(WaitTimeout) as raised:
        wait_until(probe, what="MLflow to answer", deadline_s=0, next_command="./invoke logs mlflow")
    told = str(raised.value)
    assert "waiting for MLflow to answer" in told
    assert "connection refused by 127.0.0.1:7602" in told
    assert told.endswith("next: ./invoke logs mlflow")


def test_an_error_of_the_probe_that_is_no_not_yet_is_not_swallowed():
    def probe():
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        wait_until(probe, what="it", deadline_s=5)


def test_a_wrong_setting_names_its_variable_and_its_value(monkeypatch):
    monkeypatch.setenv("MODELYARD_SCRAPE_INTERVAL_S", "never")
    with pytest.raises(SettingError) as raised:
        load_settings()
    assert "MODELYARD_SCRAPE_INTERVAL_S is 'never'" in str(raised.value)


@pytest.mark.parametrize("name", ["../elsewhere", "A", "", "a" * 40])
def test_a_yard_name_cannot_leave_the_folder_of_yards(monkeypatch, name):
    monkeypatch.setenv("MODELYARD_NAME", name)
    with pytest.raises(SettingError):
        load_settings()


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch):
    for name in ("HOME", "XDG_STATE_HOME", "MODELYARD_STATE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda uid: {}[uid])
    with pytest.raises(SettingError, match="no home folder"):
        load_settings()
