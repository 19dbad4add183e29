"""`up` is killed with -9 at a random moment, then `up` is typed again.

    python loadtests/chaos/ups.py [--runs 20] [--seed 1] [--json FILE]

What the first `up` meets is random too: a yard that is down, one whose processes were all killed, one whose supervisor
was killed, or one with a service killed. The requests that are counted are those from the moment at which the second
`up` has said that every service answers.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
if str(REPOSITORY) not in sys.path:  # run as a script, the folder of the script is on the path and not the checkout
    sys.path.insert(0, str(REPOSITORY))

from loadtests.chaos.bench import AFTERWARDS, Bench, failures_of, lost_events, main  # noqa: E402
from loadtests.chaos.figures import Run  # noqa: E402
from loadtests.chaos.ingest import Ingest, Ledger  # noqa: E402
from modelyard.waiting import wait_until  # noqa: E402
from modelyard.yard.down import take_down  # noqa: E402

LATEST_KILL_S = 8.0
"""The first `up` is killed before this: later it is over on a machine that does nothing else."""
UP_S = 320.0


def conduct(held: Bench, seeds: Sequence[int]) -> Iterator[Run]:
    """One run a seed, on one yard; what it has kept must outlive all of them."""
    ledger = Ledger(held.conn)
    acknowledged: list[str] = []
    for seed in seeds:
        yield kill_up(held, random.Random(seed), seed, ledger, acknowledged)


def kill_up(held: Bench, choice: random.Random, seed: int, ledger: Ledger, acknowledged: list[str]) -> Run:
    """Spoil the yard, kill the `up` that would mend it, and let the next one do it."""
    name, spoil = choice.choice(SPOILS)
    after_s = choice.uniform(0.1, LATEST_KILL_S)
    spoil(held, choice)
    was_over = kill_up_after(held, after_s)
    clock = time.monotonic()
    code, output = run_up(held)
    ready_s = time.monotonic() - clock
    trouble = held.wait_whole() if code == 0 else output[-300:]
    what = f"{name}; up {'was over before' if was_over else 'killed after'} {after_s:.1f} s"
    if trouble:
        return Run(seed, what, False, 0, 0, 0, 0, ready_s, trouble)
    before = len(acknowledged)
    with Ingest(held.conn) as ingest, held.locust(f"ups-{seed}") as traffic:
        traffic.wait_answers(AFTERWARDS)
        wait_until(lambda: len(ingest.acknowledged) >= AFTERWARDS, what="acknowledgements", deadline_s=60)
    acknowledged += ingest.acknowledged
    requests = traffic.since(0)
    failed, first = failures_of(requests)
    lost = len(lost_events(ledger, acknowledged))
    return Run(seed, what, True, len(requests), failed, len(acknowledged) - before, lost, ready_s, first)


def kill_up_after(held: Bench, after_s: float) -> bool:
    """Start `up` and kill it after some time; whether it was over before."""
    with start_up(held) as process:
        try:
            process.communicate(timeout=after_s)
        except subprocess.TimeoutExpired:
            process.kill()
            return False
        return True


def run_up(held: Bench) -> tuple[int, str]:
    """`up` to its end: exit code, and what it printed."""
    with start_up(held) as process:
        try:
            output, _ = process.communicate(timeout=UP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            return 1, f"up did not end within {UP_S:.0f} s"
        return process.returncode, output


def start_up(held: Bench) -> subprocess.Popen[str]:
    """`up` as a person types it, in a process of its own."""
    environment = {
        **os.environ,
        "MODELYARD_NAME": held.settings.name,
        "MODELYARD_STATE_DIR": str(held.settings.state_dir),
        "MODELYARD_PORTS": "auto",
        "MODELYARD_UP_DEADLINE_S": str(held.settings.up_deadline_s),
    }
    argv = [sys.executable, "-m", "invoke", "up"]
    return subprocess.Popen(
        argv, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def take_it_down(held: Bench, choice: random.Random) -> None:
    """A yard that is down."""
    take_down(held.settings)


def kill_all(held: Bench, choice: random.Random) -> None:
    """As a machine that lost its power, but for the disk."""
    kill(held, lambda service: True)


def kill_supervisor(held: Bench, choice: random.Random) -> None:
    """Nobody watches; the keeper is killed with it, so that only `up` can help."""
    kill(held, lambda service: service in ("supervisor", "keeper"))


def kill_service(held: Bench, choice: random.Random) -> None:
    """One service, with all of its processes."""
    victim = choice.choice(sorted({process.service for process in held.marked()} - {"supervisor", "keeper"}))
    kill(held, lambda service: service == victim)


def kill(held: Bench, is_meant: Callable[[str], bool]) -> None:
    """SIGKILL to every process of the services that are meant."""
    for process in held.marked():
        if is_meant(process.service):
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)


SPOILS: tuple[tuple[str, Callable[[Bench, random.Random], None]], ...] = (
    ("down", take_it_down),
    ("all killed", kill_all),
    ("supervisor killed", kill_supervisor),
    ("a service killed", kill_service),
)

if __name__ == "__main__":
    sys.exit(main(__doc__, conduct))
