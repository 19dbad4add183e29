"""The yard's block of ports: free, or held by whom."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from modelyard.doctor.finding import Finding, fine, problem, warning
from modelyard.doctor.git import ask_program
from modelyard.doctor.system import System
from modelyard.yard.layout import PORT_BLOCK

LOCAL_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")


@dataclass(frozen=True)
class Holder:
    """A program that listens. `yard` is the folder of the yard that it is of, empty for any other program."""

    pid: int
    name: str
    command: str = ""
    yard: str = ""


@dataclass(frozen=True)
class Ports:
    """A block of ports. `taken` has those that are not this yard's: by service, the port and its holder if known.

    `outgoing` is the range from which the system takes ports for outgoing connections, where it tells.
    """

    first: int
    automatic: bool = False
    taken: Mapping[str, tuple[int, Holder | None]] | None = None
    outgoing: tuple[int, int] | None = None


def gather_ports(first: int, *, automatic: bool, own: set[int]) -> Ports:
    """Try each port of the block, and ask who listens on those that are taken."""
    from modelyard.yard.ports import taken_by_others

    taken = taken_by_others(first, lambda: own)
    holders = find_holders(taken.values()) if taken else {}
    return Ports(
        first, automatic, {key: (port, holders.get(port)) for key, port in taken.items()}, _read_range(LOCAL_PORTS)
    )


def _read_range(path: Path) -> tuple[int, int] | None:
    try:
        low, high = path.read_text("utf-8").split()
    except (OSError, ValueError):
        return None
    return int(low), int(high)


def find_holders(ports: Iterable[int]) -> dict[int, Holder]:
    """Who listens on each port, as far as this user may see it."""
    import psutil

    wanted = set(ports)
    found: dict[int, Holder] = {}
    try:
        for held in psutil.net_connections("tcp"):
            address: tuple = held.laddr
            if held.pid and held.status == psutil.CONN_LISTEN and address and address[1] in wanted:
                found[address[1]] = describe_process(held.pid)
    except psutil.Error:  # macOS tells only root
        return {port: holder for port in wanted if (holder := _ask_lsof(port))}
    return found


def describe_process(pid: int) -> Holder:
    """A process with its command line and its yard; what it does not tell stays empty."""
    import psutil

    from modelyard.connections import FOLDER_VARIABLE

    name, command, yard = "a program", "", ""
    try:
        process = psutil.Process(pid)
        name = process.name()
        command = " ".join(process.cmdline())
        yard = process.environ().get(FOLDER_VARIABLE, "")
    except (psutil.Error, OSError):
        pass
    return Holder(pid, name, command, yard)


def _ask_lsof(port: int) -> Holder | None:
    return parse_lsof(ask_program("lsof", "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-Fpc").told)


def parse_lsof(told: str) -> Holder | None:
    """The first process of `lsof -Fpc` (lsof(8), "OUTPUT FOR OTHER PROGRAMS"): `p4711`, then `cpython3.12`."""
    found = re.search(r"^p(\d+)\n(?:.*\n)*?c(.+)$", told, re.MULTILINE)
    return Holder(int(found[1]), found[2]) if found else None


def decide_ports(ports: Ports, system: System) -> list[Finding]:
    """One finding a holder, for one program often holds several ports."""
    last = ports.first + PORT_BLOCK - 1
    if ports.taken:
        by_holder: dict[Holder | None, list[str]] = {}
        for key, (port, holder) in ports.taken.items():
            by_holder.setdefault(holder, []).append(f"{port} ({key})")
        return [_held(holder, names, ports, system) for holder, names in by_holder.items()]
    if ports.outgoing and ports.outgoing[0] <= last and ports.first <= ports.outgoing[1]:
        return [
            warning(
                "ports",
                f"Ports {ports.first} to {last} lie among those of outgoing connections "
                f"({ports.outgoing[0]} to {ports.outgoing[1]}).",
                "any program may take one by chance while the yard is down",
                'sudo sysctl -w net.ipv4.ip_local_port_range="32768 60999"',
            )
        ]
    return [fine("ports", f"{ports.first} to {last} are free or this yard's own")]


def _held(holder: Holder | None, names: list[str], ports: Ports, system: System) -> Finding:
    told = f"Port{'s' * (len(names) > 1)} {', '.join(names)} {'are' if len(names) > 1 else 'is'} held by"
    tell = warning if ports.automatic else problem
    why = "two programs cannot listen on one port" if not ports.automatic else "`up` will take another block"
    if holder is None:
        who = "a program of another user" + (", or of Windows" if system.wsl else "")
        return tell("ports", f"{told} {who}.", why, "./invoke up --ports auto")
    if holder.yard:
        folder = Path(holder.yard)
        return tell(
            "ports",
            f"{told} another yard of yours, {folder} ({holder.name}, pid {holder.pid}).",
            f"{why}; two yards need two blocks",
            "./invoke up --ports auto",
        )
    what = f"{holder.name} (pid {holder.pid}{f': {_short(holder.command)}' if holder.command else ''})"
    return tell("ports", f"{told} {what}.", why, "./invoke up --ports auto")


def _short(command: str) -> str:
    return command if len(command) <= 60 else command[:57] + "..."
