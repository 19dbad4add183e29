"""The condition of each service: one word, what was told, and the next command; decided purely from what was seen."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from modelyard.connections import Connections
from modelyard.services.service import Service
from modelyard.settings import Settings
from modelyard.substrates import local
from modelyard.yard import ports
from modelyard.yard.launch import STEADY_S
from modelyard.yard.lives import read_lives
from modelyard.yard.observation import ask, observe_processes
from modelyard.yard.plan import HUNG_AFTER_S, Observed, Seen

State = Literal["ready", "starting", "not answering", "crash looping", "gave up", "down", "left out"]

CRASHES = 3
"""So many short lives in a row are a crash loop."""
TAIL_BYTES = 16384
TOLD_LINES = 5
UNSUPERVISED = "it answers, but its supervisor has gone"
WORDS_THAT_MATTER = re.compile(
    r"\b(error|fatal|panic|critical|traceback|exception)\b|\w(Error|Exception)\b", re.IGNORECASE
)
ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07]*\x07")
OWN_LINES = "modelyard: "
"""Lines of the launcher in a service's log: they say that it ended, not why."""


@dataclass(frozen=True)
class Condition:
    """How one service is.

    Attributes:
        service: its name.
        state: one of `State`.
        pid: of its first process, None where there is none.
        uptime_s: seconds since that process began.
        restarts: starts since the last `up` that nobody asked for.
        told: one line: what the probe or the supervisor said.
        log_line: the last line of its log that matters; "" where all is well.
        next_command: what a person types next; "" where all is well.
        log_tail: the last lines of its log; none where all is well.
    """

    service: str
    state: State
    pid: int | None
    uptime_s: float | None
    restarts: int
    told: str
    log_line: str
    next_command: str
    log_tail: tuple[str, ...] = ()


def decide_condition(
    service: Service,
    seen: Seen | None,
    *,
    restarts: int,
    probe_answer: str,
    log_tail: Sequence[str],
    in_the_way: str = "",
) -> Condition:
    """The condition of a service.

    Args:
        service: which.
        seen: what the supervisor and the launcher say, None where neither knows it.
        restarts: since the last `up`.
        probe_answer: what stands between it and ready, "" where its probe was answered.
        log_tail: the last lines of its log.
        in_the_way: who holds a port that it needs, "" for nobody.
    """
    state, told = _decide_state(service, seen, probe_answer)
    well = state in ("ready", "left out")
    lines = () if well or (state == "starting" and not restarts) else plain_lines(log_tail)
    if in_the_way and not well:
        told = in_the_way
    return Condition(
        service=service.name,
        state=state,
        pid=seen.pid if seen else None,
        uptime_s=seen.uptime_s if seen else None,
        restarts=restarts,
        told=" ".join(told.split()),
        log_line=find_line_that_matters(lines),
        next_command=_next_command(service.name, state, told),
        log_tail=lines[-TOLD_LINES:],
    )


def _decide_state(service: Service, seen: Seen | None, probe_answer: str) -> tuple[State, str]:  # noqa: PLR0911
    if seen is None or (seen.pid is None and seen.state in ("", "STOPPED", "STOPPING")):
        absent: State = "left out" if service.optional and seen is None else "down"
        return absent, "it is not here" if absent == "left out" else "it does not run"
    if seen.state in ("FATAL", "UNKNOWN"):
        return "gave up", seen.told or "the supervisor starts it no more"
    if seen.waits_s is not None or seen.state == "BACKOFF":
        soon = f"; next start in {seen.waits_s:.0f}s" if seen.waits_s is not None else ""
        return "crash looping", (seen.told or f"it ended {seen.short_lives} times soon after its start") + soon
    if seen.pid is None:
        looping = seen.short_lives >= CRASHES - 1
        return ("crash looping" if looping else "starting"), "it ended, and is started again"
    if not probe_answer:
        return "ready", "it answers" if seen.state else UNSUPERVISED
    young = seen.uptime_s is None or seen.uptime_s < HUNG_AFTER_S
    if seen.short_lives >= CRASHES and (seen.uptime_s or 0.0) < STEADY_S:
        return "crash looping", f"it ended {seen.short_lives} times soon after its start; {probe_answer}"
    return ("starting" if young else "not answering"), probe_answer


def _next_command(name: str, state: State, told: str) -> str:
    if state == "ready":
        return "./invoke up" if told == UNSUPERVISED else ""
    if state == "left out":
        return f"./invoke fetch {name}"
    if state in ("down", "gave up"):
        return "./invoke up"
    return "./invoke status" if state == "starting" else f"./invoke why {name}"


def plain_lines(lines: Iterable[str]) -> tuple[str, ...]:
    """A log as its service wrote it: without colours, empty lines, and the launcher's words."""
    told = (ANSI.sub("", line).rstrip() for line in lines)
    return tuple(line for line in told if line and not line.startswith(OWN_LINES))


def find_line_that_matters(lines: Sequence[str]) -> str:
    """The last line that tells an error, a panic or a traceback's end, else the last line; without colours."""
    plain = plain_lines(lines)
    for place in range(len(plain) - 1, -1, -1):
        if not WORDS_THAT_MATTER.search(plain[place]):
            continue
        if plain[place].startswith("Traceback"):
            ends = (line for line in plain[place + 1 :] if not line.startswith((" ", "\t")))
            return next(ends, plain[place])
        return plain[place].strip()
    return plain[-1].strip() if plain else ""


def observe_conditions(conn: Connections, settings: Settings) -> tuple[Condition, ...]:
    """The condition of every service of a yard, in the order of the catalog; each is asked for real."""
    del settings  # part of the interface: a substrate may need them
    return conditions_of(conn, local.SERVICES, observe_processes(conn, local.SERVICES))


def conditions_of(conn: Connections, services: Iterable[Service], observed: Observed) -> tuple[Condition, ...]:
    """The conditions, from a yard that was observed."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        return tuple(pool.map(lambda service: _look_at(service, conn, observed), services))


def _look_at(service: Service, conn: Connections, observed: Observed) -> Condition:
    seen = observed.services.get(service.name) or _unsupervised(service, conn, observed)
    seen = _timed(service, seen, observed)
    bad = seen is not None and not seen.ready
    return decide_condition(
        service,
        seen,
        restarts=read_lives(conn.layout.lives(service.name)).restarts if seen else 0,
        probe_answer=seen.told or "it does not answer" if seen and bad else "",
        log_tail=read_tail(conn.layout.log(service.name)) if bad else (),
        in_the_way=_in_the_way(service, conn, observed) if bad else "",
    )


def _unsupervised(service: Service, conn: Connections, observed: Observed) -> Seen | None:
    """A service that lives on without a supervisor."""
    pid = next((held.pid for held in observed.marked if held.service == service.name), None)
    if pid is None:
        return None
    told = ask(service, conn)
    return Seen(state="", pid=pid, ready=not told, told=told)


def _timed(service: Service, seen: Seen | None, observed: Observed) -> Seen | None:
    """With the age of its process by the system's clock: the supervisor counts whole seconds only."""
    if seen is None or seen.pid is None:
        return seen
    family = (held.started for held in observed.marked if held.service == service.name and held.pid == seen.pid)
    started = next(family, None)
    return replace(seen, uptime_s=round(time.time() - started, 1) if started else seen.uptime_s)


def _in_the_way(service: Service, conn: Connections, observed: Observed) -> str:
    taken = ports.taken_by_others(conn.first_port, lambda: {held.pid for held in observed.marked})
    mine = {key: port for key, port in taken.items() if key in service.ports}
    return ports.describe_taken(mine)


def read_tail(path: Path) -> list[str]:
    """The last lines of a log; none where there is no log."""
    try:
        with path.open("rb") as held:
            held.seek(0, os.SEEK_END)
            held.seek(max(0, held.tell() - TAIL_BYTES))
            return held.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []
