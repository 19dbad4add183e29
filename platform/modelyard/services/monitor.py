"""The drift monitor: takes the payload log, compares windows with the reference, and tells Prometheus."""

from __future__ import annotations

import sys

from modelyard.connections import Connections
from modelyard.services.probes import request
from modelyard.services.service import Context, Process, Service


def process(context: Context) -> Process:
    """Its tokens lie in the yard's folder."""
    return Process(argv=(sys.executable, "-m", "modelyard.monitor"), folders=(context.conn.layout.data("monitor"),))


def probe(conn: Connections) -> None:
    """Healthy, which it says only when its store accepts writes."""
    request("GET", f"{conn.address('monitor')}/healthz")


SERVICE = Service(
    name="monitor",
    summary="drift and quality of models, history of alerts",
    ports=("monitor",),
    process=process,
    probe=probe,
)
