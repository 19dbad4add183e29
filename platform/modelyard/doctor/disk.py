"""Room on disk: bytes and, on Linux, inodes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from modelyard.doctor.finding import Finding, fine, problem, tell_bytes, warning
from modelyard.doctor.system import System

NOTHING_GOES_BYTES = 100_000_000
"""Below this not even the databases of an empty yard and their journals fit."""
COMFORT_BYTES = 2_000_000_000
"""A whole demo with its data versions, models, metrics and logs stays below this."""
FEW_INODES = 2_000


@dataclass(frozen=True)
class Room:
    """What a folder's file system has left for this person. `inodes` is None where it does not count them."""

    use: str
    path: Path
    device: int
    free_bytes: int
    inodes: int | None = None


def gather_room(uses: Iterable[tuple[str, Path]]) -> list[Room]:
    """Ask statvfs(3) of the nearest folder that exists."""
    found = []
    for use, path in uses:
        near = nearest(path)
        held = os.statvfs(near)
        if not held.f_blocks:  # a file system of the kernel's own tells no size
            continue
        inodes = held.f_favail if held.f_files else None
        found.append(Room(use, path, near.stat().st_dev, held.f_bavail * held.f_frsize, inodes))
    return found


def nearest(path: Path) -> Path:
    """The path itself, or the nearest folder above it that is there, as far as this user may look."""
    return next((held for held in (path, *path.parents) if _is_seen(held)), Path("/"))


def _is_seen(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:
        return False


def decide_disk(rooms: Iterable[Room], system: System) -> list[Finding]:
    """One finding a file system: the worst of what lies on it."""
    held = {room.device: room for room in reversed(list(rooms))}
    found = [finding for room in held.values() if (finding := _decide_room(room, system))]
    if found or not held:
        return found or [fine("disk", "the system tells no size")]
    return [fine("disk", f"{tell_bytes(min(room.free_bytes for room in held.values()))} free")]


def _decide_room(room: Room, system: System) -> Finding | None:
    look = f"du -xh -d1 '{nearest(room.path)}' 2>/dev/null | sort -h | tail"
    if room.path.is_relative_to(system.home):
        look = "rm -rf ~/.cache/uv ~/.cache/pip; du -xh -d1 ~ 2>/dev/null | sort -h | tail"
    if room.free_bytes < NOTHING_GOES_BYTES:
        return problem(
            "disk",
            f"Only {tell_bytes(room.free_bytes)} are free for the {room.use} ({room.path}).",
            "databases and logs cannot be written",
            look,
        )
    if room.inodes is not None and room.inodes < FEW_INODES:
        return problem(
            "disk",
            f"Only {room.inodes} more files fit into the file system of the {room.use} ({room.path}).",
            "a full list of files is as bad as a full disk",
            f"df -i; {look}",
        )
    if room.free_bytes < COMFORT_BYTES:
        return warning(
            "disk",
            f"{tell_bytes(room.free_bytes)} are free for the {room.use} ({room.path}); "
            f"{tell_bytes(COMFORT_BYTES)} are comfortable.",
            "data versions, models and logs may fill it",
            look,
        )
    return None
