"""Logs of replicas are cut off while the replica writes on."""

import os

import pytest

from modelyard.serving.replicas.rotation import LOG_BACKUPS, backups, remove_log, rotate_grown

LIMIT = 100


@pytest.fixture
def writer(tmp_path):
    """A log with the open file of who writes it, as a replica opens it."""
    log = tmp_path / "flights-00001-a.log"
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    yield log, lambda text: os.write(out, text)
    os.close(out)


def test_a_log_within_its_limit_is_left_alone(writer):
    log, write = writer
    write(b"x" * LIMIT)
    assert not rotate_grown(log, limit_bytes=LIMIT)
    assert log.stat().st_size == LIMIT


def test_a_log_that_has_grown_is_kept_once_and_written_on_from_its_start(writer):
    log, write = writer
    write(b"a" * (LIMIT + 1))
    assert rotate_grown(log, limit_bytes=LIMIT)
    write(b"after")
    assert log.read_bytes() == b"after"
    assert backups(log)[0].read_bytes() == b"a" * (LIMIT + 1)


def test_only_so_many_older_parts_are_kept_and_the_newest_is_the_first(writer):
    log, write = writer
    for letter in (b"a", b"b", b"c", b"d"):
        write(letter * (LIMIT + 1))
        assert rotate_grown(log, limit_bytes=LIMIT)
    assert [path.read_bytes()[:1] for path in backups(log)] == [b"d", b"c"]
    assert len(list(log.parent.iterdir())) == 1 + LOG_BACKUPS


def test_a_log_is_cut_where_its_copy_cannot_be_kept(writer):
    log, write = writer
    for path in backups(log):
        path.mkdir()
    write(b"a" * (LIMIT + 1))
    assert rotate_grown(log, limit_bytes=LIMIT)
    assert log.stat().st_size == 0
    assert not list(log.parent.glob("*.part"))


def test_a_link_and_a_log_that_is_not_there_are_left_alone(tmp_path):
    target = tmp_path / "elsewhere"
    target.write_bytes(b"x" * (LIMIT + 1))
    (tmp_path / "link.log").symlink_to(target)
    assert not rotate_grown(tmp_path / "link.log", limit_bytes=LIMIT)
    assert not rotate_grown(tmp_path / "none.log", limit_bytes=LIMIT)
    assert target.stat().st_size == LIMIT + 1


def test_a_log_is_removed_with_its_older_parts(writer):
    log, write = writer
    write(b"a" * (LIMIT + 1))
    rotate_grown(log, limit_bytes=LIMIT)
    remove_log(log)
    assert list(log.parent.iterdir()) == []
