"""The clock: against the servers that were asked, else against the newest file of the checkout."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from statistics import median

from modelyard.doctor.finding import Finding, fine, problem, warning
from modelyard.doctor.system import System

NOTICED_S, HARMFUL_S = 60.0, 600.0
"""Prometheus draws what is a minute off beside the page's own time; S3 refuses requests that are 15 minutes off."""
SLACK_S = 86_400.0


@dataclass(frozen=True)
class Clock:
    """This machine's time and what others say of it.

    Attributes:
        now: seconds since 1970 by this machine.
        ahead_s: by how much it goes before each server that was asked (negative: after it).
        latest_s: the time of the newest file that came with the checkout; a clock before that is wrong.
    """

    now: float
    ahead_s: tuple[float, ...] = ()
    latest_s: float = 0.0


def parse_date(header: str) -> float | None:
    """Seconds since 1970 of an HTTP Date (RFC 9110, 5.6.7), or None."""
    try:
        return parsedate_to_datetime(header).timestamp()
    except (TypeError, ValueError):
        return None


def decide_clock(clock: Clock, system: System) -> list[Finding]:
    """By the middle of what the servers say, so that one that is wrong by itself counts for nothing."""
    if clock.ahead_s:
        off = median(clock.ahead_s)
        if abs(off) < NOTICED_S:
            return [fine("clock", f"right to {max(1, round(abs(off)))} s")]
        tell = problem if abs(off) >= HARMFUL_S else warning
        found = f"The clock is {_tell_span(abs(off))} {'fast' if off > 0 else 'slow'}, by the servers that were asked."
        return [tell("clock", found, "certificates, the store's signatures and charts go by it", _set_command(system))]
    if clock.latest_s and clock.now < clock.latest_s - SLACK_S:
        told = _day(clock.now)
        found = f"The clock says {told}, which is before this checkout's newest file ({_day(clock.latest_s)})."
        return [warning("clock", found, "certificates and charts go by it", _set_command(system))]
    return [fine("clock", "not older than this checkout; no server was asked")]


def measure(dates: Iterable[tuple[str, float]]) -> tuple[float, ...]:
    """Seconds by which this machine goes before each server: of its Date header and our time when it came."""
    return tuple(at - told for header, at in dates if (told := parse_date(header)) is not None)


def _tell_span(seconds: float) -> str:
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if round(seconds / size) >= 2:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%d %B %Y")


def _set_command(system: System) -> str:
    if system.wsl:
        return "sudo hwclock -s || wsl.exe --shutdown"
    if system.kind == "darwin":
        return "sudo sntp -sS time.apple.com"
    return "sudo timedatectl set-ntp true"
