"""What a request's way through the activator costs where a replica is ready, against the gateway's own way to it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson

from loadtests.benchmarks import iris
from loadtests.benchmarks.figures import Figure, ratio_of_rounds
from loadtests.benchmarks.http_load import CONNECTIONS, Request, send
from loadtests.benchmarks.yards import fresh_yard
from modelyard.connections import Connections
from modelyard.serving.gateway.bootstrap import bootstrap
from modelyard.serving.gateway.tables import Backend, Route, Share, TrafficTable, envoy_files, replace_file
from modelyard.settings import load_settings
from modelyard.toolbox import Toolbox
from modelyard.waiting import wait_until
from modelyard.yard.layout import PORT_BLOCK
from modelyard.yard.ports import is_free

ROUNDS = 6
SECONDS = 2.0
AIM = 3.0
SPARE = (PORT_BLOCK - 2, PORT_BLOCK - 1)
"""Offsets in the yard's block of ports that no service has."""
REVISION = f"{iris.NAME}-predictor-00001"
THROUGH, DIRECT = "through the activator", "to the replica at once"


def measure() -> Figure:
    """Rounds of both ways, the first one of a round by turns; both begin at an Envoy and end at the same replica."""
    times: dict[str, list[float]] = {THROUGH: [], DIRECT: []}
    rates: dict[str, list[float]] = {THROUGH: [], DIRECT: []}
    with fresh_yard() as conn, envoy_without_replicas(conn) as port:
        iris.deploy(conn)
        host = conn.host(iris.NAME, "default")
        ways = {
            way: Request(held, iris.PATH, host, iris.BODY)
            for way, held in ((THROUGH, port), (DIRECT, conn.port("gateway")))
        }
        for request in ways.values():
            send(request, seconds=1.0)
        for number in range(ROUNDS):
            for way in list(ways) if number % 2 else reversed(list(ways)):
                times[way].append(1000 / send(ways[way], seconds=SECONDS, connections=1).per_s)
                rates[way].append(send(ways[way], seconds=SECONDS).per_s)
    return Figure(
        name="activator",
        about="time of a request through the activator / to the replica at once, one at a time",
        value=ratio_of_rounds(times[THROUGH], times[DIRECT]),
        unit="x",
        aim=AIM,
        at_most=True,
        rounds={
            **{f"{way}, ms": held for way, held in times.items()},
            **{f"{way}, requests/s over {CONNECTIONS} connections": held for way, held in rates.items()},
        },
        notes="logistic regression on iris, one row a request, one replica; the activator is in the way only while a"
        " revision has no ready replica, and for what a replica breaks off",
    )


@contextmanager
def envoy_without_replicas(conn: Connections) -> Iterator[int]:
    """The port of a second Envoy of the yard, which knows the revision and no replica of it: all goes the other way."""
    activator = conn.layout.socket("activator")
    route = Route("default", iris.NAME, (Share(REVISION, 100),))
    table = TrafficTable(conn.domain, (route,), (Backend("default", REVISION, ()),))
    gateway_port, stats_port = (conn.first_port + offset for offset in SPARE)
    with TemporaryDirectory(prefix="modelyard-envoy-") as name:
        folder = Path(name)
        for file, content in envoy_files(table, folder, activator).items():
            replace_file(folder / file, content)
        made = bootstrap(
            gateway_port=gateway_port,
            stats_port=stats_port,
            admin=folder / "admin.sock",
            activator=activator,
            folder=folder,
        )
        (folder / "bootstrap.json").write_bytes(orjson.dumps(made))
        program = str(Toolbox(load_settings().cache_dir).find("envoy"))
        plain = ("--concurrency", "1", "--disable-hot-restart", "--log-level", "error")
        process = subprocess.Popen([program, *plain, "-c", str(folder / "bootstrap.json")])
        try:
            wait_until(lambda: not is_free(gateway_port), what="the second Envoy", deadline_s=20)
            yield gateway_port
        finally:
            process.terminate()
            process.wait(10)
