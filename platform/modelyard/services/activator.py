"""The activator: holds requests while a revision has no replica."""

from __future__ import annotations

import socket
import sys

from modelyard.connections import Connections
from modelyard.services.probes import PROBE_TIMEOUT_S, NotReady
from modelyard.services.service import Context, Process, Service


def process(context: Context) -> Process:
    """It listens on two Unix sockets, told by arguments: it imports nothing that knows a yard."""
    layout = context.conn.layout
    sockets = ("--socket", str(layout.socket("activator")), "--control", str(layout.socket("activator-control")))
    return Process(argv=(sys.executable, "-m", "modelyard.serving.activator", *sockets))


def probe(conn: Connections) -> None:
    """Answers on the socket that Envoy uses."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as held:
        held.settimeout(PROBE_TIMEOUT_S)
        held.connect(str(conn.layout.socket("activator")))
        held.sendall(b"GET /healthz HTTP/1.1\r\nHost: activator\r\nConnection: close\r\n\r\n")
        answer = held.recv(1024)
    if not answer.startswith(b"HTTP/1.1 200"):
        raise NotReady(f"the activator answered {answer[:60]!r}")


SERVICE = Service(
    name="activator",
    summary="holds requests while there is no model server",
    ports=(),
    process=process,
    probe=probe,
    page="",
)
