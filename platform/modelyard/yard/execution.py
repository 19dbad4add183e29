"""Starts services in parallel by their needs, and calls each ready only when its probe was answered."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from modelyard.connections import Connections
from modelyard.errors import ServiceFailed, WaitTimeout
from modelyard.services.service import Service
from modelyard.settings import Settings
from modelyard.waiting import wait_until
from modelyard.yard import marks
from modelyard.yard.observation import ask
from modelyard.yard.plan import Plan, find_ready_to_start
from modelyard.yard.supervision import Program, supervisor_of
from modelyard.yard.view import View

LIVES = 3
"""A service that has ended so often while it was waited for has failed."""
TAIL_LINES = 15
PROBE_INTERVAL_S = 0.1


def execute(conn: Connections, services: Sequence[Service], plan: Plan, settings: Settings, view: View) -> None:
    """Start what the plan says, and wait until every service is ready.

    Raises:
        ServiceFailed: names every service that failed, with its log, and those not started because of it.
    """
    by_name = {service.name: service for service in services}

    def bring(name: str) -> None:
        if name in plan.starts:
            marks.end(plan.ends_before(name), deadline_s=settings.stop_deadline_s)
        make_ready(conn, by_name[name], name in plan.starts, deadline)

    needs = {service.name: service.needs for service in services}
    deadline = time.monotonic() + settings.up_deadline_s
    ready: set[str] = set()
    failed: dict[str, ServiceFailed] = {}
    running: dict[Future[None], str] = {}
    for name in needs:
        view.show(name, "waiting", by_name[name].summary)
    with view.working(), ThreadPoolExecutor(max_workers=len(services)) as pool:
        while True:
            for name in find_ready_to_start(needs, ready, ready | set(failed) | set(running.values())):
                view.show(name, "starting", by_name[name].summary)
                running[pool.submit(bring, name)] = name
            if not running:
                break
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                name = running.pop(future)
                error = future.exception()
                if error is None:
                    ready.add(name)
                    view.show(name, "ready", describe(conn, by_name[name]))
                elif isinstance(error, ServiceFailed):
                    failed[name] = error
                    view.show(name, "failed", error.what)
                else:
                    raise error
    if failed:
        raise summarise(failed, [name for name in needs if name not in ready and name not in failed])


def describe(conn: Connections, service: Service) -> str:
    """Where a service that is ready is found."""
    return conn.address(service.ports[0]) if service.ports else service.summary


def make_ready(conn: Connections, service: Service, start: bool, deadline: float) -> None:
    """Start one service where that is asked, and wait until it answers its probe.

    Raises:
        ServiceFailed: it ended again and again, or did not answer in time.
    """
    pids: set[int] = set()
    told = [""]
    with supervisor_of(conn) as supervisor:
        if start:
            supervisor.start(service.name)

        def answered() -> bool:
            program = supervisor.program(service.name)
            if program.pid:
                pids.add(program.pid)
            if program.state == "FATAL" or len(pids) > LIVES:
                raise failure(conn, service, f"{service.name} ended {describe_end(program, len(pids))}")
            told[0] = ask(service, conn) if program.pid else program.told
            return program.pid is not None and not told[0]

        try:
            wait_until(
                answered,
                what=f"{service.name} to be ready",
                deadline_s=max(1.0, deadline - time.monotonic()),
                interval_s=PROBE_INTERVAL_S,
            )
        except WaitTimeout as error:
            raise failure(conn, service, f"{error.what}; last answer: {told[0]}") from error


def describe_end(program: Program, lives: int) -> str:
    """How a service came to its end."""
    return f"{lives} times while it was started" + (f" ({program.told})" if program.told else "")


def failure(conn: Connections, service: Service, what: str) -> ServiceFailed:
    """The error of one service, with its log."""
    log = conn.layout.log(service.name)
    return ServiceFailed(what, detail=f"log: {log}\n{tail(log)}", next_command=f"./invoke logs {service.name}")


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """The last lines of a log that the service itself wrote."""
    from modelyard.yard.conditions import plain_lines, read_tail

    return "\n".join(plain_lines(read_tail(log))[-lines:])


def summarise(failed: dict[str, ServiceFailed], not_started: list[str]) -> ServiceFailed:
    """One error of all that failed."""
    first = next(iter(failed.values()))
    because = f"; not started because of that: {', '.join(not_started)}" if not_started else ""
    return ServiceFailed(
        "; ".join(error.what for error in failed.values()) + because,
        detail="\n".join(error.detail for error in failed.values()),
        next_command=first.next_command,
    )
