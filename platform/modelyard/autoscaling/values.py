"""Numbers and durations as Go reads and prints them, because annotations and ConfigMaps are written for Go.

Source: Go's time.ParseDuration, Duration.String and strconv.
"""

from __future__ import annotations

import re

_UNIT_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_FLOAT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_LONGEST_TEXT = 40  # no number that means anything here is longer, and a longer one costs time to read
INT32_MAX = 2**31 - 1


class OutOfRange(ValueError):
    """A whole number that 32 bits do not hold."""


def parse_duration(text: str) -> float:
    """Seconds of `1h30m`, `6s`, `1.5s`, `300ms`, `-1s` or `0`.

    Raises:
        ValueError: the text is no duration.
    """
    unsigned = text[1:] if text[:1] in ("+", "-") else text
    if unsigned == "0":
        return 0.0
    seconds, at = 0.0, 0
    while at < len(unsigned) <= _LONGEST_TEXT and (part := _PART.match(unsigned, at)):
        seconds += float(part[1]) * _UNIT_S[part[2]]
        at = part.end()
    if at == 0 or at < len(unsigned):
        raise ValueError(f'time: invalid duration "{text[:_LONGEST_TEXT]}"')
    return -round(seconds, 9) if text[0] == "-" else round(seconds, 9)


def format_duration(seconds: float) -> str:
    """As Go prints a duration of whole or broken seconds: `0s`, `6s`, `1m30s`, `1h0m0s`, `1.5s`, `300ms`."""
    if seconds < 0:
        return "-" + format_duration(-seconds)
    if 0 < seconds < 1:
        milliseconds = seconds * 1000
        return f"{format_number(round(milliseconds, 6))}ms"
    minutes, rest = divmod(round(seconds, 9), 60)
    hours, minutes = divmod(int(minutes), 60)
    told = f"{format_number(round(rest, 9))}s"
    if hours or minutes:
        told = f"{minutes}m{told}"
    return f"{hours}h{told}" if hours else told


def format_number(value: float) -> str:
    """As Go's `%v`: no fraction where there is none."""
    return str(int(value)) if value == int(value) else str(value)


def parse_float(text: str) -> float:
    """A decimal number.

    Raises:
        ValueError: the text is none. Upstream would take `NaN` and `Inf` here, which no comparison refuses; we do not.
    """
    if len(text) > _LONGEST_TEXT or not _FLOAT.fullmatch(text) or abs(float(text)) == float("inf"):
        raise ValueError(f'strconv.ParseFloat: parsing "{text[:_LONGEST_TEXT]}": invalid syntax')
    return float(text)


def parse_int32(text: str) -> int:
    """A whole number.

    Raises:
        OutOfRange: 32 bits do not hold it.
        ValueError: the text is no whole number.
    """
    if not _INTEGER.fullmatch(text):
        raise ValueError(f'strconv.ParseInt: parsing "{text[:_LONGEST_TEXT]}": invalid syntax')
    if len(text) > _LONGEST_TEXT or not -INT32_MAX - 1 <= int(text) <= INT32_MAX:
        raise OutOfRange(f'strconv.ParseInt: parsing "{text[:_LONGEST_TEXT]}": value out of range')
    return int(text)


def parse_bool(text: str) -> bool:
    """`true`, `T`, `1` and their opposites.

    Raises:
        ValueError: the text is neither.
    """
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError(f'strconv.ParseBool: parsing "{text[:_LONGEST_TEXT]}": invalid syntax')
