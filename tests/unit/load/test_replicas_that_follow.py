"""When replicas were there, and how many too many, from looks at them."""

import pytest

from modelyard.load.replicas import Stage, begins, overshoot, peak, reaction_s, settled, users_at

LOOKS = [(0, 1), (10, 1), (12, None), (14, 4), (16, 6), (18, 5), (30, 5), (34, 3), (38, 1)]
"""The load rises at 10 and falls at 30."""
STAGES = (Stage(1, 10), Stage(12, 20), Stage(1, 15))


def test_stages_follow_each_other_and_end():
    assert [users_at(STAGES, at) for at in (0, 9.9, 10, 29.9, 30, 44.9, 45)] == [1, 1, 12, 12, 1, 1, None]
    assert begins(STAGES) == [0, 10, 30, 45]


def test_the_reaction_to_a_rise_ends_when_so_many_are_there():
    assert reaction_s(LOOKS, 10, 30, 5) == 6
    assert reaction_s(LOOKS, 10, 30, 4) == 4


def test_the_reaction_to_a_fall_ends_when_no_more_are_there():
    assert reaction_s(LOOKS, 30, 45, 3) == 4
    assert reaction_s(LOOKS, 30, 45, 1) == 8


def test_replicas_that_never_come_have_no_reaction():
    assert reaction_s(LOOKS, 10, 30, 9) is None
    assert reaction_s(LOOKS, 30, 45, 0) is None


def test_replicas_that_are_there_already_need_no_time():
    assert reaction_s(LOOKS, 10, 30, 1) == 0


def test_the_overshoot_is_what_the_peak_has_beyond_the_end():
    assert (peak(LOOKS, 10, 30), settled(LOOKS, 10, 30), overshoot(LOOKS, 10, 30)) == (6, 5, 1)


@pytest.mark.parametrize("looks", [[], [(5, None)]], ids=["no look", "nothing seen"])
def test_where_nothing_was_seen_nothing_is_known(looks):
    assert peak(looks, 0, 10) is settled(looks, 0, 10) is overshoot(looks, 0, 10) is None
    assert reaction_s(looks, 0, 10, 1) is None
