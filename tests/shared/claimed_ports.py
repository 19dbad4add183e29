"""Blocks of ports for servers that a test starts itself: two sessions of tests on a machine never have the same one."""

from __future__ import annotations

import fcntl
import os
import random
import tempfile
from pathlib import Path

from modelyard.yard.layout import PORT_BLOCK
from modelyard.yard.ports import is_free

FIRST, LAST = 21_000, 32_000
"""Above the blocks that yards take, below the ports that the kernel gives to outgoing connections."""
_held: list[int] = []
"""Locks of the blocks of this process; the kernel lets go of them when it ends, however it ends."""


def claim_block() -> int:
    """First port of a block whose ports are free and that no other session gets while this one lives."""
    folder = Path(tempfile.gettempdir()) / f"modelyard-{os.getuid()}-test-ports"
    folder.mkdir(mode=0o700, exist_ok=True)
    blocks = list(range(FIRST, LAST - PORT_BLOCK, PORT_BLOCK))
    random.SystemRandom().shuffle(blocks)
    for first in blocks:
        lock = os.open(folder / str(first), os.O_RDWR | os.O_CREAT, 0o600)
        if _is_mine(lock) and all(map(is_free, range(first, first + PORT_BLOCK))):
            _held.append(lock)
            return first
        os.close(lock)
    raise AssertionError(f"no block of {PORT_BLOCK} free ports from {FIRST} to {LAST}")


def _is_mine(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
