"""A linter for a dashboard's JSON: what makes a panel hard to read, or blank, in Grafana and on the board."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from typing import Any

Json = Mapping[str, Any]
DATA_SOURCES = {"prometheus": "modelyard-prometheus", "alertmanager": "modelyard-alertmanager"}
"""The provisioned data sources: uid by type."""
WITHOUT_QUERY = ("row", "text", "alertGroups")
COLUMNS = 24
SHORTEST_DESCRIPTION = 40
MOST_QUERIES = 4
MOST_PANELS = 14
SMALLEST_WIDTH, SMALLEST_HEIGHT = 4, 4
PLACE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
VARIABLE = re.compile(r"\$\{?([A-Za-z_]\w*)\}?")


def find_problems(dashboard: Json) -> list[str]:
    """What is wrong with a dashboard, each with the panel that it is about; empty where nothing is."""
    panels = [panel for panel in dashboard.get("panels", []) if panel["type"] != "row"]
    variables = {held["name"] for held in dashboard.get("templating", {}).get("list", [])}
    found = [*_of_dashboard(dashboard, panels), *_of_places(dashboard.get("panels", []))]
    for panel in panels:
        found += [f"panel {panel.get('title')!r} {told}" for told in _of_panel(panel, variables)]
    for mark in dashboard.get("annotations", {}).get("list", []):
        found += [f"annotation {mark['name']!r} {told}" for told in _of_annotation(mark, variables)]
    return found


def _of_dashboard(dashboard: Json, panels: list[Json]) -> Iterator[str]:
    if not re.fullmatch(r"modelyard-[a-z-]+", dashboard.get("uid", "")):
        yield f"its uid is {dashboard.get('uid')!r}: links need one that begins with modelyard-"
    for name in ("title", "description"):
        if not dashboard.get(name):
            yield f"it has no {name}"
    if len(panels) > MOST_PANELS:
        yield f"it has {len(panels)} panels: nobody looks at more than {MOST_PANELS}"
    ids = Counter(panel.get("id") for panel in dashboard.get("panels", []))
    yield from (f"{times} panels have the id {number}" for number, times in ids.items() if times > 1)
    titles = Counter(panel.get("title") for panel in panels)
    yield from (f"{times} panels are called {title!r}" for title, times in titles.items() if times > 1)


def _of_places(panels: Iterable[Json]) -> Iterator[str]:
    placed = [(panel.get("title"), panel["gridPos"]) for panel in panels]
    for title, place in placed:
        if place["x"] + place["w"] > COLUMNS:
            yield f"panel {title!r} ends right of column {COLUMNS}"
    for (one, a), (other, b) in combinations(placed, 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        apart = beside or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        if not apart:
            yield f"panels {one!r} and {other!r} lie on top of each other"


def _of_panel(panel: Json, variables: set[str]) -> Iterator[str]:
    yield from _of_words(panel)
    place = panel["gridPos"]
    if place["w"] < SMALLEST_WIDTH or place["h"] < SMALLEST_HEIGHT:
        yield f"is {place['w']} x {place['h']}: too small to be read from afar"
    source = panel.get("datasource", {})
    if DATA_SOURCES.get(source.get("type")) != source.get("uid"):
        yield f"asks the data source {source.get('uid')!r}, which is not provisioned"
    if panel["type"] in WITHOUT_QUERY:
        return
    defaults = panel.get("fieldConfig", {}).get("defaults", {})
    for name, why in (
        ("unit", "no unit"),
        ("thresholds", "no thresholds"),
        ("noValue", "no word for when there is no data"),
    ):
        if not defaults.get(name):
            yield f"has {why}"
    targets = panel.get("targets", [])
    if not 0 < len(targets) <= (MOST_QUERIES if panel["type"] != "table" else 2 * MOST_QUERIES):
        yield f"has {len(targets)} queries"
    for target in targets:
        yield from _of_target(panel, target, variables)


def _of_words(panel: Json) -> Iterator[str]:
    if len(panel.get("description", "")) < SHORTEST_DESCRIPTION or not panel["description"].endswith("."):
        yield "tells a learner too little: its description has to be a sentence"
    if not panel.get("title"):
        yield "has no title"


def _of_target(panel: Json, target: Json, variables: set[str]) -> Iterator[str]:
    promql = target.get("expr", "")
    if target.get("datasource", {}).get("uid") != DATA_SOURCES["prometheus"]:
        yield f"asks {promql!r} of another data source than its own"
    unknown = set(VARIABLE.findall(promql)) - variables - {"__range", "__interval", "__rate_interval"}
    if unknown:
        yield f"asks with ${sorted(unknown)[0]}, which the dashboard does not have"
    if "legendFormat" not in target:
        yield f"has no legend for {promql!r}"
    if bool(target.get("instant")) == bool(target.get("range")):
        yield f"asks {promql!r} neither for now nor for a range of time, or for both"
    aggregated = re.match(r"\s*(sum|min|max|count)\s*(\(|by\s*\()", promql)
    if not target.get("legendFormat") and not aggregated and panel["type"] != "stat":
        yield f"cannot tell the lines of {promql!r} apart"


def _of_annotation(mark: Json, variables: set[str]) -> Iterator[str]:
    if mark.get("datasource", {}).get("uid") != DATA_SOURCES["prometheus"]:
        yield "asks a data source that is not provisioned"
    unknown = set(VARIABLE.findall(mark.get("expr", ""))) - variables
    if unknown:
        yield f"asks with ${sorted(unknown)[0]}, which the dashboard does not have"
    if not PLACE.search(mark.get("titleFormat", "")):
        yield "says nothing of what happened"
