"""NVIDIA devices of this machine: which there are, and which replica gets which, each for itself alone."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from modelyard.serving.spec.replicas import model_of

GPU = "nvidia.com/gpu"
ANSWER_WITHIN_S = 10.0


def asked_gpus(predictor: dict[str, Any]) -> int:
    """How many devices each replica asks for: `resources.limits`, which for this resource equals the request."""
    resources = (model_of(predictor) or {}).get("resources") or {}
    for part in ("limits", "requests"):
        asked = (resources.get(part) or {}).get(GPU)
        if asked is not None:
            try:
                return max(0, int(asked))
            except ValueError:
                return 0
    return 0


def assign_gpus(inventory: Sequence[str], taken: Iterable[str], count: int) -> list[str] | None:
    """The first `count` devices that nobody has, as CUDA_VISIBLE_DEVICES names them; None where there are too few."""
    used = set(taken)
    free = [device for device in inventory if device not in used]
    return free[:count] if len(free) >= count else None


def devices_from(listed: str) -> tuple[str, ...]:
    """Devices from the answer of `nvidia-smi -L`: their UUIDs, which stay the same whatever else is plugged in."""
    return tuple(re.findall(r"^GPU \d+:.*\(UUID: ([^)]+)\)", listed, flags=re.MULTILINE))


@cache
def gpu_inventory() -> tuple[str, ...]:
    """The devices of this machine, asked once: `nvidia-smi -L`, or /dev/nvidia0, 1, ... where that is missing."""
    program = shutil.which("nvidia-smi")
    if program is not None:
        try:
            told = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=ANSWER_WITHIN_S, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return ()
        return devices_from(told.stdout)
    numbers = [path.name.removeprefix("nvidia") for path in Path("/dev").glob("nvidia[0-9]*")]
    return tuple(sorted((number for number in numbers if number.isdigit()), key=int))
