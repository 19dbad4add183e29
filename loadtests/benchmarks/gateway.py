"""Requests a second through the gateway against the replica itself."""

from __future__ import annotations

import json

from loadtests.benchmarks import iris
from loadtests.benchmarks.figures import Figure, ratio_of_rounds
from loadtests.benchmarks.http_load import CONNECTIONS, Request, requests_per_s
from loadtests.benchmarks.yards import fresh_yard
from modelyard.connections import Connections
from modelyard.waiting import wait_until

ROUNDS = 6
SECONDS = 3.0
AIM = 0.9


def measure() -> Figure:
    """Rounds of both ways, the first one of a round by turns; both end at the same replica."""
    with fresh_yard() as conn:
        iris.deploy(conn)
        direct = Request(replica_port(conn), iris.PATH, "127.0.0.1", iris.BODY)
        through = Request(conn.port("gateway"), iris.PATH, conn.host(iris.NAME, "default"), iris.BODY)
        for request in (direct, through):
            requests_per_s(request, seconds=1.0)
        rates: dict[Request, list[float]] = {direct: [], through: []}
        for number in range(ROUNDS):
            for request in (direct, through) if number % 2 else (through, direct):
                rates[request].append(requests_per_s(request, seconds=SECONDS))
    return Figure(
        name="gateway",
        about="requests/s through Envoy / at the replica itself",
        value=ratio_of_rounds(rates[through], rates[direct]),
        unit="x",
        aim=AIM,
        at_most=False,
        rounds={"through Envoy, requests/s": rates[through], "at the replica, requests/s": rates[direct]},
        notes=f"logistic regression on iris, one row a request, {CONNECTIONS} connections, one replica, no payload"
        " logger; the sender shares the processors with both",
    )


def replica_port(conn: Connections) -> int:
    """Port of the one replica, as the control plane tells it to Prometheus."""
    path = conn.layout.config / "targets" / "replicas.json"

    def told() -> str | None:
        held = json.loads(path.read_text("utf-8"))
        return held[0]["targets"][0] if held else None

    return int(wait_until(told, what="the replica's port", deadline_s=20).rpartition(":")[2])
