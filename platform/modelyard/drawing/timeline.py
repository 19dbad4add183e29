"""Panels over one axis of time, as one SVG: load, replicas, latency and split of the same seconds under each other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

from modelyard.drawing import style
from modelyard.drawing.charts import Limit

WIDTH, PANEL, GAP = 1140.0, 170.0, 46.0
LEFT, RIGHT, TOP, BOTTOM = 70.0, 18.0, 58.0, 46.0
LETTER = 8.3
"""Width of a letter of the legend, in units of the drawing."""


@dataclass(frozen=True)
class Curve:
    """One series: (seconds, value) pairs in the order of time; a value of None is a gap.

    `kind` is line, step (a value holds until the next), dashed (a step that is not measured but expected), dots, or
    area (a step, filled down to the axis).
    """

    name: str
    points: Sequence[tuple[float, float | None]]
    kind: str = "line"


@dataclass(frozen=True)
class Panel:
    """One chart: its name with the unit, its curves, and a limit where there is one.

    `high` is at least the top of its axis; `whole` says that only whole numbers are values.
    """

    name: str
    curves: Sequence[Curve]
    limit: Limit | None = None
    high: float = 0.0
    whole: bool = False


@dataclass(frozen=True)
class Band:
    """A phase: from and to in seconds, and its name above the panels."""

    begin: float
    end: float
    name: str


def as_dict(panels: Sequence[Panel], bands: Sequence[Band], seconds: float) -> dict[str, Any]:
    """What a timeline is drawn from, as JSON can hold it."""
    return {
        "panels": [asdict(panel) for panel in panels],
        "bands": [asdict(band) for band in bands],
        "seconds": seconds,
    }


def drawn(title: str, held: Mapping[str, Any]) -> str:
    """The SVG of what `as_dict` has made."""
    panels = [
        Panel(
            panel["name"],
            [
                Curve(curve["name"], [tuple(point) for point in curve["points"]], curve["kind"])
                for curve in panel["curves"]
            ],
            Limit(**panel["limit"]) if panel["limit"] else None,
            panel["high"],
            panel["whole"],
        )
        for panel in held["panels"]
    ]
    return timeline(title, panels, [Band(**band) for band in held["bands"]], held["seconds"])


def timeline(title: str, panels: Sequence[Panel], bands: Sequence[Band], seconds: float) -> str:
    """The SVG; colours come from the page's variables. `seconds` is where the axis of time ends."""
    seconds = max(seconds, 1.0)
    height = TOP + len(panels) * (PANEL + GAP) - GAP + BOTTOM
    drawn = [_band(band, number, seconds, height) for number, band in enumerate(bands)]
    drawn += [_panel(panel, TOP + n * (PANEL + GAP), seconds) for n, panel in enumerate(panels)]
    drawn.append(_time_axis(seconds, height))
    return (
        f'<svg class="timeline" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0f} {height:.0f}" role="img" '
        f'aria-label="{escape(title)}"><title>{escape(title)}</title>{"".join(drawn)}</svg>\n'
    )


def standalone(svg: str) -> str:
    """The same SVG as a file of its own, with its colours for light and dark in it."""
    sheet = style("timeline").replace(":root", "svg.timeline")
    return svg.replace("<title>", f"<style>{escape(sheet, quote=False)}</style><title>", 1)


def ticks(high: float, most: int = 5, least: float = 1e-9) -> list[float]:
    """Round values (1, 2 or 5 times a power of ten apart) from 0 to at least `high`.

    Args:
        high: what the last one reaches.
        most: steps.
        least: width of a step, 1 for what is counted.
    """
    rough = max(high / most, least)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    return [round(step * n, 10) for n in range(math.ceil(high / step - 1e-9) + 1)]


def _panel(panel: Panel, top: float, seconds: float) -> str:
    values = [value for curve in panel.curves for _, value in curve.points if value is not None]
    limit = [panel.limit.value] if panel.limit else []
    marks = ticks(max([panel.high, *limit, *values, 0.0]) or 1.0, least=1.0 if panel.whole else 1e-9)
    high = marks[-1] or 1.0
    drawn = [_mark(mark, top, high) for mark in marks]
    for number, curve in enumerate(panel.curves):
        drawn.extend(_curve(curve, f"s{number}", top, high, seconds))
    if panel.limit:
        y = _y(panel.limit.value, top, high)
        drawn.append(
            f'<line class="limit" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="limit" x="{WIDTH - RIGHT - 4}" y="{y - 6:.1f}">{escape(panel.limit.text)}</text>'
        )
    name = f'<text class="panel-name" x="{LEFT}" y="{top - 10}">{escape(panel.name)}</text>'
    return f"{name}{_keys(panel, top)}{''.join(drawn)}"


def _keys(panel: Panel, top: float) -> str:
    """The legend, right of the panel's name; a panel of one curve that has its name needs none."""
    x, drawn = WIDTH - RIGHT, []
    for number, curve in reversed(list(enumerate(panel.curves))):
        x -= len(curve.name) * LETTER
        drawn.append(f'<text class="key" x="{x:.1f}" y="{top - 10}">{escape(curve.name)}</text>')
        kind = f"s{number}"
        if curve.kind in ("dots", "area"):
            drawn.append(f'<rect class="mark {kind}" x="{x - 17:.1f}" y="{top - 21}" width="12" height="12" rx="3"/>')
        else:
            dashed = " dashed" if curve.kind == "dashed" else ""
            drawn.append(f'<path class="curve {kind}{dashed}" d="M{x - 33:.1f},{top - 15}h28"/>')
        x -= 52
    return "".join(drawn)


def _curve(curve: Curve, kind: str, top: float, high: float, seconds: float) -> Iterator[str]:
    for run in _runs(curve.points):
        places = [(_x(at, seconds), _y(value, top, high)) for at, value in run]
        if curve.kind == "dots":
            yield from (f'<circle class="mark {kind}" cx="{x:.1f}" cy="{y:.1f}" r="3.2"/>' for x, y in places)
            continue
        steps = places if curve.kind == "line" else _stepped(places)
        path = "M" + " L".join(f"{x:.1f},{y:.1f}" for x, y in steps)
        if curve.kind == "area":
            floor, left, right = _y(0, top, high), steps[0][0], steps[-1][0]
            yield f'<path class="area {kind}" d="{path} L{right:.1f},{floor:.1f} L{left:.1f},{floor:.1f}Z"/>'
        dashed = " dashed" if curve.kind == "dashed" else ""
        yield f'<path class="curve {kind}{dashed}" d="{path}"><title>{escape(curve.name)}</title></path>'


def _runs(points: Sequence[tuple[float, float | None]]) -> Iterator[list[tuple[float, float]]]:
    """The points without their gaps."""
    run: list[tuple[float, float]] = []
    for at, value in points:
        if value is None:
            if run:
                yield run
            run = []
        else:
            run.append((at, value))
    if run:
        yield run


def _stepped(places: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Each value holds until the next."""
    held = [places[0]]
    for x, y in places[1:]:
        held += [(x, held[-1][1]), (x, y)]
    return held


def _mark(mark: float, top: float, high: float) -> str:
    y = _y(mark, top, high)
    return (
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="tick y" x="{LEFT - 8}" y="{y + 5:.1f}">{mark:,g}</text>'
    )


def _band(band: Band, number: int, seconds: float, height: float) -> str:
    left, right = _x(band.begin, seconds), _x(band.end, seconds)
    shade = "even" if number % 2 == 0 else "odd"
    name = band.name if len(band.name) * 7.4 <= right - left else ""
    return (
        f'<rect class="{shade}" x="{left:.1f}" y="{TOP - 32}" width="{max(right - left, 0):.1f}" '
        f'height="{height - TOP - BOTTOM + 32:.1f}"><title>{escape(band.name)}</title></rect>'
        f'<text class="band-name" x="{(left + right) / 2:.1f}" y="{TOP - 38}">{escape(name)}</text>'
    )


def _time_axis(seconds: float, height: float) -> str:
    y = height - BOTTOM + 20
    marks = [mark for mark in ticks(seconds, 10) if mark <= seconds]
    told = "".join(f'<text class="tick x" x="{_x(m, seconds):.1f}" y="{y:.1f}">{m:g}</text>' for m in marks)
    return f'{told}<text class="tick x" x="{(LEFT + WIDTH - RIGHT) / 2:.1f}" y="{y + 20:.1f}">seconds</text>'


def _x(at: float, seconds: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * min(max(at, 0.0), seconds) / seconds


def _y(value: float, top: float, high: float) -> float:
    return top + PANEL * (1 - min(max(value, 0.0), high) / high)
