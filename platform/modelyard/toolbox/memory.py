"""What could not be had, remembered for a day, so that a program that a yard can do without costs its wait once."""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

KEPT_S = 24 * 3600.0


@dataclass(frozen=True)
class Failure:
    """When a program could not be had (Unix time), which version, and why."""

    at_s: float
    version: str
    why: str


def read_memory(cache: Path) -> dict[str, Failure]:
    """Every failure by program; nothing where the file cannot be understood."""
    try:
        held = json.loads((cache / "missing.json").read_text("utf-8"))
        return {
            str(name): Failure(float(one["at_s"]), str(one["version"]), str(one["why"])) for name, one in held.items()
        }
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}


def remember(cache: Path, name: str, failure: Failure | None) -> None:
    """Keep a failure, or forget it; a cache that cannot be written is no reason to fail."""
    held = read_memory(cache)
    if held.pop(name, None) is None and failure is None:
        return
    if failure:
        held[name] = failure
    path = cache / "missing.json"
    scratch = path.with_name(f".missing.{os.getpid()}.json")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        scratch.write_text(json.dumps({name: vars(one) for name, one in held.items()}, indent=1), "utf-8")
        scratch.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)


def is_remembered(failure: Failure | None, version: str, now_s: float) -> bool:
    """Whether a failure still stands: of the same version, younger than a day, and not from the future."""
    return failure is not None and failure.version == version and 0 <= now_s - failure.at_s < KEPT_S


def describe_failure(failure: Failure) -> str:
    """`DAY TIME: why`."""
    return f"{failure.why} (tried {time.strftime('%d %B %H:%M', time.localtime(failure.at_s))})"
