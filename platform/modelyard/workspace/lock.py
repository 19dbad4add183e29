"""One at a time in a workspace."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from modelyard.waiting import wait_until
from modelyard.workspace.programs import Say, silent
from modelyard.yard.lock import take

DEADLINE_S = 300.0


@contextmanager
def hold_lock(path: Path, say: Say = silent) -> Iterator[int]:
    """Hold a file's lock and give its descriptor: a program that inherits it keeps the lock for as long as it runs.

    Raises:
        WaitTimeout: somebody else held it for five minutes.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not take(descriptor):
            say("waiting for another command in this workspace")
            wait_until(
                lambda: take(descriptor) or None,
                what=f"the lock {path}",
                deadline_s=DEADLINE_S,
                next_command=f"fuser '{path}'",
            )
        yield descriptor
    finally:
        os.close(descriptor)


def drop_stale_lock(repository: Path) -> None:
    """Remove the lock that a killed git left on its index; that of a git which still runs stays."""
    lock = repository / ".git" / "index.lock"
    if lock.exists() and not is_git_running(repository):
        lock.unlink(missing_ok=True)


def is_git_running(repository: Path) -> bool:
    """Whether a git of this user works in the repository, be it that it waits for an editor."""
    import psutil

    for process in psutil.process_iter(["name", "cwd"]):
        held = process.info
        if held["name"] == "git" and held["cwd"] and Path(held["cwd"]).is_relative_to(repository):
            return True
    return False
