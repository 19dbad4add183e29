"""The yard's block of ports on 127.0.0.1: which it is, whether it is free, and who holds a port that is not."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from modelyard.errors import PortTaken, SettingError, WaitTimeout, YardError
from modelyard.waiting import wait_until
from modelyard.yard.layout import PORT_BLOCK, PORTS
from modelyard.yard.record import read_record

AUTO = "auto"
FIRST_AUTO = 7600
SETTLE_S = 2.0
"""Seconds in which the kernel has closed the sockets of a process that was killed."""
LAST_AUTO = 30000
"""Below the ports that Linux gives to outgoing connections (32768 on)."""


def parse_first_port(wanted: str) -> int | None:
    """The first port that a setting asks for, or None for `auto`.

    Raises:
        SettingError: neither a port nor auto.
    """
    if wanted == AUTO:
        return None
    if not wanted.isdecimal() or not 1024 <= int(wanted) <= 65535 - PORT_BLOCK:
        raise SettingError(
            f"ports is {wanted!r}",
            allowed=f'"auto", or a first port from 1024 to {65535 - PORT_BLOCK} (setting MODELYARD_PORTS)',
            next_command="./invoke up --ports auto",
        )
    return int(wanted)


def decide_first_port(
    recorded: int | None, wanted: int | None, *, explicit: bool, is_usable: Callable[[int], bool]
) -> int:
    """The first port of a yard's block.

    Args:
        recorded: what yard.json says, or None for a new yard.
        wanted: the setting, or None for auto.
        explicit: whether a person set it; a default does not move a yard that has a block.
        is_usable: whether a block is free or this yard's own.

    Raises:
        PortTaken: auto finds no block.
    """
    if recorded is not None and (not explicit or (wanted is None and is_usable(recorded))):
        return recorded
    if wanted is not None:
        return wanted
    for first in range(FIRST_AUTO, LAST_AUTO, PORT_BLOCK):
        if is_usable(first):
            return first
    raise PortTaken(f"no block of {PORT_BLOCK} free ports from {FIRST_AUTO} to {LAST_AUTO}", next_command="ss -ltnp")


def is_free(port: int) -> bool:
    """Whether a server could listen on the port of 127.0.0.1 now; connections that are closing do not count."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            held.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def block(first: int) -> dict[str, int]:
    """Each service's port in the block."""
    return {key: first + offset for key, offset in PORTS.items()}


def taken_by_others(first: int, own: Callable[[], set[int]]) -> dict[str, int]:
    """The ports of a block on which a process listens that is not among `own` (pids of the yard)."""
    taken = {key: port for key, port in block(first).items() if not is_free(port)}
    if taken:
        held = {port for pid in own() for port in _listening(pid)}
        taken = {key: port for key, port in taken.items() if port not in held}
    return taken


def taken_for_good(first: int, own: Callable[[], set[int]]) -> dict[str, int]:
    """As taken_by_others, for a block that the yard has had: a process that is just being killed still listens.

    Such a process cannot be told from a foreign one, because its environment goes before its sockets do.
    """
    with contextlib.suppress(WaitTimeout):
        wait_until(
            lambda: not taken_by_others(first, own),
            what="the ports of an earlier life to be free",
            deadline_s=SETTLE_S,
            interval_s=0.05,
        )
    return taken_by_others(first, own)


def _listening(pid: int) -> list[int]:
    import psutil

    try:
        process = psutil.Process(pid)
        # psutil 6 renamed connections; kserve keeps psutil below it.
        connections = getattr(process, "net_connections", None) or process.connections
        return [held.laddr[1] for held in connections("tcp") if held.status == psutil.CONN_LISTEN]
    except psutil.Error:
        return []


def describe_holder(port: int) -> str:
    """Who listens on a port, as `python3 (pid 4711)`; another user's program cannot be named."""
    import psutil

    try:
        for held in psutil.net_connections("tcp"):
            address: tuple = held.laddr
            if held.pid and held.status == psutil.CONN_LISTEN and address and address[1] == port:
                return f"{psutil.Process(held.pid).name()} (pid {held.pid})"
    except psutil.Error:
        return "a program that cannot be named"
    return "a program of another user"


def describe_taken(taken: Mapping[str, int]) -> str:
    """Who holds which ports, in a line; "" for none."""
    return "; ".join(f"port {port} ({key}) is held by {describe_holder(port)}" for key, port in taken.items())


def refuse_taken(first: int, taken: dict[str, int]) -> None:
    """Raise for ports that are held by programs that are not of this yard.

    Raises:
        PortTaken: names every port, its service, and the program with its pid.
    """
    if not taken:
        return
    raise PortTaken(
        describe_taken(taken),
        allowed=f"the ports {first} to {first + PORT_BLOCK - 1} free, or another block",
        next_command="./invoke up --ports auto",
    )


@contextmanager
def choosing() -> Iterator[Reservations]:
    """Alone among this user's yards, so that two that start at once do not choose one block."""
    folder = Path(tempfile.gettempdir()) / f"modelyard-{os.getuid()}-ports"
    folder.mkdir(mode=0o700, exist_ok=True)
    with (folder / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield Reservations(folder)


class Reservations:
    """Which yard of this user has which block: a file a block that names the yard's folder, good while it has it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def is_of_another(self, first: int, yard: Path) -> bool:
        """Whether another yard, up or down, has this block."""
        try:
            holder = Path((self._folder / str(first)).read_text("utf-8"))
            record = read_record(holder / "yard.json")
        except (OSError, YardError):
            return False
        return holder != yard and record is not None and record.ports == first

    def take(self, first: int, yard: Path) -> None:
        """Note that the yard has the block; call it in one turn with writing the yard's record."""
        (self._folder / str(first)).write_text(str(yard), "utf-8")
