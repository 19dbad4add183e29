"""How replicas followed a load, by looks at them: pure functions on (seconds, replicas) pairs in the order of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Looks = Sequence[tuple[float, int | None]]


@dataclass(frozen=True)
class Stage:
    """So many users for so many seconds."""

    users: int
    seconds: float


def users_at(stages: Sequence[Stage], seconds: float) -> int | None:
    """Users at a time from the start; None when every stage is over."""
    for stage in stages:
        if seconds < stage.seconds:
            return stage.users
        seconds -= stage.seconds
    return None


def begins(stages: Sequence[Stage]) -> list[float]:
    """When each stage begins, in seconds from the start, and when the last one ends."""
    held = [0.0]
    for stage in stages:
        held.append(held[-1] + stage.seconds)
    return held


def within(looks: Looks, begin: float, end: float) -> list[tuple[float, int]]:
    """Looks of a span that saw something; the last one before it comes first, as of its begin."""
    known = [(at, count) for at, count in looks if count is not None]
    before = [count for at, count in known if at <= begin]
    inside = [(at, count) for at, count in known if begin < at < end]
    return [(begin, before[-1]), *inside] if before else inside


def peak(looks: Looks, begin: float, end: float) -> int | None:
    """The most replicas of a span; None where nothing was seen."""
    return max((count for _, count in within(looks, begin, end)), default=None)


def settled(looks: Looks, begin: float, end: float) -> int | None:
    """Replicas at the end of a span; None where nothing was seen."""
    held = within(looks, begin, end)
    return held[-1][1] if held else None


def reaction_s(looks: Looks, begin: float, end: float, wanted: int) -> float | None:
    """Seconds from the begin of a span until there were `wanted` replicas; None where there never were."""
    first = settled(looks, begin, begin + 1e-6)
    rising = first is None or wanted >= first
    for at, count in within(looks, begin, end):
        if (count >= wanted) if rising else (count <= wanted):
            return at - begin
    return None


def overshoot(looks: Looks, begin: float, end: float) -> int | None:
    """Replicas at the peak of a span beyond those at its end; None where nothing was seen."""
    most, last = peak(looks, begin, end), settled(looks, begin, end)
    return None if most is None or last is None else most - last
