"""Becomes a service's process. Standard library only, run with `python -I -S`: it stands before every start.

`launch.py SPEC` with SPEC = {"argv", "env", "folder", "sweep", "lives"} in JSON, mode 0600. What an earlier life of the
same service left behind (a worker whose parent was killed still holds its port) is ended first; a service that ended
soon after its start, again and again, is held back for some seconds; then this process becomes the service. It never
gives up: a port or a disk that was away comes back, and so does the service. Arguments after SPEC are ignored: the
digest among them tells the supervisor that a service has changed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time

SWEEP_DEADLINE_S = 3.0
STEADY_S = 30.0
"""A life shorter than this is a short one."""
FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 15.0
KEPT_LIVES = 20


def main() -> None:
    """Sweep, hold back, then exec."""
    with open(sys.argv[1], encoding="utf-8") as held:  # noqa: PTH123 (pathlib takes 5 ms to import)
        spec = json.load(held)
    if spec["sweep"]:
        sweep(spec["env"]["MODELYARD_YARD"], spec["env"]["MODELYARD_SERVICE"])
    if spec.get("lives"):
        hold_back(spec["lives"], spec["env"]["MODELYARD_SERVICE"])
    os.umask(0o077)
    try:
        os.chdir(spec["folder"])
        os.execve(spec["argv"][0], spec["argv"], spec["env"])  # noqa: S606
    except OSError as error:
        sys.exit(f"{spec['env']['MODELYARD_SERVICE']} cannot be started: {error.strerror}: {error.filename}")


def hold_back(path: str, service: str) -> None:
    """Note this start, and wait where the lives before were short ones."""
    noted = read_lives(path)
    lives = [*noted["lives"], [time.monotonic(), None]][-KEPT_LIVES:]
    short = count_short_lives(lives)
    delay_s = decide_delay_s(short)
    noted = {"restarts": noted["restarts"] + 1, "lives": lives, "waits_until": None}
    if delay_s:
        told = f"modelyard: {service} ended {short} times soon after its start; it is started again in {delay_s:.1f}s"
        print(told, flush=True)
        write_lives(path, {**noted, "waits_until": time.monotonic() + delay_s})
        time.sleep(delay_s)
    lives[-1][1] = time.monotonic()
    if not write_lives(path, noted):
        time.sleep(FIRST_DELAY_S)  # without a note nothing else would slow a loop down


def count_short_lives(lives: list[list[float]]) -> int:
    """How many lives ended soon after their start, counted back from the last one that has ended.

    `lives` has of each when its launcher ran and when the service itself began (None while it is held back), in seconds
    of the monotonic clock; a life ends when the next launcher runs.
    """
    count = 0
    for (_, began), (ended, _) in zip(reversed(lives[:-1]), reversed(lives[1:]), strict=True):
        if began is not None and ended - began >= STEADY_S:
            break
        count += 1
    return count


def decide_delay_s(short_lives: int) -> float:
    """Seconds to wait before a start: none after the first end, then twice as long each time, up to a limit."""
    if short_lives < 2:
        return 0.0
    return min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(short_lives - 2, 10))


def read_lives(path: str) -> dict:
    """What earlier launchers noted; a first start where there is nothing that can be read."""
    try:
        with open(path, encoding="utf-8") as held:  # noqa: PTH123
            noted = json.load(held)
        return {"restarts": int(noted["restarts"]), "lives": [[float(a), float(b)] for a, b in noted["lives"] if b]}
    except (OSError, ValueError, LookupError, TypeError):
        return {"restarts": -1, "lives": []}


def write_lives(path: str, noted: dict) -> bool:
    """Note it, whole or not at all; False where the disk does not take it."""
    part = f"{path}.{os.getpid()}.part"
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)  # noqa: PTH103, PTH120
        with open(part, "w", encoding="utf-8") as out:  # noqa: PTH123
            json.dump(noted, out)
        os.replace(part, path)  # noqa: PTH105
    except OSError:
        return False
    return True


def sweep(yard: str, service: str) -> None:
    """End every process of this service of this yard but this one; where there is no /proc, `up` alone does that."""
    left = find(yard, service)
    for number in (signal.SIGTERM, signal.SIGKILL):
        end = time.monotonic() + SWEEP_DEADLINE_S
        for pid in left:
            try:
                os.kill(pid, number)
            except OSError:
                continue
        while left and time.monotonic() < end:
            time.sleep(0.02)
            left = [pid for pid in left if pid in find(yard, service)]
        if not left:
            return


def find(yard: str, service: str) -> list[int]:
    """Pids that carry the marks of this service of this yard."""
    wanted = {f"MODELYARD_YARD={yard}".encode(), f"MODELYARD_SERVICE={service}".encode()}
    if not os.path.isdir("/proc/self"):  # noqa: PTH112
        return []
    found = []
    for entry in os.listdir("/proc"):  # noqa: PTH208
        if not entry.isdecimal() or int(entry) == os.getpid():
            continue
        try:
            with open(f"/proc/{entry}/environ", "rb") as held:  # noqa: PTH123
                environment = set(held.read().split(b"\0"))
        except OSError:
            continue
        if wanted <= environment:
            found.append(int(entry))
    return found


if __name__ == "__main__":
    main()
