"""Limits of the system: open files, processes, and inotify."""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from dataclasses import dataclass
from pathlib import Path

from modelyard.doctor.finding import Finding, fine, problem, warning
from modelyard.doctor.memory import CGROUPS
from modelyard.doctor.system import System

FILES_NEEDED = 1024
"""The supervisor does not start with fewer (supervisord's minfds)."""
FILES_COMFORT = 4096
"""A burst of a thousand requests that are held for a sleeping model: three files each, and the rest of the yard."""
PROCESSES_NEEDED = 400
"""Processes and threads of a yard that trains and serves."""
LIMITS_FILE = "/etc/security/limits.d/modelyard.conf"
INOTIFY_NEEDED = 2
"""Envoy watches the folder of its routes; so do some clients."""


@dataclass(frozen=True)
class Limits:
    """What this process may have. None: no limit, or the system does not tell.

    Attributes:
        files: open files, as it is (soft) and as it may be raised to (hard).
        processes_left: processes and threads that may still be started.
        inotify: how many of INOTIFY_NEEDED instances could be had; None where there is no inotify.
        inotify_allowed: instances that each user may have.
    """

    files: tuple[int | None, int | None]
    processes_left: int | None = None
    inotify: int | None = None
    inotify_allowed: int | None = None


def gather_limits() -> Limits:
    """Ask for the limits, and try inotify."""
    soft, hard = (_bound(held) for held in resource.getrlimit(resource.RLIMIT_NOFILE))
    left = [held for held in (_processes_left(), _group_left(CGROUPS)) if held is not None]
    allowed = Path("/proc/sys/fs/inotify/max_user_instances")
    return Limits(
        (soft, hard),
        min(left, default=None),
        try_inotify(INOTIFY_NEEDED) if sys.platform == "linux" else None,
        int(allowed.read_text("utf-8")) if allowed.exists() else None,
    )


def _bound(held: int) -> int | None:
    return None if held == resource.RLIM_INFINITY else held


def _processes_left() -> int | None:
    """RLIMIT_NPROC counts the threads of this user, and does not bind root."""
    import psutil

    soft, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    if soft == resource.RLIM_INFINITY or os.getuid() == 0:
        return None
    used = 0
    for process in psutil.process_iter(["uids", "num_threads"]):
        uids = process.info["uids"]
        if uids and uids.real == os.getuid():
            used += process.info["num_threads"] or 1
    return soft - used


def _group_left(root: Path) -> int | None:
    for base in (root, root / "pids"):
        try:
            told = (base / "pids.max").read_text("utf-8").strip()
            used = int((base / "pids.current").read_text("utf-8"))
        except (OSError, ValueError):
            continue
        if told.isdecimal():
            return int(told) - used
    return None


def try_inotify(wanted: int) -> int | None:
    """How many inotify instances can be had now, up to `wanted` (inotify_init(2)); None where there is none."""
    try:
        create = ctypes.CDLL(None, use_errno=True).inotify_init
    except (OSError, AttributeError):
        return None
    held: list[int] = []
    try:
        while len(held) < wanted and (descriptor := create()) >= 0:
            held.append(descriptor)
    finally:
        for descriptor in held:
            os.close(descriptor)
    return len(held)


def decide_limits(limits: Limits, system: System) -> list[Finding]:
    """Each limit by itself."""
    found = [
        *_decide_files(*limits.files, system),
        *_decide_processes(limits.processes_left, system),
        *_decide_inotify(limits.inotify, limits.inotify_allowed),
    ]
    soft = limits.files[0]
    return found or [fine("limits", f"{soft if soft is not None else 'any number of'} open files")]


def _decide_files(soft: int | None, hard: int | None, system: System) -> list[Finding]:
    if hard is not None and hard < FILES_NEEDED:
        return [
            problem(
                "limits",
                f"A process may have {hard} open files at most (ulimit -Hn).",
                f"the supervisor needs {FILES_NEEDED} and does not start",
                "sudo launchctl limit maxfiles 65536 200000"
                if system.kind == "darwin"
                else f'echo "$(id -un) hard nofile 65536" | sudo tee {LIMITS_FILE}  # then log in anew',
            )
        ]
    if soft is not None and soft < FILES_NEEDED:
        may = FILES_COMFORT if hard is None else min(hard, FILES_COMFORT)
        return [
            warning(
                "limits",
                f"This shell allows {soft} open files (ulimit -n).",
                "a burst of requests may meet that limit",
                f"ulimit -n {may}",
            )
        ]
    return []


def _decide_processes(left: int | None, system: System) -> list[Finding]:
    if left is None or left >= PROCESSES_NEEDED:
        return []
    return [
        (problem if left < PROCESSES_NEEDED // 4 else warning)(
            "limits",
            f"Only {max(left, 0)} more processes and threads may be started.",
            f"a yard has up to {PROCESSES_NEEDED}",
            "ps -u $(id -u) -o nlwp,pid,comm --sort=-nlwp | head  # end what is not needed"
            if system.kind == "linux"
            else "sudo sysctl -w kern.maxprocperuid=4000",
        )
    ]


def _decide_inotify(had: int | None, allowed: int | None) -> list[Finding]:
    if had is None or had >= INOTIFY_NEEDED:
        return []
    return [
        problem(
            "limits",
            f"No inotify instance is left (each user may have {allowed}; editors and containers take many).",
            "the gateway would not see its routes",
            "sudo sysctl -w fs.inotify.max_user_instances=1024",
        )
    ]
