"""Waiting for a condition with a deadline; nothing here sleeps for a time that has no condition behind it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from modelyard.errors import WaitTimeout

Found = TypeVar("Found")


def wait_until(
    probe: Callable[[], Found | None],
    *,
    what: str,
    deadline_s: float,
    next_command: str = "./invoke status",
    interval_s: float = 0.1,
    last_answer: Callable[[], str] | None = None,
) -> Found:
    """Ask `probe` until it answers something true, and return that answer.

    Args:
        probe: asked again and again; an exception of the kinds OSError and LookupError counts as "not yet".
        what: what is waited for, as it reads after "timed out after 30s waiting for".
        deadline_s: seconds, by a monotonic clock.
        next_command: what the person types when the time is over.
        interval_s: seconds between two questions.
        last_answer: told in the error, with what the probe last raised.

    Raises:
        WaitTimeout: the condition did not hold in time.
    """
    end = time.monotonic() + deadline_s
    last_error = ""
    while True:
        try:
            found = probe()
        except (OSError, LookupError) as error:
            last_error = f"{type(error).__name__}: {error}"
        else:
            if found:
                return found
        if time.monotonic() >= end:
            detail = "\n".join(part for part in (last_answer() if last_answer else "", last_error) if part)
            raise WaitTimeout(
                f"timed out after {deadline_s:.0f}s waiting for {what}", detail=detail, next_command=next_command
            )
        time.sleep(min(interval_s, max(0.0, end - time.monotonic())))
