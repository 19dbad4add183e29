"""One random process of a yard is killed with -9 under Locust traffic and event ingest, again and again.

    python loadtests/chaos/kills.py [--runs 20] [--seed 1] [--json FILE]

Nobody types `up`: the yard mends itself. The victim is any process of the yard: a service, one of its workers, a model
server, their parent, the supervisor or its keeper.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
if str(REPOSITORY) not in sys.path:  # run as a script, the folder of the script is on the path and not the checkout
    sys.path.insert(0, str(REPOSITORY))

from loadtests.chaos.bench import AFTERWARDS, Bench, Traffic, failures_of, lost_events, main  # noqa: E402
from loadtests.chaos.figures import Run  # noqa: E402
from loadtests.chaos.ingest import Ingest, Ledger  # noqa: E402
from modelyard.yard.marks import Marked, is_alive  # noqa: E402


def conduct(held: Bench, seeds: Sequence[int]) -> Iterator[Run]:
    """One run a seed, on one yard that is never brought up by hand."""
    ledger = Ledger(held.conn)
    with Ingest(held.conn) as ingest, held.locust("kills") as traffic:
        for seed in seeds:
            yield kill_one(held, seed, traffic, ingest, ledger)


def kill_one(held: Bench, seed: int, traffic: Traffic, ingest: Ingest, ledger: Ledger) -> Run:
    """Kill a process, wait until the yard is whole, and count."""
    before = len(ingest.acknowledged)
    victim = choose_victim(held.marked(), random.Random(seed))
    began, clock = time.time(), time.monotonic()
    with suppress(ProcessLookupError):
        os.kill(victim.pid, signal.SIGKILL)
    trouble = held.wait_whole(lambda: not is_alive(victim))
    ready_s = time.monotonic() - clock
    if not trouble:
        traffic.wait_answers(AFTERWARDS)
    requests = traffic.since(began)
    failed, first = failures_of(requests)
    acknowledged = ingest.acknowledged[:]
    return Run(
        seed=seed,
        what=describe(victim),
        repaired=not trouble,
        requests=len(requests),
        failed=failed,
        acknowledged=len(acknowledged) - before,
        lost=len(lost_events(ledger, acknowledged)) if not trouble else 0,
        ready_s=ready_s,
        told=trouble or first,
    )


def choose_victim(marked: Sequence[Marked], choice: random.Random) -> Marked:
    """Any process: first which service, so that many workers of one are no likelier than another's only one."""
    kinds = sorted({kind_of(held) for held in marked if held.service})
    kind = choice.choice(kinds)
    return choice.choice([held for held in marked if kind_of(held) == kind])


def kind_of(held: Marked) -> str:
    """The service, or what works for it."""
    return "a model server" if held.service == "replicas" and held.leads_session else held.service


def describe(victim: Marked) -> str:
    """The victim in words."""
    return f"kill -9 {kind_of(victim)}"


if __name__ == "__main__":
    sys.exit(main(__doc__, conduct))
