"""Which processes are the yard's: those that carry its id in their environment. A pid alone is never believed."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable
from dataclasses import dataclass

import psutil

from modelyard.connections import MARK_VARIABLE
from modelyard.errors import ProcessNotEnded, WaitTimeout
from modelyard.waiting import wait_until

SERVICE_VARIABLE = "MODELYARD_SERVICE"
SUPERVISOR = "supervisor"
KILL_DEADLINE_S = 5.0


@dataclass(frozen=True)
class Marked:
    """A living process of the yard: the service that it is of, and the pid with the time at which it began.

    `leads_session` tells what works for a service and outlives it (a model server) from the service itself, which is in
    the supervisor's session.
    """

    pid: int
    started: float
    service: str
    parent: int
    name: str = ""
    leads_session: bool = False


def find_marked(yard_id: str) -> list[Marked]:
    """Every living process of this user that carries the yard's mark; zombies, this process and its parents not."""
    found = []
    mine = _own_line()
    for process in psutil.process_iter():
        if process.pid in mine:
            continue
        try:
            environment = process.environ()
            if environment.get(MARK_VARIABLE) != yard_id or process.status() == psutil.STATUS_ZOMBIE:
                continue
            service = environment.get(SERVICE_VARIABLE, "")
            leads = os.getsid(process.pid) == process.pid
            found.append(Marked(process.pid, process.create_time(), service, process.ppid(), process.name(), leads))
        except (psutil.Error, OSError):
            continue
    return found


def _own_line() -> set[int]:
    """This process and its ancestors: a person may run a task from a marked shell.

    A service that looks at its yard is one of the yard's processes, and so is the supervisor above it: nobody.
    """
    if os.environ.get(SERVICE_VARIABLE):
        return set()
    this = psutil.Process()
    return {this.pid, *(parent.pid for parent in this.parents())}


def find_strays(
    marked: Iterable[Marked], *, supervised: set[int], keep: set[str], is_supervised_yard: bool = True
) -> list[Marked]:
    """Processes of the yard that nobody supervises.

    Args:
        marked: every process of the yard.
        supervised: pids of the supervisor and of the services that it runs; their descendants are supervised too.
        keep: services whose children may outlive them, because the service finds them again.
        is_supervised_yard: whether a supervisor lives; without one such a service is a stray itself.
    """
    everyone = list(marked)
    parents = {process.pid: process.parent for process in everyone}

    def is_supervised(pid: int) -> bool:
        while pid in parents:
            if pid in supervised:
                return True
            pid = parents[pid]
        return False

    def is_kept(process: Marked) -> bool:
        return process.service in keep and (is_supervised_yard or process.leads_session)

    return [p for p in everyone if not is_supervised(p.pid) and not is_kept(p)]


def is_alive(process: Marked) -> bool:
    """Whether it is still that process, by pid and start time, and not a zombie."""
    try:
        held = psutil.Process(process.pid)
        return held.create_time() == process.started and held.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def end(processes: Iterable[Marked], *, deadline_s: float) -> None:
    """End processes: SIGTERM to each, one shared deadline, then SIGKILL; returns when none is left.

    Raises:
        ProcessNotEnded: one could not be killed.
    """
    left = [process for process in processes if is_alive(process)]
    for number, limit_s in ((signal.SIGTERM, deadline_s), (signal.SIGKILL, KILL_DEADLINE_S)):
        for process in left:
            _signal(process, number)
        left = _outlast(left, limit_s)
        if not left:
            return
    names = ", ".join(f"{process.service or process.name} (pid {process.pid})" for process in left)
    raise ProcessNotEnded(f"could not end {names}", next_command="./invoke down")


def _signal(process: Marked, number: int) -> None:
    if is_alive(process):
        with contextlib.suppress(OSError):
            os.kill(process.pid, number)


def _outlast(processes: list[Marked], limit_s: float) -> list[Marked]:

    with contextlib.suppress(WaitTimeout):
        wait_until(
            lambda: not any(is_alive(process) for process in processes),
            what="processes to end",
            deadline_s=limit_s,
            interval_s=0.05,
        )
    return [process for process in processes if is_alive(process)]
