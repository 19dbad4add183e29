"""Requests a second through the gateway against the replica itself."""

from __future__ import annotations

import json

import psutil

from loadtests.benchmarks import iris
from loadtests.benchmarks.figures import Figure, ratio_of_rounds
from loadtests.benchmarks.http_load import CONNECTIONS, Request, send
from loadtests.benchmarks.yards import fresh_yard
from modelyard.connections import Connections
from modelyard.waiting import wait_until
from modelyard.yard.marks import find_marked

ROUNDS = 6
SECONDS = 3.0
AIM = 0.9
THROUGH, DIRECT = "through Envoy, requests/s", "at the replica, requests/s"
MEASURED = ("envoy", "replicas")


def measure() -> Figure:
    """Rounds of both ways, the first one of a round by turns; both end at the same replica."""
    rates: dict[str, list[float]] = {THROUGH: [], DIRECT: []}
    costs: dict[str, list[float]] = {f"{service}, CPU us a request": [] for service in MEASURED}
    with fresh_yard() as conn:
        iris.deploy(conn)
        ways = {
            THROUGH: Request(conn.port("gateway"), iris.PATH, conn.host(iris.NAME, "default"), iris.BODY),
            DIRECT: Request(replica_port(conn), iris.PATH, "127.0.0.1", iris.BODY),
        }
        for request in ways.values():
            send(request, seconds=1.0)
        for number in range(ROUNDS):
            for way in list(ways) if number % 2 else reversed(list(ways)):
                before = cpu_s(conn)
                load = send(ways[way], seconds=SECONDS)
                rates[way].append(load.per_s)
                if way == THROUGH:
                    for service, spent_s in cpu_s(conn).items():
                        cost_us = (spent_s - before[service]) / load.answers * 1e6
                        costs[f"{service}, CPU us a request"].append(cost_us)
    return Figure(
        name="gateway",
        about="requests/s through Envoy / at the replica itself",
        value=ratio_of_rounds(rates[THROUGH], rates[DIRECT]),
        unit="x",
        aim=AIM,
        at_most=False,
        rounds={**rates, **costs},
        notes=f"logistic regression on iris, one row a request, {CONNECTIONS} connections, one replica, no payload"
        " logger; where other programs want the processors too, Envoy's share of them is the replica's loss",
    )


def cpu_s(conn: Connections) -> dict[str, float]:
    """Processor seconds that the measured services' processes have spent since they began."""
    spent = dict.fromkeys(MEASURED, 0.0)
    for process in find_marked(conn.layout.yard_id):
        if process.service in spent:
            times = psutil.Process(process.pid).cpu_times()
            spent[process.service] += times.user + times.system
    return spent


def replica_port(conn: Connections) -> int:
    """Port of the one replica, as the control plane tells it to Prometheus."""
    path = conn.layout.config / "targets" / "replicas.json"

    def told() -> str | None:
        held = json.loads(path.read_text("utf-8"))
        return held[0]["targets"][0] if held else None

    return int(wait_until(told, what="the replica's port", deadline_s=20).rpartition(":")[2])
