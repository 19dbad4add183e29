"""Times in the past as kubectl tells them."""

from __future__ import annotations

from datetime import datetime


def age(since: str | None, now: float) -> str:
    """A time in the past as kubectl tells it: 4s, 3m20s, 12m, 5h3m, 2d4h, 30d; `<unknown>` without one.

    Source: k8s.io/apimachinery duration.HumanDuration.
    """
    if not since:
        return "<unknown>"
    seconds = int(now - datetime.fromisoformat(since).timestamp())
    if seconds < -1:
        return "<invalid>"
    minutes, hours, days = max(seconds, 0) // 60, seconds // 3600, seconds // 86400
    forms = (
        (seconds < 120, f"{max(seconds, 0)}s"),
        (minutes < 10, f"{minutes}m{_rest(seconds % 60, 's')}"),
        (minutes < 180, f"{minutes}m"),
        (hours < 8, f"{hours}h{_rest(minutes % 60, 'm')}"),
        (hours < 48, f"{hours}h"),
        (days < 8, f"{days}d{_rest(hours % 24, 'h')}"),
        (days < 730, f"{days}d"),
        (days < 2920, f"{days // 365}y{_rest(days % 365, 'd')}"),
    )
    return next((told for holds, told in forms if holds), f"{days // 365}y")


def _rest(value: int, unit: str) -> str:
    return f"{value}{unit}" if value else ""
