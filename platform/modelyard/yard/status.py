"""`status`: every service with its process and memory, and the InferenceServices."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import psutil

from modelyard.connections import Connections, connect
from modelyard.kube import is_ready as isvc_ready
from modelyard.kube import traffic
from modelyard.services.service import Service
from modelyard.services.serving import list_inferenceservices
from modelyard.settings import Settings
from modelyard.substrates import local
from modelyard.yard.observation import is_ready, observe_processes
from modelyard.yard.plan import Observed
from modelyard.yard.up import yard_folder


WIDTH = 110


@dataclass(frozen=True)
class ServiceStatus:
    """One service. `memory_bytes` is the proportional share (PSS) of its process and all below it, where the system
    tells it, else the resident size; None where the service does not run."""

    name: str
    ready: bool
    optional: bool
    pid: int | None
    address: str
    memory_bytes: int | None
    uptime_s: float | None


@dataclass(frozen=True)
class YardStatus:
    """A yard as it is now. `inferenceservices` has name, namespace, ready, url and traffic of each."""

    name: str
    folder: str
    substrate: str
    kubeconfig: str
    gateway: str
    services: tuple[ServiceStatus, ...]
    inferenceservices: tuple[dict[str, Any], ...]

    @property
    def ready(self) -> bool:
        """Whether every service that is not optional is ready."""
        return all(held.ready or held.optional for held in self.services)


def observe(settings: Settings) -> YardStatus:
    """Ask every service of the yard of these settings.

    Raises:
        YardNotUp: there is no yard.
    """
    conn = connect(yard_folder(settings), settings)
    services = local.SERVICES
    observed = observe_processes(conn, services)
    with ThreadPoolExecutor(max_workers=8) as pool:
        found = tuple(pool.map(lambda service: _service_status(service, conn, observed), services))
    return YardStatus(
        name=conn.name,
        folder=str(conn.layout.folder),
        substrate=conn.substrate,
        kubeconfig=str(conn.kubeconfig),
        gateway=conn.gateway,
        services=found,
        inferenceservices=_inferenceservices(conn),
    )


def _service_status(service: Service, conn: Connections, observed: Observed) -> ServiceStatus:
    seen = observed.services.get(service.name)
    pid = seen.pid if seen else next((p.pid for p in observed.marked if p.service == service.name), None)
    ready = seen.ready if seen else pid is not None and is_ready(service, conn)
    family = [p for p in observed.marked if p.service == service.name]
    return ServiceStatus(
        name=service.name,
        ready=ready,
        optional=service.optional,
        pid=pid,
        address=conn.address(service.ports[0]) if service.ports else "",
        memory_bytes=sum(filter(None, (memory_bytes(p.pid) for p in family))) if pid else None,
        uptime_s=next((round(time.time() - p.started, 1) for p in family if p.pid == pid), None),
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


def _inferenceservices(conn: Connections) -> tuple[dict[str, Any], ...]:
    import httpx

    try:
        held = list_inferenceservices(conn)
    except (OSError, LookupError, ValueError, httpx.HTTPError):
        return ()
    return tuple(
        {
            "name": item["metadata"]["name"],
            "namespace": item["metadata"]["namespace"],
            "ready": isvc_ready(item),
            "url": item.get("status", {}).get("url", ""),
            "traffic": traffic(item),
        }
        for item in held
    )


def to_json(found: YardStatus) -> str:
    """The status as one JSON object."""
    return json.dumps({**asdict(found), "ready": found.ready}, indent=2)


def print_table(found: YardStatus) -> None:
    """The status as a person reads it."""
    from rich.table import Table

    from modelyard.console import console, say

    say(f"yard {found.name} ({found.substrate}) in {found.folder}")
    table = Table.grid(padding=(0, 2))
    for held in found.services:
        table.add_row(*_cells(held))
    # An address that is wrapped or cut cannot be copied: a narrow terminal breaks the line by itself.
    console().print(table, width=max(console().width, WIDTH), crop=False)
    for item in found.inferenceservices:
        state = "ready" if item["ready"] else "not ready"
        split = ", ".join(f"{entry['revisionName']} {entry.get('percent', 0)}%" for entry in item["traffic"])
        say(f"inferenceservice {item['namespace']}/{item['name']}  {state}  {item['url']}  {split}")
    total = sum(held.memory_bytes or 0 for held in found.services)
    say(f"memory {total / 2**20:.0f} MiB; kubeconfig {found.kubeconfig}; gateway {found.gateway}")


def _cells(held: ServiceStatus) -> tuple[str, ...]:
    if held.pid is None:
        return (held.name, "[dim]left out[/dim]" if held.optional else "[red]down[/red]")
    state = "[green]ready[/green]" if held.ready else "[red]not ready[/red]"
    memory = f"{held.memory_bytes / 2**20:.0f} MiB" if held.memory_bytes else ""
    return (held.name, state, f"pid {held.pid}", f"{held.uptime_s or 0:.0f}s", memory, held.address)
