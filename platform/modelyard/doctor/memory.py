"""Memory: what the machine, and the container that it may be, have left."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from modelyard.doctor.finding import Finding, fine, problem, tell_bytes, warning
from modelyard.doctor.system import System

IDLE_BYTES = 1_200_000_000
"""A yard at rest (PSS of every service after `up`)."""
COMFORT_BYTES = 3_000_000_000
"""A yard while it trains, judges drift and serves."""
CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Memory:
    """Bytes of memory. `limit_bytes` and `used_bytes` are those of the container, None where nothing limits it.

    `own_bytes` is what this yard holds already.
    """

    total_bytes: int
    available_bytes: int
    limit_bytes: int | None = None
    used_bytes: int | None = None
    own_bytes: int = 0

    @property
    def free_bytes(self) -> int:
        """What this yard may have, with what it holds already."""
        left = self.available_bytes
        if self.limit_bytes is not None:
            left = min(left, self.limit_bytes - (self.used_bytes or 0))
        return max(left, 0) + self.own_bytes


def gather_memory(yard_id: str = "", cgroups: Path = CGROUPS) -> Memory:
    """Ask the system, the control group of this process, and the yard's processes."""
    import psutil

    held = psutil.virtual_memory()
    limit, used = read_cgroup_memory(cgroups, _own_cgroups())
    return Memory(held.total, held.available, limit if limit and limit < held.total else None, used, _held_by(yard_id))


def _own_cgroups() -> str:
    try:
        return Path("/proc/self/cgroup").read_text("utf-8")
    except OSError:
        return ""


def read_cgroup_memory(root: Path, own: str) -> tuple[int | None, int | None]:
    """Limit and use of the control group, version 2 or 1 (kernel: cgroup-v2.rst, cgroup-v1/memory.rst).

    What is cached of files can be given back and does not count as used.
    """
    for controllers, base, limit, used in (
        ("", root, "memory.max", "memory.current"),
        ("memory", root / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        for folder in _folders(base, own, controllers):
            bound = _number(folder / limit)
            if bound is not None:
                return bound, max(0, (_number(folder / used) or 0) - _cached(folder / "memory.stat"))
    return None, None


def _folders(base: Path, own: str, controllers: str) -> list[Path]:
    """The group's folder as the kernel names it, and the root, which is the group itself inside of a container."""
    named = re.search(rf"^\d+:{controllers}:/(.+)$", own, re.MULTILINE)
    return [base / named[1], base] if named else [base]


def _number(path: Path) -> int | None:
    try:
        told = path.read_text("utf-8").strip()
    except OSError:
        return None
    return int(told) if told.isdecimal() else None


def _cached(path: Path) -> int:
    try:
        found = re.search(r"^(?:total_)?inactive_file (\d+)$", path.read_text("utf-8"), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) if found else 0


def _held_by(yard_id: str) -> int:
    from modelyard.yard.marks import find_marked
    from modelyard.yard.status import memory_bytes

    return sum(memory_bytes(held.pid) or 0 for held in find_marked(yard_id)) if yard_id else 0


def decide_memory(memory: Memory, system: System) -> list[Finding]:
    """What is free against what a yard takes at rest and at work."""
    whose = "of this container " if memory.limit_bytes is not None else ""
    total = memory.limit_bytes if memory.limit_bytes is not None else memory.total_bytes
    found = f"{tell_bytes(memory.free_bytes)} {whose}are free, of {tell_bytes(total)}."
    if memory.free_bytes >= COMFORT_BYTES:
        return [fine("memory", f"{tell_bytes(memory.free_bytes)} free of {tell_bytes(total)}")]
    if memory.free_bytes < IDLE_BYTES:
        tell, why = problem, f"a yard at rest takes {tell_bytes(IDLE_BYTES)}; the system would kill processes"
    else:
        tell, why = warning, f"training and serving together take up to {tell_bytes(COMFORT_BYTES)}"
    return [tell("memory", found, why, _remedy(memory, system, total))]


def _remedy(memory: Memory, system: System, total: int) -> str:
    if system.wsl:
        # Microsoft: "Advanced settings configuration in WSL", .wslconfig
        return (
            "printf '[wsl2]\\nmemory=8GB\\n' >> "
            "\"$(wslpath \"$(cmd.exe /c 'echo %UserProfile%' 2>/dev/null | tr -d '\\r')\")/.wslconfig\" "
            "&& wsl.exe --shutdown"
        )
    if memory.limit_bytes is not None:
        return f"docker run --memory {max(4, round(total / 1e9) + 2)}g ...  # start the container with more"
    if system.kind == "darwin":
        return "top -l 1 -o mem -n 10 -stats pid,command,mem  # close the largest programs"
    return "ps -eo pid,rss,comm --sort=-rss | head -15  # close the largest programs"
