"""What is there of a yard: its supervisor, its processes, and which services answer."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from modelyard.connections import Connections
from modelyard.services.service import Service
from modelyard.yard import marks, supervision
from modelyard.yard.lives import read_lives
from modelyard.yard.plan import Observed, Seen


def is_ready(service: Service, conn: Connections) -> bool:
    """Whether the service answers its probe now."""
    return not ask(service, conn)


def ask(service: Service, conn: Connections) -> str:
    """What stands between a service and ready: "" where its probe was answered, else what the probe met."""
    import httpx

    try:
        service.probe(conn)
    except (OSError, LookupError, ValueError, httpx.HTTPError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def observe_processes(conn: Connections, services: Iterable[Service]) -> Observed:
    """The yard as it is: a supervisor counts only when it answers on its socket and carries the yard's mark."""
    marked = marks.find_marked(conn.layout.yard_id)
    programs, supervisor_pid = _ask_supervisor(conn)
    if supervisor_pid not in {process.pid for process in marked}:
        return Observed(None, {}, marked)
    with ThreadPoolExecutor(max_workers=8) as pool:
        asked = {
            service.name: pool.submit(ask, service, conn)
            for service in services
            if service.name in programs and programs[service.name].pid is not None
        }
        digests = started_digests(conn)
        seen = {
            name: _see(conn, program, digests.get(name, ""), asked[name].result() if name in asked else None)
            for name, program in programs.items()
        }
    return Observed(supervisor_pid, seen, marked)


def _see(conn: Connections, program: supervision.Program, digest: str, answer: str | None) -> Seen:
    """What the supervisor, the probe (None = not asked) and the launcher tell of one service."""
    lives = read_lives(conn.layout.lives(program.name))
    return Seen(
        state=program.state,
        pid=program.pid,
        uptime_s=program.uptime_s,
        ready=answer == "",
        digest=digest,
        told=program.told if answer is None else answer,
        waits_s=lives.waits_s if program.pid else None,
        short_lives=lives.short,
    )


def _ask_supervisor(conn: Connections) -> tuple[dict[str, supervision.Program], int | None]:
    try:
        with supervision.supervisor_of(conn) as client:
            return client.programs(), client.pid()
    except OSError:
        return {}, None


def started_digests(conn: Connections) -> dict[str, str]:
    """The digest with which each service of the present configuration was started."""
    import configparser
    import shlex

    held = configparser.RawConfigParser()
    held.read(conn.layout.config / "supervisord.conf", "utf-8")
    return {
        name.removeprefix("program:"): shlex.split(held[name]["command"])[-1]
        for name in held.sections()
        if name.startswith("program:")
    }
