"""A full disk: what is said, what survives, and that it goes on by itself when there is room again.

    python loadtests/chaos/disk.py [--seconds 60]

The yard stands on a small file system of its own (tmpfs; that takes root). Where that may not be had, the processes of
the yard are forbidden to write to files instead (RLIMIT_FSIZE), which their stores meet as a failed write.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
if str(REPOSITORY) not in sys.path:  # run as a script, the folder of the script is on the path and not the checkout
    sys.path.insert(0, str(REPOSITORY))

from loadtests.chaos.bench import AFTERWARDS, Bench, bench, failures_of, lost_events  # noqa: E402
from loadtests.chaos.ingest import Ingest, Ledger  # noqa: E402
from modelyard.waiting import wait_until  # noqa: E402

SIZE_MIB = 400
FILLER = "filler"


@dataclass(frozen=True)
class Full:
    """What a full disk did.

    Attributes:
        how: a full file system, or forbidden writes.
        requests: predictions while it was full and until the end; `failed` of them.
        acknowledged: pairs of events in all; `acknowledged_full` while it was full; `lost` of all.
        refused: answers of the monitor that were no 2xx, with their words in `told`.
        run_before: whether an MLflow run of before is there afterwards.
        run_full: what MLflow answered to a new one while it was full.
        up_said: what `up` printed while it was full.
        ready_s: seconds from the moment at which there was room until everything was whole.
        trouble: what was not whole at the end.
    """

    how: str
    requests: int
    failed: int
    acknowledged: int
    acknowledged_full: int
    lost: int
    refused: int
    told: tuple[str, ...]
    run_before: bool
    run_full: str
    up_said: str
    ready_s: float
    trouble: str


@contextmanager
def small_disk(size_mib: int = SIZE_MIB) -> Iterator[tuple[Path, bool]]:
    """A folder, and whether it is a small file system of its own."""
    folder = Path(tempfile.mkdtemp(prefix="modelyard-disk-"))
    argv = ["mount", "-t", "tmpfs", "-o", f"size={size_mib}m,mode=700", "modelyard-test", str(folder)]
    try:
        is_mounted = subprocess.run(argv, check=False, capture_output=True).returncode == 0
    except OSError:
        is_mounted = False
    try:
        yield folder, is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=False)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def full(held: Bench, *, is_small: bool) -> Iterator[str]:
    """No byte more can be written by the yard, from here to the end of the block."""
    if is_small:
        filler = held.settings.state_dir / FILLER
        fill(filler)
        try:
            yield "a full file system"
        finally:
            filler.unlink()
    else:
        limited = [process.pid for process in held.marked()]
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        limit(limited, (0, before[1]))
        try:
            yield "writes forbidden below the store (RLIMIT_FSIZE)"
        finally:
            limit(limited, before)


def fill(filler: Path) -> None:
    """Write until there is no room for a byte; others that write meanwhile get less and less."""
    with filler.open("wb", buffering=0) as out:
        for block in (1 << 20, 4096, 1):
            with suppress(OSError):
                while True:
                    out.write(b"\0" * block)


def limit(pids: list[int], limits: tuple[int, int]) -> None:
    """Set how large a file each process may write."""
    for pid in pids:
        with suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)


def make_run(held: Bench, name: str) -> str:
    """Ask MLflow for a run; its id, or "status: answer" where it makes none."""
    import httpx

    url = f"{held.conn.address('mlflow')}/api/2.0/mlflow/runs/create"
    try:
        answer = httpx.post(url, json={"experiment_id": "0", "run_name": name}, trust_env=False, timeout=30)
        return str(answer.json()["run"]["info"]["run_id"])
    except httpx.HTTPError as error:
        return f"{type(error).__name__}: {error}"
    except (ValueError, KeyError):
        return f"{answer.status_code}: {' '.join(answer.text.split())[:300]}"


def has_run(held: Bench, run_id: str) -> bool:
    """Whether MLflow knows a run."""
    import httpx

    url = f"{held.conn.address('mlflow')}/api/2.0/mlflow/runs/get"
    return httpx.get(url, params={"run_id": run_id}, trust_env=False, timeout=30).status_code == 200


def conduct(held: Bench, *, is_small: bool, seconds: float, up: Callable[[Bench], tuple[int, str]]) -> Full:
    """Fill the disk under traffic and ingest, look, make room again, and count."""
    run_before = make_run(held, "before")
    with Ingest(held.conn) as ingest, held.locust("disk") as traffic:
        began = time.time()
        with full(held, is_small=is_small) as how:
            full_at = len(ingest.acknowledged)
            clock = time.monotonic()
            run_full = make_run(held, "full")
            wait_until(lambda: ingest.refused > 0, what="the monitor to refuse", deadline_s=60)
            up_said = up(held)[1] if is_small else ""
            traffic.wait_answers(AFTERWARDS)
            wait_until(lambda: time.monotonic() - clock >= seconds, what="the time to pass", deadline_s=seconds + 60)
            room_at = len(ingest.acknowledged)
        clock = time.monotonic()
        trouble = held.wait_whole()
        wait_until(
            lambda: len(ingest.acknowledged) >= room_at + AFTERWARDS, what="further acknowledgements", deadline_s=60
        )
        ready_s = time.monotonic() - clock
        traffic.wait_answers(AFTERWARDS)
    requests = traffic.since(began)
    return Full(
        how=how,
        requests=len(requests),
        failed=failures_of(requests)[0],
        acknowledged=len(ingest.acknowledged),
        acknowledged_full=room_at - full_at,
        lost=len(lost_events(Ledger(held.conn), ingest.acknowledged)),
        refused=ingest.refused,
        told=tuple(sorted(ingest.told)),
        run_before=has_run(held, run_before),
        run_full=run_full,
        up_said=up_said,
        ready_s=ready_s,
        trouble=trouble,
    )


def main() -> int:
    """Print what a full disk did."""
    from loadtests.chaos.ups import run_up

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="for which the disk is full")
    asked = parser.parse_args()
    with small_disk() as (folder, is_small), bench(folder) as held:
        found = conduct(held, is_small=is_small, seconds=asked.seconds, up=run_up)
    for name, value in vars(found).items():
        print(f"{name:<18} {value}")
    return 0 if not found.trouble and not found.lost and found.run_before else 1


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main())
