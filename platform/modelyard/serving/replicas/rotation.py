"""Keeps a replica's log from filling the disk: a replica writes it itself, so it is copied and cut off.

A replica opens its log to append, so that what it writes after the cut begins at the file's start; lines that it writes
between copy and cut are lost, as with logrotate's `copytruncate`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

LOG_BYTES = 10 * 1024 * 1024
"""As a kubelet's containerLogMaxSize."""
LOG_BACKUPS = 2


def backups(log: Path) -> list[Path]:
    """The older parts of a log, the newest first, whether they are there or not."""
    return [log.with_name(f"{log.name}.{number}") for number in range(1, LOG_BACKUPS + 1)]


def rotate_grown(log: Path, *, limit_bytes: int = LOG_BYTES) -> bool:
    """Cut a log off that has grown beyond its limit; whether it had; without a copy where the disk takes none.

    A file that is none (a link, a pipe, nothing at all) is left alone.
    """
    try:
        if log.is_symlink() or log.stat().st_size <= limit_bytes:
            return False
        with contextlib.suppress(OSError):
            _keep(log)
        os.truncate(log, 0)
    except OSError:
        return False
    return True


def _keep(log: Path) -> None:
    newest, *older = backups(log)
    previous = newest
    moves = []
    for path in older:
        moves.append((previous, path))
        previous = path
    for source, target in reversed(moves):
        with contextlib.suppress(FileNotFoundError):
            source.replace(target)
    part = log.with_name(f".{log.name}.part")
    try:
        shutil.copyfile(log, part)
        part.chmod(0o600)
        part.replace(newest)
    finally:
        part.unlink(missing_ok=True)


def remove_log(log: Path) -> None:
    """Remove a log with its older parts."""
    for path in (log, *backups(log)):
        path.unlink(missing_ok=True)
