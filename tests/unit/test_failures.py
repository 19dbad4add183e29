"""What nobody caught is told in lines, and its trace is kept in a file."""

import errno
import json
import os
import stat
from pathlib import Path

import httpx
import pytest

from modelyard import errors
from modelyard.console import ends_cleanly, has_colours, render_error
from modelyard.failures import KEPT, decide_error, keep_trace


def unreadable_json():
    try:
        json.loads("<html>")
    except ValueError as error:
        return error


def system(number):
    return OSError(number, os.strerror(number), "/yard/data")


@pytest.mark.parametrize(
    ("met", "kind"),
    [
        (system(errno.ENOSPC), errors.DiskFull),
        (system(errno.EDQUOT), errors.DiskFull),
        (system(errno.EACCES), errors.AccessDenied),
        (system(errno.EROFS), errors.AccessDenied),
        (system(errno.EMFILE), errors.TooManyOpenFiles),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), errors.ConnectionFailed),
        (TimeoutError("timed out"), errors.ConnectionFailed),
        (httpx.ReadTimeout("slow"), errors.ConnectionFailed),
        (unreadable_json(), errors.AnswerUnreadable),
        (MemoryError(), errors.OutOfMemory),
        (ZeroDivisionError("division by zero"), errors.Unexpected),
        (FileNotFoundError(2, "No such file", "/nowhere"), errors.Unexpected),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_what_can_go_wrong_in_a_classroom_has_a_kind(met, kind):
    told = decide_error(met)
    assert type(told) is kind
    assert len(told.what.splitlines()) == 1
    assert told.next_command == kind.next


def test_an_error_for_a_person_stays_what_it_is():
    error = errors.YardNotUp("there is no yard")
    assert decide_error(error) is error


def test_the_trace_is_kept_in_the_yards_folder_for_nobody_else_to_read(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MODELYARD_STATE_DIR", str(tmp_path))
    (tmp_path / "default").mkdir()

    @ends_cleanly
    def task():
        raise ZeroDivisionError("division by zero")

    with pytest.raises(SystemExit) as ended:
        task()
    assert ended.value.code == 1
    [kept] = (tmp_path / "default" / "errors").iterdir()
    assert capsys.readouterr().err.splitlines() == [
        "error: unexpected ZeroDivisionError: division by zero",
        f"  trace: {kept}",
        "  more: docs/troubleshooting.md#unexpected",
        "  next: ./invoke doctor",
    ]
    assert kept.read_text("utf-8").startswith("Traceback (most recent call last):")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_without_a_yard_the_trace_goes_to_the_folder_for_temporary_files(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def no_yard():
        raise FileNotFoundError

    kept = keep_trace(ZeroDivisionError(), no_yard, now=0)
    assert kept.parent == tmp_path / f"modelyard-errors-{os.getuid()}"


def test_where_no_file_can_be_written_there_is_none(tmp_path, monkeypatch):
    occupied = tmp_path / "a file"
    occupied.touch()
    monkeypatch.setattr("tempfile.tempdir", str(occupied))
    assert keep_trace(ZeroDivisionError(), lambda: occupied, now=0) is None


def test_the_oldest_traces_go(tmp_path):
    kept = [keep_trace(ZeroDivisionError(), lambda: tmp_path, now=second) for second in range(KEPT + 5)]
    assert sorted(tmp_path.iterdir()) == sorted(kept[5:])


def test_colours_are_for_terminals_only(monkeypatch):
    leader, follower = os.openpty()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with os.fdopen(leader), os.fdopen(follower, "w") as terminal, Path(os.devnull).open("w") as file:
        assert (has_colours(terminal), has_colours(file)) == (True, False)
        monkeypatch.setenv("NO_COLOR", "1")
        assert not has_colours(terminal)
    plain = render_error(errors.PortTaken("port 7600 is taken"))
    coloured = render_error(errors.PortTaken("port 7600 is taken"), colours=True)
    assert not any("\x1b" in line for line in plain)
    assert coloured[0] == f"\x1b[31m{plain[0]}\x1b[0m"
