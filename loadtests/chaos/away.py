"""A service is away for a minute under load, or its port is another program's: nothing acknowledged is lost.

    python loadtests/chaos/away.py [--seconds 60] [SERVICE ...]

Without names: the object store, MLflow and the monitor are stopped one after the other, each is started again by its
supervisor; then Prometheus is killed and its port is taken away.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
if str(REPOSITORY) not in sys.path:  # run as a script, the folder of the script is on the path and not the checkout
    sys.path.insert(0, str(REPOSITORY))

from loadtests.chaos.bench import AFTERWARDS, REPAIR_S, Bench, Traffic, bench, failures_of, lost_events  # noqa: E402
from loadtests.chaos.figures import Run, summary, table  # noqa: E402
from loadtests.chaos.ingest import Ingest, Ledger  # noqa: E402
from modelyard.waiting import wait_until  # noqa: E402
from modelyard.yard.status import ServiceStatus, observe  # noqa: E402
from modelyard.yard.supervision import supervisor_of  # noqa: E402

STOPPED = ("objectstore", "mlflow", "monitor")
FROZEN = ("objectstore", "mlflow")
PORT_OF = "prometheus"


def status_of(held: Bench, service: str) -> ServiceStatus:
    """One service as `status` tells it."""
    return next(found for found in observe(held.settings).services if found.name == service)


@contextmanager
def frozen(held: Bench, service: str) -> Iterator[None]:
    """A service whose processes do nothing: its port takes connections, and nothing answers."""
    stopped = [process.pid for process in held.marked() if process.service == service]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)


@contextmanager
def stopped(held: Bench, service: str) -> Iterator[None]:
    """A service that is not there: nobody listens on its port."""
    with supervisor_of(held.conn) as supervisor:
        supervisor.stop(service)
    try:
        yield
    finally:
        with supervisor_of(held.conn) as supervisor:
            supervisor.start(service)


@contextmanager
def without_port(held: Bench, service: str) -> Iterator[None]:
    """A service that has just been killed, and whose port was taken by this process before it was there again."""
    port = held.conn.port(service)
    pid = status_of(held, service).pid
    assert pid is not None, "the yard is whole"
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: is_bound(taken, port), what=f"port {port}", deadline_s=10, interval_s=0.001)
        taken.listen()
        yield


def is_bound(taken: socket.socket, port: int) -> bool:
    """Whether the port is this socket's now."""
    try:
        taken.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True


@dataclass(frozen=True)
class Absence:
    """What is away and how; `look` tells what is to be noted while it lasts."""

    what: str
    away: AbstractContextManager[None]
    look: Callable[[], str] = str


def plan_absences(held: Bench, services: Sequence[str], seconds: float) -> list[Absence]:
    """Each service stopped, those that others wait for frozen, and a port taken."""
    gone = [Absence(f"{name} stopped for {seconds:.0f} s", stopped(held, name)) for name in services]
    still = [Absence(f"{name} frozen for {seconds:.0f} s", frozen(held, name)) for name in FROZEN if name in services]
    told = f"{PORT_OF} killed, its port taken for {seconds:.0f} s"
    return [*gone, *still, Absence(told, without_port(held, PORT_OF), lambda: tell_of(held, PORT_OF))]


def go_away(held: Bench, absence: Absence, seconds: float, traffic: Traffic, ingest: Ingest) -> Run:
    """One absence under traffic and ingest."""
    before, began = len(ingest.acknowledged), time.time()
    with absence.away:
        clock = time.monotonic()
        told = absence.look()
        wait_until(lambda: time.monotonic() - clock >= seconds, what="the time to pass", deadline_s=seconds + 60)
    clock = time.monotonic()
    trouble = held.wait_whole()
    ready_s = time.monotonic() - clock
    traffic.wait_answers(AFTERWARDS)
    kept = len(ingest.acknowledged)
    wait_until(lambda: len(ingest.acknowledged) > kept, what="further acknowledgements", deadline_s=60)
    requests = traffic.since(began)
    failed, first = failures_of(requests)
    acknowledged = ingest.acknowledged[:]
    lost = len(lost_events(Ledger(held.conn), acknowledged))
    counts = (len(requests), failed, len(acknowledged) - before, lost)
    return Run(0, absence.what, not trouble, *counts, ready_s, trouble or first or told)


def wait_loop(held: Bench, service: str) -> ServiceStatus:
    """A service as `status` tells it as soon as it is in a crash loop."""
    return wait_until(
        lambda: (now := status_of(held, service)).state == "crash looping" and now,
        what=f"{service} to be in a crash loop",
        deadline_s=REPAIR_S,
    )


def tell_of(held: Bench, service: str) -> str:
    """The crash loop of a service in words."""
    found = wait_loop(held, service)
    return f"{found.name} is {found.state}: {found.told}; log: {found.log_line}"


def main() -> int:
    """Let each be away once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("services", nargs="*", default=STOPPED)
    parser.add_argument("--seconds", type=float, default=60.0)
    asked = parser.parse_args()
    runs = []
    with bench() as held, Ingest(held.conn) as ingest, held.locust("away") as traffic:
        for absence in plan_absences(held, asked.services, asked.seconds):
            runs.append(go_away(held, absence, asked.seconds, traffic, ingest))
            print(" ".join(runs[-1].row()), runs[-1].told, file=sys.stderr, flush=True)
    print(table(runs))
    print(summary(runs))
    return 0 if all(run.is_good for run in runs) else 1


if __name__ == "__main__":
    sys.exit(main())
