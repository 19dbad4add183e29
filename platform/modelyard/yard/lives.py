"""How often a service was started since the last `up`, and whether it is held back: the launcher notes it.

It lies in the runtime folder and not beside the yard's data, so that it is told even while that disk is full.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

from modelyard.yard.launch import count_short_lives, write_lives


@dataclass(frozen=True)
class Lives:
    """Starts of one service.

    Attributes:
        restarts: starts since the last `up` that nobody asked for.
        short: how many lives in a row, the last one among them, ended soon after their start.
        waits_s: seconds until the next start, None where the service is not held back.
    """

    restarts: int = 0
    short: int = 0
    waits_s: float | None = None


def read_lives(path: Path, *, now: float | None = None) -> Lives:
    """What is known of a service's starts; nothing where the launcher could not write.

    Args:
        path: of the note (`Layout.lives`).
        now: seconds of the monotonic clock, which all processes of a machine share.
    """
    now = time.monotonic() if now is None else now
    try:
        held = json.loads(path.read_text("utf-8"))
        lives, waits_until = held["lives"], held["waits_until"]
        return Lives(
            restarts=max(0, held["restarts"]),
            short=count_short_lives(lives),
            waits_s=max(0.0, waits_until - now) if waits_until is not None else None,
        )
    except (OSError, ValueError, LookupError, TypeError):
        return Lives()


def forget_lives(path: Path, *, is_running: bool) -> None:
    """Count anew, as `up` does for every service: the start that it asks for itself is no restart."""
    write_lives(str(path), {"restarts": 0 if is_running else -1, "lives": [], "waits_until": None})
