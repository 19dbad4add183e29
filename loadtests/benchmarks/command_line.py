"""`invoke --list` against `python -c pass`: does the command line import nothing heavy?"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from loadtests.benchmarks.figures import Figure, ratio_of_medians
from modelyard.connections import REPOSITORY

ROUNDS = 15
AIM = 12.0


def measure() -> Figure:
    """Interleaved rounds of both programs, each in a process of its own."""
    invoke = Path(sys.executable).with_name("invoke")
    listing = [_seconds([str(invoke), "--list"])]  # the first one may compile bytecode and is not counted
    listing, nothing = [], []
    for _ in range(ROUNDS):
        listing.append(_seconds([str(invoke), "--list"]))
        nothing.append(_seconds([sys.executable, "-c", "pass"]))
    return Figure(
        name="command_line",
        about="invoke --list / python -c pass",
        value=ratio_of_medians(listing, nothing),
        unit="x",
        aim=AIM,
        at_most=True,
        rounds={"invoke --list, s": listing, "python -c pass, s": nothing},
    )


def _seconds(argv: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(argv, cwd=REPOSITORY, stdout=subprocess.DEVNULL, check=True, timeout=60)
    return time.perf_counter() - began
