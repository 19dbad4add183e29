"""Charts as inline SVG: no script, no network, colours from the page's variables so that light and dark both work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

WIDTH, HEIGHT = 1140.0, 300.0
LEFT, RIGHT, TOP, BOTTOM = 62.0, 16.0, 26.0, 66.0


@dataclass(frozen=True)
class Point:
    """One bar or one point of each line: its group (a phase), its label (a window) and its values by series.

    A value of None is a gap: no data is not zero.
    """

    group: str
    label: str
    values: Mapping[str, float | None]


@dataclass(frozen=True)
class Limit:
    """A horizontal line with its text."""

    value: float
    text: str


def bar_chart(title: str, points: Sequence[Point], *, limit: Limit) -> str:
    """One bar a point (its first series); bars over the limit are marked by colour and by their number."""
    series = next(iter(points[0].values)) if points else ""
    top = max([limit.value, *(p.values[series] or 0.0 for p in points)]) * 1.12
    step = _step(points)
    drawn = []
    for number, point in enumerate(points):
        value = point.values[series]
        if value is None:
            continue
        x, y = LEFT + number * step + step * 0.16, _y(value, 0.0, top)
        kind = "over" if value >= limit.value else "under"
        drawn.append(
            f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{step * 0.68:.1f}" '
            f'height="{max(_y(0, 0, top) - y, 1.5):.1f}" rx="3">'
            f"<title>{escape(point.group)}, {escape(point.label)}: {value:.2f}</title></rect>"
            + _number(value, x + step * 0.34, y - 5, step)
        )
    return _frame(title, points, 0.0, top, [*drawn, _limit(limit, 0.0, top)])


def line_chart(title: str, points: Sequence[Point], *, limit: Limit, low: float, high: float) -> str:
    """One line a series, broken where a group ends or a value is missing; each line carries its name."""
    step = _step(points)
    drawn = [_limit(limit, low, high)]
    for place, series in enumerate(points[0].values if points else ()):
        numbered = [(number, point) for number, point in enumerate(points) if point.values.get(series) is not None]
        for _, run in groupby(numbered, key=lambda held: held[1].group):
            places = [(LEFT + (n + 0.5) * step, _y(p.values[series] or 0.0, low, high), p) for n, p in run]
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in places)
            drawn.append(f'<polyline class="line s{place}" points="{path}"/>')
            drawn.extend(
                f'<circle class="dot s{place}" cx="{x:.1f}" cy="{y:.1f}" r="4.5">'
                f"<title>{escape(p.group)}, {escape(p.label)}: {escape(series)} {p.values[series]:.3f}</title></circle>"
                for x, y, p in places
            )
    names = list(points[0].values) if points else []
    return _frame(title, points, low, high, drawn) + _legend({name: f"line s{n}" for n, name in enumerate(names)})


def stacked_chart(title: str, rows: Mapping[str, Mapping[str, float]], series: Sequence[str]) -> str:
    """One horizontal bar a row, its parts in the order of `series`; the parts of a row add up to one."""
    line, left, wide, whole = 40.0, 250.0, 500.0, 760.0
    height = line * len(rows) + 10
    drawn = []
    for number, (name, parts) in enumerate(rows.items()):
        y, x = number * line + 4, left
        drawn.append(f'<text class="row" x="{left - 10}" y="{y + 20:.1f}">{escape(name)}</text>')
        for place, part in enumerate(series):
            width = parts.get(part, 0.0) * wide
            drawn.append(
                f'<rect class="fill s{place}" x="{x:.1f}" y="{y:.1f}" '
                f'width="{max(width - 2, 0):.1f}" height="28" rx="2">'
                f"<title>{escape(name)}: {escape(part)} {parts.get(part, 0.0):.1%}</title></rect>"
            )
            if width > 40:
                drawn.append(f'<text class="in" x="{x + width / 2:.1f}" y="{y + 20:.1f}">{parts[part]:.0%}</text>')
            x += width
    svg = _svg(title, whole, height, drawn)
    return svg + _legend({name: f"s{n}" for n, name in enumerate(series)})


def _number(value: float, x: float, y: float, step: float) -> str:
    """A bar's number, as exact as the bar is wide; nothing where numbers would run into each other."""
    if step < 28:
        return ""
    return f'<text class="value" x="{x:.1f}" y="{y:.1f}">{value:.{2 if step >= 46 else 1}f}</text>'


def _y(value: float, low: float, high: float) -> float:
    inside = HEIGHT - TOP - BOTTOM
    return TOP + inside * (1 - (min(max(value, low), high) - low) / (high - low))


def _step(points: Sequence[Point]) -> float:
    return (WIDTH - LEFT - RIGHT) / max(len(points), 1)


def _limit(limit: Limit, low: float, high: float) -> str:
    y = _y(limit.value, low, high)
    return (
        f'<line class="limit" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="limit" x="{WIDTH - RIGHT - 4}" y="{y - 6:.1f}">{escape(limit.text)}</text>'
    )


def _frame(title: str, points: Sequence[Point], low: float, high: float, drawn: Sequence[str]) -> str:
    marks = [low + (high - low) * part / 4 for part in range(5)]
    grid = [
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{_y(m, low, high):.1f}" y2="{_y(m, low, high):.1f}"/>'
        f'<text class="tick" x="{LEFT - 8}" y="{_y(m, low, high) + 4:.1f}">{m:.2f}</text>'
        for m in marks
    ]
    step, bands, start = _step(points), [], 0
    for number, (group, held) in enumerate(groupby(points, key=lambda point: point.group)):
        count = len(list(held))
        x, width = LEFT + start * step, count * step
        shade = "band even" if number % 2 == 0 else "band odd"
        bands.append(
            f'<rect class="{shade}" x="{x:.1f}" y="{TOP}" width="{width:.1f}" height="{HEIGHT - TOP - BOTTOM}"/>'
            + _wrapped(group, x + width / 2, max(int(width / 8.2), 6))
        )
        start += count
    return _svg(title, WIDTH, HEIGHT, [*bands, *grid, *drawn])


def _wrapped(text: str, x: float, width: int) -> str:
    """A label under the axis, in up to three lines where one is too long."""
    words, lines = text.split(), [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width and len(lines) < 3:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    y = HEIGHT - BOTTOM + 20
    return "".join(
        f'<text class="group" x="{x:.1f}" y="{y + 17 * n:.1f}">{escape(line)}</text>' for n, line in enumerate(lines)
    )


def _legend(classes: Mapping[str, str]) -> str:
    told = "".join(f'<span><i class="{kind}"></i>{escape(name)}</span>' for name, kind in classes.items())
    return f'<p class="legend">{told}</p>'


def _svg(title: str, width: float, height: float, drawn: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{''.join(drawn)}</svg>"
    )
