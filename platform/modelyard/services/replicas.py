"""The warm parent: a process with the heavy imports done, which forks model servers."""

from __future__ import annotations

import socket
import sys

from modelyard.connections import Connections
from modelyard.services.probes import PROBE_TIMEOUT_S
from modelyard.services.service import Context, Process, Service


def process(context: Context) -> Process:
    """It listens on a Unix socket only."""
    return Process(argv=(sys.executable, "-m", "modelyard.serving.replicas"))


def probe(conn: Connections) -> None:
    """Accepts on its socket, which it opens when the imports are done."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as held:
        held.settimeout(PROBE_TIMEOUT_S)
        held.connect(str(conn.layout.socket("replicas")))


SERVICE = Service(
    name="replicas",
    summary="parent of the model servers",
    ports=(),
    process=process,
    probe=probe,
    survivors=True,
    page="",
)
