"""Looks at the yard again and again, in a thread: one look serves every browser and every scrape."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from modelyard.connections import Connections
from modelyard.errors import YardError
from modelyard.settings import Settings
from modelyard.yard.marks import find_marked
from modelyard.yard.status import YardStatus, observe

WATCHED_EVERY_S = 2.0
IDLE_EVERY_S = 10.0
LOOKS_FOR_S = 15.0
"""A person who asked this long ago still looks."""


@dataclass(frozen=True)
class Look:
    """The yard at one moment.

    Attributes:
        at_s: seconds since 1970.
        status: what `invoke status` says, None where the yard could not be looked at.
        told: why not.
        cpu_s: processor seconds that the living processes of each service have taken.
        disk_free_bytes: where the yard lies.
        log_bytes: of all its logs.
        faults: what is broken on purpose: `kind`, `since_s`, `target`, `told` and `undo` of each.
    """

    at_s: float
    status: YardStatus | None
    told: str = ""
    cpu_s: dict[str, float] = field(default_factory=dict)
    disk_free_bytes: int | None = None
    log_bytes: int | None = None
    faults: tuple[dict[str, Any], ...] = ()


def decide_interval_s(now_s: float, asked_s: float) -> float:
    """Seconds until the next look: often while somebody watches, else as often as the metrics need."""
    return WATCHED_EVERY_S if now_s - asked_s < LOOKS_FOR_S else IDLE_EVERY_S


def look(conn: Connections, settings: Settings) -> Look:
    """Look at everything once."""
    began = time.time()
    try:
        status, told = observe(settings), ""
    except (YardError, OSError) as error:
        status, told = None, str(error)
    return Look(
        at_s=began,
        status=status,
        told=told,
        cpu_s=cpu_seconds(conn.layout.yard_id),
        disk_free_bytes=free_bytes(conn.layout.folder),
        log_bytes=sum(file_sizes(conn.layout.logs)),
        faults=find_faults(conn),
    )


def find_faults(conn: Connections) -> tuple[dict[str, Any], ...]:
    """What is broken on purpose, oldest first; nothing where that cannot be read."""
    from modelyard.faults import in_force

    try:
        held = in_force(conn)
    except (YardError, OSError):
        return ()
    keys = ("kind", "target", "told", "undo")
    return tuple({**{key: getattr(fault, key) for key in keys}, "since_s": fault.since} for fault in held)


def cpu_seconds(yard_id: str) -> dict[str, float]:
    """Processor seconds of the living processes of each service, in user and system mode."""
    made: dict[str, float] = {}
    for process in find_marked(yard_id):
        with contextlib.suppress(psutil.Error):
            times = psutil.Process(process.pid).cpu_times()
            made[process.service] = made.get(process.service, 0.0) + times.user + times.system
    return made


def free_bytes(folder: Path) -> int | None:
    """Bytes that this user may still write where a folder lies, None where that is not to be had."""
    try:
        return psutil.disk_usage(str(folder)).free
    except OSError:
        return None


def file_sizes(folder: Path) -> Iterable[int]:
    """Size of each file below a folder, in bytes; one that goes away meanwhile has none."""
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            if path.is_file():
                yield path.stat().st_size


class Watcher:
    """A thread that looks; `latest` is what it saw last, `asked` says that somebody reads it."""

    def __init__(self, look_once: Callable[[], Look]) -> None:
        self._look = look_once
        self._asked_s = float("-inf")
        self._wake = threading.Event()
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)
        self.latest: Look | None = None

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more; a look that is under way is not waited for."""
        self._ending = True
        self._wake.set()

    def asked(self) -> Look | None:
        """What was seen last, for a person who will ask again: the next look is soon."""
        now_s = time.monotonic()
        if decide_interval_s(now_s, self._asked_s) != WATCHED_EVERY_S:
            self._wake.set()
        self._asked_s = now_s
        return self.latest

    def _run(self) -> None:
        while not self._ending:
            self._wake.clear()
            self.latest = self._look()
            self._wake.wait(decide_interval_s(time.monotonic(), self._asked_s))
