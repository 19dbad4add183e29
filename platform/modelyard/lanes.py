"""Several commands at a time, each with a log of its own: told are their begin and end, and why one failed."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from modelyard.console import say

Steps = Mapping[str, Sequence[object]]
"""Commands by the name that a person reads."""
TOLD_EVERY_S = 60.0
"""A line of progress at least as often: whoever waits, or a runner that ends what is silent, sees that it goes on."""
FIRST_LINES, LAST_LINES = 500, 100
"""Told of a log: a fixture that fails is told anew by each of its tests."""
PERCENT = re.compile(r"\[\s*(\d+)%\]")
REASONS = re.compile(r"^=+ (FAILURES|ERRORS) =+$", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    """How a command ended: its exit code, its seconds, and the file with all that it printed."""

    name: str
    code: int
    seconds: float
    log: Path


def run_in_lanes(
    steps: Steps, *, lanes: int, logs: Path, folder: Path, environment: Mapping[str, str]
) -> list[Outcome]:
    """Run every command, `lanes` of them at a time, in the order given; tells of each when it begins and ends.

    Ctrl-C reaches the commands as it reaches this process; those that have not begun are left out.

    Args:
        steps: commands by name.
        lanes: how many run at a time.
        logs: folder for one log a command; made if need be.
        folder: where they run.
        environment: their variables.
    """
    logs.mkdir(parents=True, exist_ok=True)
    begun, running, done = time.monotonic(), Running(), list[Outcome]()
    with ThreadPoolExecutor(lanes) as pool:
        pending: set[Future[Outcome]] = {
            pool.submit(running.run, name, argv, log_of(logs, name), folder, environment)
            for name, argv in steps.items()
        }
        try:
            while pending:
                ended, pending = wait(pending, timeout=TOLD_EVERY_S, return_when=FIRST_COMPLETED)
                for outcome in (future.result() for future in ended):
                    done.append(outcome)
                    tell_outcome(outcome, len(done), len(steps))
                if not ended:
                    say(progress(time.monotonic() - begun, running.logs()))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return done


class Running:
    """The commands that run at the moment, from threads that each run one."""

    def __init__(self) -> None:
        self._held: dict[str, Path] = {}
        self._lock = threading.Lock()

    def logs(self) -> dict[str, Path]:
        """The log of each command that runs, by name."""
        with self._lock:
            return dict(self._held)

    def run(
        self, name: str, argv: Sequence[object], log: Path, folder: Path, environment: Mapping[str, str]
    ) -> Outcome:
        """Run one command to its end."""
        say(f"== {name}: begins")
        begun = time.monotonic()
        with self._lock:
            self._held[name] = log
        try:
            with log.open("wb") as output:
                words = [str(word) for word in argv]
                ended = subprocess.run(
                    words,
                    cwd=folder,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    check=False,
                )
        finally:
            with self._lock:
                del self._held[name]
        return Outcome(name, ended.returncode, time.monotonic() - begun, log)


def log_of(logs: Path, name: str) -> Path:
    """The log of a command; its name may hold what a file's may not."""
    return logs / (re.sub(r"[^\w.]+", "-", name) + ".log")


def tell_outcome(outcome: Outcome, done: int, of: int) -> None:
    """One line about a command that ended; all that matters of its log if it failed."""
    text = outcome.log.read_text("utf-8", "replace").strip()
    if outcome.code == 0:
        said = text.rsplit("\n", 1)[-1].strip("= ")
        say(f"== {outcome.name}: passed after {outcome.seconds:.0f}s ({done} of {of}): {said}")
        return
    say(f"== {outcome.name}: failed ({outcome.code}) after {outcome.seconds:.0f}s ({done} of {of}): {outcome.log}")
    say(find_reasons(text))


def find_reasons(text: str) -> str:
    """What pytest tells of failures, without the middle of what is very long; of any other output the last lines."""
    found = REASONS.search(text)
    if not found:
        return "\n".join(text.splitlines()[-FIRST_LINES:])
    lines = text[found.start() :].splitlines()
    left_out = len(lines) - FIRST_LINES - LAST_LINES
    if left_out <= 0:
        return "\n".join(lines)
    return "\n".join([*lines[:FIRST_LINES], f"[{left_out} lines are left out]", *lines[-LAST_LINES:]])


def progress(seconds: float, logs: Mapping[str, Path]) -> str:
    """How far each running command is, as its pytest says."""
    parts = []
    for name, log in logs.items():
        shares = PERCENT.findall(log.read_text("utf-8", "replace")) if log.exists() else []
        parts.append(f"{name} {shares[-1]} %" if shares else name)
    return f"== {seconds / 60:.0f} min: {', '.join(parts)}"
