"""`status`: every service with its process and memory, and the InferenceServices."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import psutil

from modelyard.connections import Connections, connect
from modelyard.services.service import Service
from modelyard.settings import Settings
from modelyard.substrates import local
from modelyard.yard.conditions import Condition, conditions_of
from modelyard.yard.inferenceservices import observe_inferenceservices
from modelyard.yard.observation import observe_processes
from modelyard.yard.plan import Observed
from modelyard.yard.up import yard_folder


@dataclass(frozen=True)
class ServiceStatus:
    """One service. `memory_bytes` is the proportional share (PSS) of its process and all below it, where the system
    tells it, else the resident size; None where the service does not run. The last six fields are
    those of its Condition."""

    name: str
    ready: bool
    optional: bool
    pid: int | None
    address: str
    memory_bytes: int | None
    uptime_s: float | None
    state: str
    restarts: int
    told: str
    log_line: str
    next_command: str
    log_tail: tuple[str, ...] = ()


@dataclass(frozen=True)
class YardStatus:
    """A yard as it is now. `inferenceservices` are those of yard/inferenceservices.py, `faults` a line for each thing
    that is broken on purpose."""

    name: str
    folder: str
    substrate: str
    kubeconfig: str
    gateway: str
    services: tuple[ServiceStatus, ...]
    inferenceservices: tuple[dict[str, Any], ...]
    faults: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether every service that is not optional is ready."""
        return all(held.ready or held.optional for held in self.services)


def observe(settings: Settings) -> YardStatus:
    """Ask every service of the yard of these settings.

    Raises:
        YardNotUp: there is no yard.
    """
    from modelyard.faults import tell_in_force

    conn = connect(yard_folder(settings), settings)
    services = local.SERVICES
    observed = observe_processes(conn, services)
    conditions = conditions_of(conn, services, observed)
    with ThreadPoolExecutor(max_workers=8) as pool:
        told = pool.map(lambda service, found: _service_status(service, found, conn, observed), services, conditions)
        found = tuple(told)
    return YardStatus(
        name=conn.name,
        folder=str(conn.layout.folder),
        substrate=conn.substrate,
        kubeconfig=str(conn.kubeconfig),
        gateway=conn.gateway,
        services=found,
        inferenceservices=observe_inferenceservices(conn),
        faults=tuple(tell_in_force(conn)),
    )


def _service_status(service: Service, found: Condition, conn: Connections, observed: Observed) -> ServiceStatus:
    family = [p for p in observed.marked if p.service == service.name]
    return ServiceStatus(
        name=service.name,
        ready=found.state == "ready",
        optional=service.optional,
        pid=found.pid,
        address=conn.address(service.ports[0]) if service.ports else "",
        memory_bytes=sum(filter(None, (memory_bytes(p.pid) for p in family))) if found.pid else None,
        uptime_s=found.uptime_s,
        state=found.state,
        restarts=found.restarts,
        told=found.told,
        log_line=found.log_line,
        next_command=found.next_command,
        log_tail=found.log_tail,
    )


def memory_bytes(pid: int) -> int | None:
    """Memory of one process in bytes, shared pages by their share; None where it has ended."""
    try:
        held = psutil.Process(pid)
        full = held.memory_full_info()
        return getattr(full, "pss", 0) or full.rss
    except psutil.AccessDenied:
        return None
    except psutil.Error:
        return None


def to_json(found: YardStatus) -> str:
    """The status as one JSON object."""
    return json.dumps({**asdict(found), "ready": found.ready}, indent=2)


def print_table(found: YardStatus) -> None:
    """The status as a person reads it."""
    from modelyard.console import say

    say(f"yard {found.name} ({found.substrate}) in {found.folder}")
    _print_rows([_cells(held) for held in found.services])
    for line in (*describe_trouble(found), *found.faults):
        say(line)
    for item in found.inferenceservices:
        state = "ready" if item["ready"] else "not ready"
        split = ", ".join(f"{entry['revisionName']} {entry.get('percent', 0)}%" for entry in item["traffic"])
        say(f"inferenceservice {item['namespace']}/{item['name']}  {state}  {item['url']}  {split}")
    total = sum(held.memory_bytes or 0 for held in found.services)
    say(f"memory {total / 2**20:.0f} MiB; kubeconfig {found.kubeconfig}; gateway {found.gateway}")


def _print_rows(rows: list[tuple[str, ...]]) -> None:
    """Aligned columns that are never wrapped or cut, as rich's tables are: an address has to be copied."""
    from rich.text import Text

    from modelyard.console import console

    styles = {"ready": "green", "starting": "yellow", "left out": "dim"}
    styles |= dict.fromkeys(("not answering", "crash looping", "gave up", "down"), "red")
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    for row in rows:
        line = Text(no_wrap=True)
        for cell, width in zip(row, widths, strict=True):
            line.append(cell.ljust(width + 2), style=styles.get(cell, ""))
        line.rstrip()
        console().print(line, soft_wrap=True)


def _cells(held: ServiceStatus) -> tuple[str, ...]:
    if held.pid is None:
        return (held.name, held.state, "", "", "", "")
    memory = f"{held.memory_bytes / 2**20:.0f} MiB" if held.memory_bytes else ""
    again = f"  started again {held.restarts} times" if held.restarts else ""
    return (
        held.name,
        held.state,
        f"pid {held.pid}",
        f"{held.uptime_s or 0:.0f}s",
        memory,
        f"{held.address}{again}".strip(),
    )


def describe_trouble(found: YardStatus) -> list[str]:
    """Of each service that is not well: what was told, what its log said last, and the next command."""
    bad = [held for held in found.services if held.state not in ("ready", "left out")]
    if bad and all(held.state in ("down", "left out") for held in found.services):
        return ["the yard is down; its data are kept", "  next: ./invoke up"]
    return [line for held in bad for line in _trouble_of(held)]


def _trouble_of(held: ServiceStatus) -> list[str]:
    shows_tail = held.state in ("crash looping", "gave up") and held.log_tail
    last = [f"  log: {line}" for line in held.log_tail] if shows_tail else []
    if held.log_line and held.log_line not in (line.strip() for line in held.log_tail if shows_tail):
        last.append(f"  last line of its log that matters: {held.log_line}")
    next_line = [f"  next: {held.next_command}"] if held.next_command else []
    return [f"{held.name} is {held.state}: {held.told}", *last, *next_line]
