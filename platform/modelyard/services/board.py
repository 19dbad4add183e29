"""The board: one page with the yard at a glance and the dashboards of dashboards/, where there is no Grafana too."""

from __future__ import annotations

import sys

from modelyard.connections import Connections
from modelyard.services.probes import request
from modelyard.services.service import Context, Process, Service


def process(context: Context) -> Process:
    """It writes nothing, and looks at the yard in its folder."""
    return Process(argv=(sys.executable, "-m", "modelyard.board"))


def probe(conn: Connections) -> None:
    """Has its page and its chart library to give."""
    request("GET", f"{conn.address('board')}/healthz")


SERVICE = Service(
    name="board",
    summary="the yard at a glance, and its dashboards",
    ports=("board",),
    process=process,
    probe=probe,
)
