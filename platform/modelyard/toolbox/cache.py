"""The cache of fetched programs: each copy has a folder of its own, which is whole or not there.

`programs/NAME-VERSION.PLATFORM` is a publisher's release, `programs/NAME-VERSION` an unpacked Debian package;
`downloads/` holds parts of files that are on their way.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from modelyard.toolbox.pins import Pin, Version, is_new_enough, parse_version
from modelyard.waiting import wait_until

LOCK_INTERVAL_S = 0.2
LOCK_DEADLINE_S = 3600.0
"""Somebody who holds the lock still fetches: a large file over a bad network takes its time."""


@dataclass(frozen=True)
class Held:
    """A copy in the cache."""

    version: Version
    program: Path
    root: Path
    from_debian: bool


def release_folder(cache: Path, holder: str, version: str, platform: str) -> Path:
    """Where a publisher's release stands."""
    return cache / "programs" / f"{holder}-{version}.{platform}"


def find_held(cache: Path, pin: Pin, platform: str) -> Held | None:
    """The newest copy that is new enough and built for this platform."""
    programs = cache / "programs"
    debian = [
        Held(parse_version(folder.name), program, folder, from_debian=True)
        for folder in programs.glob(f"{pin.name}-[0-9]*")
        if pin.debian_program and (program := folder / pin.debian_program).is_file()
    ]
    released = [
        Held(parse_version(folder.name), program, folder, from_debian=False)
        for folder in programs.glob(f"{pin.holder}-[0-9]*.{platform}")
        if pin.program and (program := folder / pin.program).is_file()
    ]
    usable = [held for held in debian + released if is_new_enough(held.version, pin.minimum)]
    return max(usable, key=lambda held: held.version) if usable else None


@contextmanager
def alone(cache: Path, name: str, tell_waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """One thread of one process at a time fetches a thing; the kernel lets go of the lock of one that was killed.

    Args:
        cache: of the toolbox.
        name: of the thing.
        tell_waiting: called once where another one has it.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f".{name}.lock").open("w") as held:
        if not _take(held.fileno()):
            tell_waiting()
            wait_until(
                lambda: _take(held.fileno()),
                what=f"another process that fetches {name}",
                deadline_s=LOCK_DEADLINE_S,
                interval_s=LOCK_INTERVAL_S,
                next_command=f"./invoke fetch {name}",
            )
        yield


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def forget_scratch(cache: Path, name: str) -> None:
    """Remove what a process that was killed while it unpacked left; called under the lock."""
    for left in (cache / "programs").glob(f".{name}.unpacking.*"):
        shutil.rmtree(left, ignore_errors=True)
