"""How a Locust process and whoever started it speak: JSON lines; and where it may aim."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any, NoReturn
from urllib.parse import urlsplit

import orjson


def is_loopback(address: str) -> bool:
    """Whether an address is on this machine: a load test is never aimed at anything else."""
    return urlsplit(address).hostname == "127.0.0.1"


def tell(held: dict[str, Any]) -> None:
    """One JSON line on standard output."""
    with suppress(BrokenPipeError):  # whoever read it was killed; the test still has to end
        sys.stdout.write(orjson.dumps(held).decode() + "\n")
        sys.stdout.flush()


def refuse(what: str, allowed: str) -> NoReturn:
    """End at once: Locust goes on after an exception in a listener."""
    sys.stderr.write(f"error: {what}\n  allowed: {allowed}\n")
    sys.stderr.flush()
    os._exit(2)
