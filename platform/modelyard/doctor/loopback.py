"""127.0.0.1 and the names that mean it."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from modelyard.doctor.finding import Finding, fine, problem
from modelyard.doctor.system import System


@dataclass(frozen=True)
class Loopback:
    """What the system said when a server was opened on 127.0.0.1 and was called (empty: it answered), and what
    `localhost` stands for."""

    refused: str
    localhost: tuple[str, ...]


def gather_loopback() -> Loopback:
    """Open a server on 127.0.0.1, call it, and look `localhost` up."""
    refused = ""
    try:
        with (
            socket.create_server(("127.0.0.1", 0)) as held,
            socket.create_connection(held.getsockname()[:2], timeout=2),
        ):
            pass
    except OSError as error:
        refused = error.strerror or str(error)
    try:
        held_by_name = {str(entry[4][0]) for entry in socket.getaddrinfo("localhost", None, type=socket.SOCK_STREAM)}
    except OSError:
        held_by_name = set()
    return Loopback(refused, tuple(sorted(held_by_name)))


def decide_loopback(loopback: Loopback, system: System) -> list[Finding]:
    """All of a yard is on 127.0.0.1."""
    if loopback.refused:
        return [
            problem(
                "loopback",
                f"A server on 127.0.0.1 cannot be reached: {loopback.refused}.",
                "all of the yard listens there",
                "sudo ip link set lo up" if system.kind == "linux" else "sudo ifconfig lo0 up",
            )
        ]
    if "127.0.0.1" not in loopback.localhost:
        told = ", ".join(loopback.localhost) or "nothing"
        return [
            problem(
                "loopback",
                f"The name localhost stands for {told} and not for 127.0.0.1.",
                "the addresses of models end in localhost",
                "echo '127.0.0.1 localhost' | sudo tee -a /etc/hosts",
            )
        ]
    return [fine("loopback", "127.0.0.1 answers, and localhost means it")]
