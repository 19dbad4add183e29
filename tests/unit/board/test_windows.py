import pytest

from modelyard.board.windows import MOST_POINTS, choose_window
from modelyard.errors import SettingError

NOON_S = 1_795_550_403.7


def window(start, end="now"):
    return choose_window(start, end, now_s=NOON_S, shortest_step_s=2)


def test_half_an_hour_has_a_point_every_five_seconds_at_round_times():
    found = window("now-30m")
    assert (found.step_s, found.end_s % 5, found.start_s % 5) == (5, 0, 0)
    assert NOON_S - 5 < found.end_s <= NOON_S
    assert found.points == 361
    assert found.live


def test_a_window_never_has_finer_steps_than_there_are_scrapes():
    assert choose_window("now-5m", "now", now_s=NOON_S, shortest_step_s=15).step_s == 15


@pytest.mark.parametrize("start", ["now-30s", "now-5m", "now-1h", "now-12h", "now-7d", "now-15d"])
def test_no_window_has_more_points_than_a_screen_can_show(start):
    assert window(start).points <= MOST_POINTS + 2


def test_two_times_of_the_past_stand_still():
    found = window("1795540000", "1795541800")
    assert (found.start_s, found.end_s, found.live) == (1795540000, 1795541800, False)


@pytest.mark.parametrize("start", ["yesterday", "now-5y", "now+5m", "nan", "inf", "-5", ""])
def test_what_is_no_time_is_refused_with_what_is_allowed(start):
    with pytest.raises(SettingError, match="no time") as told:
        window(start)
    assert "now-30m" in told.value.allowed


def test_a_window_that_ends_before_it_begins_is_refused():
    with pytest.raises(SettingError, match="the time from"):
        window("now", "now-5m")


def test_a_window_longer_than_what_is_kept_is_refused():
    with pytest.raises(SettingError, match="15d"):
        window("now-16d")
