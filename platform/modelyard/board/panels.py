"""Answers a dashboard: the values of its variables, what happened when, and the data of the panels asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from modelyard.board import frames
from modelyard.board.definitions import (
    VALUE,
    Dashboard,
    Json,
    choose_value,
    find_panel,
    fixed_values,
    label_query,
    plan_queries,
    render_legend,
    substitute,
)
from modelyard.board.queries import Sources, Unanswered
from modelyard.board.windows import Window

WITHOUT_QUERY = ("row", "text")
MOST_SERIES = 200


async def answer_dashboard(
    sources: Sources,
    board: Dashboard,
    panel_ids: Iterable[int],
    asked: Mapping[str, str],
    window: Window,
    *,
    at_s: float,
) -> Json:
    """Everything that a page needs to draw the panels named, in one answer.

    Raises:
        LookupError: the dashboard has no such panel.
    """
    panels = [find_panel(board, panel_id) for panel_id in panel_ids]
    variables, told = await choose_variables(sources, board, asked, window)
    chosen = {held["name"]: held["value"] for held in variables}
    events, *answers = await asyncio.gather(
        find_events(sources, board, chosen, window),
        *(answer_panel(sources, panel, chosen, window, at_s=at_s) for panel in panels),
    )
    return {
        "window": {"start_s": window.start_s, "step_s": window.step_s, "points": window.points, "live": window.live},
        "variables": variables,
        "state": "down" if told else "ok",
        "told": told,
        "events": events,
        "panels": {str(panel["id"]): answer for panel, answer in zip(panels, answers, strict=True)},
    }


async def choose_variables(
    sources: Sources, board: Dashboard, asked: Mapping[str, str], window: Window
) -> tuple[list[Json], str]:
    """Each variable's values and the one that is chosen, and why they are not known where they are not.

    A variable's query may use those before it.
    """
    chosen: dict[str, str] = {}
    made = []
    told = ""
    for held in board.variables:
        name, wanted = held["name"], asked.get(held["name"], "")
        try:
            values = await _values(sources, held, chosen, window)
            chosen[name] = choose_value(values, wanted)
        except Unanswered as error:
            values, told = [wanted] if wanted else [], error.told
            chosen[name] = wanted
        made.append({"name": name, "label": held.get("label") or name, "values": values, "value": chosen[name]})
    return made, told


async def _values(sources: Sources, variable: Json, chosen: Mapping[str, str], window: Window) -> list[str]:
    asks = label_query(variable)
    if asks is None:
        return fixed_values(variable)
    selector, label = asks
    found = await sources.label_values(label, substitute(selector, chosen, window), window)
    return [value for value in found if VALUE.fullmatch(value)]


async def answer_panel(
    sources: Sources, panel: Json, chosen: Mapping[str, str], window: Window, *, at_s: float
) -> Json:
    """What a panel shows: `state` ok, down or refused; `told` why; and `series`, `frames`, `buckets` or `alerts`."""
    try:
        if panel["type"] == "alertGroups":
            return {"state": "ok", "told": "", "alerts": await sources.alerts()}
        if panel["type"] in WITHOUT_QUERY:
            return {"state": "ok", "told": ""}
        return {"state": "ok", "told": "", **await _answer_queries(sources, panel, chosen, window, at_s=at_s)}
    except Unanswered as error:
        return {"state": error.state, "told": error.told}


async def _answer_queries(
    sources: Sources, panel: Json, chosen: Mapping[str, str], window: Window, *, at_s: float
) -> Json:
    queries = plan_queries(panel, chosen, window)
    found = await asyncio.gather(
        *(
            sources.now(query.promql, at_s) if query.instant else sources.over_time(query.promql, window)
            for query in queries
        )
    )
    if any(query.form == "table" for query in queries):
        held = [
            frames.frame_of(query.ref_id, samples, several=len(queries) > 1, at_s=at_s)
            for query, samples in zip(queries, found, strict=True)
        ]
        made, unknown = frames.transform(held, panel.get("transformations") or [])
        return {"frames": made, "unknown": unknown}
    if any(query.form == "heatmap" for query in queries):
        return {"buckets": split_buckets([series for held in found for series in held])}
    series = [
        {**one, "name": render_legend(query.legend, one["labels"]), "ref": query.ref_id}
        for query, held in zip(queries, found, strict=True)
        for one in held
    ]
    return {"series": series[:MOST_SERIES], "left_out": max(0, len(series) - MOST_SERIES)}


def split_buckets(series: Sequence[Mapping[str, Any]]) -> list[Json]:
    """Buckets of a histogram (label `le`, cumulative) as what falls into each: `low`, `high` (None: open) and `values`.

    As Grafana does for a query of the format heatmap; a bucket that is below the one before it counts as nothing.
    """
    ordered = sorted(series, key=lambda held: float(held["labels"].get("le", "inf")))
    made: list[Json] = []
    low, below = 0.0, None
    for held in ordered:
        high = float(held["labels"].get("le", "inf"))
        values = held["values"] if below is None else [_less(a, b) for a, b in zip(held["values"], below, strict=True)]
        made.append({"low": low, "high": high if high != float("inf") else None, "values": values})
        low, below = high, held["values"]
    return made


def _less(value: float | None, below: float | None) -> float | None:
    return None if value is None else max(0.0, value - (below or 0.0))


async def find_events(sources: Sources, board: Dashboard, chosen: Mapping[str, str], window: Window) -> list[Json]:
    """What happened in the window, from the dashboard's annotations; nothing where Prometheus does not answer."""
    made = []
    for held in board.annotations:
        if not held.get("enable", True):
            continue
        try:
            found = await sources.over_time(substitute(held["expr"], chosen, window), window)
        except Unanswered:
            continue
        made += place_events(held, found, window)
    return sorted(made, key=lambda event: event["start_s"])


def place_events(annotation: Json, series: Sequence[Mapping[str, Any]], window: Window) -> list[Json]:
    """Events of one annotation: at the time that a value tells (milliseconds), else from where to where it is not 0."""
    made: list[Json] = []
    for held in series:
        title = render_legend(annotation.get("titleFormat", ""), held["labels"]) or annotation["name"]
        event = {"name": annotation["name"], "title": title, "colour": annotation.get("iconColor", "blue")}
        if annotation.get("useValueForTime"):
            moments = {value / 1000 for value in held["values"] if value}
            stretches = [(at, at) for at in moments if window.start_s <= at <= window.end_s]
        else:
            stretches = find_stretches(held["values"], window)
        made += [{**event, "start_s": start, "end_s": end} for start, end in stretches]
    return list({(event["title"], event["start_s"]): event for event in made}.values())


def find_stretches(values: Sequence[float | None], window: Window) -> list[tuple[int, int]]:
    """From where to where values are there and not 0, in seconds since 1970."""
    made: list[tuple[int, int]] = []
    begun: int | None = None
    for place, value in enumerate([*values, None]):
        at_s = window.start_s + place * window.step_s
        if value and begun is None:
            begun = at_s
        elif not value and begun is not None:
            made.append((begun, at_s - window.step_s))
            begun = None
    return made
