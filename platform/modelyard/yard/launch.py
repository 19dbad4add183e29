"""Becomes a service's process. Standard library only, run with `python -I -S`: it stands before every start.

`launch.py SPEC` with SPEC = {"argv", "env", "folder", "sweep"} in JSON, mode 0600. What an earlier life of the same
service left behind (a worker whose parent was killed still holds its port) is ended first; then this process becomes
the service. Arguments after SPEC are ignored: the digest among them tells the supervisor that a service has changed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time

SWEEP_DEADLINE_S = 3.0


def main() -> None:
    """Sweep, then exec."""
    with open(sys.argv[1], encoding="utf-8") as held:  # noqa: PTH123 (pathlib takes 5 ms to import)
        spec = json.load(held)
    if spec["sweep"]:
        sweep(spec["env"]["MODELYARD_YARD"], spec["env"]["MODELYARD_SERVICE"])
    os.umask(0o077)
    try:
        os.chdir(spec["folder"])
        os.execve(spec["argv"][0], spec["argv"], spec["env"])  # noqa: S606
    except OSError as error:
        sys.exit(f"{spec['env']['MODELYARD_SERVICE']} cannot be started: {error.strerror}: {error.filename}")


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
