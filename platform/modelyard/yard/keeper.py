"""Keeps the supervisor, which keeps everything else: where it is killed, the keeper brings the yard up again.

The supervisor starts the keeper anew as it does a service, so either brings the other back; only where both are killed
at once is the next `up` needed. Standard library only, run with `python -I -S` as `keeper.py SPEC`: it costs a few
megabytes and does nothing until then. SPEC is its launch file, read when it is needed, so that it is up to date.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import sys
import time

LOOK_S = 1.0
"""Seconds between two looks, where the system cannot tell the end of a process."""
GRACE_S = 1.0
"""Seconds in which an `up` or a `down` that was begun by a person comes first."""


def main() -> None:
    """Wait for the supervisor's end, then become the program that brings the yard up."""
    spec_path = sys.argv[1]
    wait_for_end(os.getppid())
    time.sleep(GRACE_S)
    with open(spec_path, encoding="utf-8") as held:  # noqa: PTH123 (pathlib takes 5 ms to import)
        spec = json.load(held)
    if is_locked(spec["lock"]):
        return
    write_to(spec["log"])
    os.chdir(spec["repair_folder"])
    os.execve(spec["repair"][0], spec["repair"], spec["env"])  # noqa: S606


def wait_for_end(parent: int) -> None:
    """Return when the parent has ended."""
    with contextlib.suppress(AttributeError, OSError):
        descriptor = os.pidfd_open(parent)
        select.select([descriptor], [], [])
        os.close(descriptor)
    while os.getppid() == parent:
        time.sleep(LOOK_S)


def is_locked(path: str) -> bool:
    """Whether a command that changes the yard runs now."""
    with open(path, "a", encoding="utf-8") as held:  # noqa: PTH123
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def write_to(log: str) -> None:
    """Let output go to a file: the pipe to the supervisor is broken, and a word to it would be the last one."""
    try:
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError:
        out = os.open(os.devnull, os.O_WRONLY)
    for target in (1, 2):
        os.dup2(out, target)


if __name__ == "__main__":
    main()
