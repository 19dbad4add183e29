"""Processors: how many there are for this process, and how busy they are."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from modelyard.doctor.finding import Finding, fine, warning
from modelyard.doctor.memory import CGROUPS
from modelyard.doctor.system import System

BUSY_RATIO = 4.0
"""Processes that want a processor, for each that there is: services then take minutes to start."""


@dataclass(frozen=True)
class Processors:
    """`count` as this process may use them (a container may have a part of one); `load`: processes that wanted one,
    on average of the last minute."""

    count: float
    load: float


def gather_processors(cgroups: Path = CGROUPS) -> Processors:
    """Ask the system and the control group."""
    count = float(os.cpu_count() or 1)
    if hasattr(os, "sched_getaffinity"):
        count = float(len(os.sched_getaffinity(0)))
    return Processors(min(count, read_quota(cgroups) or count), os.getloadavg()[0])


def read_quota(root: Path) -> float | None:
    """Processors that the control group may use, version 2 or 1 (kernel: cgroup-v2.rst, sched-bwc.rst); None: all."""
    try:
        quota, period = (root / "cpu.max").read_text("utf-8").split()
    except (OSError, ValueError):
        try:
            quota = (root / "cpu" / "cpu.cfs_quota_us").read_text("utf-8").strip()
            period = (root / "cpu" / "cpu.cfs_period_us").read_text("utf-8").strip()
        except OSError:
            return None
    return int(quota) / int(period) if quota.isdecimal() and period.isdecimal() and int(period) else None


def decide_processors(processors: Processors, system: System) -> list[Finding]:
    """Few or busy processors make everything slow and nothing wrong."""
    told = f"{processors.count:g} processor{'s' * (processors.count != 1)}"
    if processors.load > BUSY_RATIO * processors.count:
        return [
            warning(
                "processors",
                f"This machine is busy: {processors.load:.0f} processes want {told}.",
                "services may need longer than `up` waits for them",
                "MODELYARD_UP_DEADLINE_S=600 ./invoke up",
            )
        ]
    if processors.count < 2:
        return [
            warning(
                "processors",
                f"There is {told} for this shell.",
                "a yard with one starts slowly, and its load tests mean little",
                "MODELYARD_UP_DEADLINE_S=600 ./invoke up",
            )
        ]
    return [fine("processors", f"{told}, load {processors.load:.1f}")]
