"""One command at a time changes a yard."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from modelyard.waiting import wait_until


@contextmanager
def changing(folder: Path, *, deadline_s: float, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the yard's lock, which the kernel lets go of when the process ends in whatever way.

    Raises:
        WaitTimeout: another command still holds it; names its pid.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    path = lock_path(folder)
    with path.open("a+") as held:
        if not take(held.fileno()):
            say(f"waiting: another command is changing this yard (pid {_holder(path)})")
            wait_until(
                lambda: take(held.fileno()),
                what=f"the command with pid {_holder(path)}, which is changing the yard {folder.name}",
                deadline_s=deadline_s,
            )
        held.truncate(0)
        held.write(str(os.getpid()))
        held.flush()
        yield


def lock_path(folder: Path) -> Path:
    """The lock of a yard; beside its folder, which `reset` removes."""
    return folder.with_name(f".{folder.name}.lock")


def take(descriptor: int) -> bool:
    """Whether the lock of an open file (flock(2)) is ours now; does not wait."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(path: Path) -> str:
    return path.read_text("utf-8").strip() or "unknown"
