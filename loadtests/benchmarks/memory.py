"""Memory of a yard at rest, as PSS: a page that several processes share counts once."""

from __future__ import annotations

import time
from collections import defaultdict

import psutil

from loadtests.benchmarks import iris
from loadtests.benchmarks.figures import Figure
from loadtests.benchmarks.yards import fresh_yard
from modelyard.connections import Connections
from modelyard.errors import WaitTimeout
from modelyard.waiting import wait_until
from modelyard.yard.marks import find_marked

AIM_MIB = 1536.0
SETTLED_RATIO = 0.01
SETTLING_S = 5.0
DEADLINE_S = 60.0
MIB = 2**20


def measure() -> Figure:
    """After `up`, when the sum has stopped moving; then once more with one model deployed, which is only told."""
    with fresh_yard() as conn:
        bare = settle(conn)
        iris.deploy(conn)
        deployed = settle(conn)
    parts = {f"{service}, MiB": [amount] for service, amount in sorted(bare.items(), key=lambda held: -held[1])}
    return Figure(
        name="memory",
        about="memory of a new yard at rest, without Grafana",
        value=sum(amount for service, amount in bare.items() if service != "grafana"),
        unit="MiB",
        aim=AIM_MIB,
        at_most=True,
        rounds={**parts, "with one small model deployed, MiB": [sum(deployed.values())]},
        notes="PSS of every process with the yard's mark, the supervisor among them; pages that it shares with other"
        " programs of the machine count in part",
    )


def settle(conn: Connections) -> dict[str, float]:
    """MiB by service, once they move by less than 1 % in 5 s, or as they are after a minute."""
    seen = [(time.monotonic(), shares(conn))]

    def settled() -> bool:
        if time.monotonic() - seen[-1][0] < SETTLING_S:
            return False
        seen.append((time.monotonic(), shares(conn)))
        before, after = (sum(held.values()) for _, held in seen[-2:])
        return abs(after - before) <= SETTLED_RATIO * before

    try:
        wait_until(settled, what="memory to settle", deadline_s=DEADLINE_S)
    except WaitTimeout:
        print("memory still moved after a minute; told as it was then")
    return seen[-1][1]


def shares(conn: Connections) -> dict[str, float]:
    """MiB of PSS by service; processes that end meanwhile are left out."""
    held: dict[str, float] = defaultdict(float)
    for process in find_marked(conn.layout.yard_id):
        try:
            held[process.service or "supervisor"] += psutil.Process(process.pid).memory_full_info().pss / MIB
        except psutil.NoSuchProcess:
            continue
    return dict(held)
