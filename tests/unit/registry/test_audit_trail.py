import subprocess

import pytest

from modelyard.registry.promotion import AuditEntry, claimed_identity, is_written_down, new_entry, tag_name


def moved(before, after):
    return AuditEntry(
        "2026-11-24T15:00:00+00:00", "ana@example.org", "git", "flights", "production", before, after, "-"
    )


@pytest.mark.parametrize(
    ("last", "alias_is_at", "wanted", "known"),
    [
        (moved("1", "2"), "2", "2", True),  # made
        (moved("1", "2"), "1", "2", True),  # begun, killed before the alias moved
        (moved(None, "1"), None, "1", True),
        (moved("1", "2"), "2", "3", False),  # a new move
        (moved("1", "2"), "2", "1", False),  # back again
        (moved("1", "2"), "5", "2", False),  # somebody moved it to 5 in MLflow meanwhile
        (moved("1", "2"), None, "2", False),  # somebody removed it
    ],
)
def test_only_a_move_that_the_trail_lacks_is_written(last, alias_is_at, wanted, known):
    assert is_written_down(last, alias_is_at, wanted) is known


def test_entries_of_one_moment_have_names_of_their_own():
    entry = moved("1", "2")
    assert len({tag_name(entry) for _ in range(50)}) == 50


def test_names_sort_by_time():
    first, second = (
        AuditEntry(when, "a", "g", "flights", "production", "1", "2", "-")
        for when in ("2026-11-24T15:00:00.000009+00:00", "2026-11-24T15:00:00.000010+00:00")
    )
    assert tag_name(first) < tag_name(second)


def test_a_line_says_who_claimed_what_and_why():
    entry = new_entry("flights", "production", None, "1", "first version")
    assert "@production: nothing -> 1" in entry.line()
    assert f"by {entry.who} ({entry.who_from}): first version" in entry.line()
    assert entry.who_from.endswith("claimed")


def test_who_is_the_persons_git_email(tmp_path, monkeypatch):
    config = tmp_path / "gitconfig"
    subprocess.run(["git", "config", "--file", config, "user.email", "ana@example.org"], check=True)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    assert claimed_identity() == ("ana@example.org", "git e-mail, claimed")


def test_who_is_the_operating_systems_user_where_git_knows_nobody(tmp_path, monkeypatch):
    import getpass

    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "none"))
    assert claimed_identity() == (getpass.getuser(), "OS user, claimed")
