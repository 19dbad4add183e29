"""Dashboards as Grafana reads them (dashboards/json), and what the board needs of them: panels, queries, variables."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelyard.board.windows import Window
from modelyard.errors import SettingError

Json = dict[str, Any]
ORDER = ("modelyard-overview", "modelyard-service", "modelyard-model-health", "modelyard-platform")
"""Dashboards in the order of their tabs; others follow by title."""
LABEL_VALUES = re.compile(r"label_values\(\s*(?:(?P<metric>.+?)\s*,\s*)?(?P<label>[a-zA-Z_]\w*)\s*\)", re.DOTALL)
PLACE = re.compile(r"\$\{(\w+)(?::\w+)?\}|\$(\w+)|\[\[(\w+)\]\]")
LEGEND_PLACE = re.compile(r"\{\{\s*([a-zA-Z_]\w*)\s*\}\}")
VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
"""Names of Kubernetes; nothing that could end a string of PromQL."""


@dataclass(frozen=True)
class Dashboard:
    """One dashboard; `held` is its JSON, whose rows' panels are not looked into: `panels` has every one."""

    uid: str
    title: str
    held: Json

    @property
    def panels(self) -> list[Json]:
        """Panels in their order, those of collapsed rows too."""
        return list(_flat(self.held.get("panels", [])))

    @property
    def variables(self) -> list[Json]:
        """Variables that a person may choose."""
        return [held for held in self.held.get("templating", {}).get("list", []) if held.get("type") in KINDS]

    @property
    def annotations(self) -> list[Json]:
        """Annotations that are a query."""
        return [held for held in self.held.get("annotations", {}).get("list", []) if held.get("expr")]


KINDS = ("query", "custom", "constant")


def _flat(panels: list[Json]) -> Iterator[Json]:
    for panel in panels:
        yield panel
        yield from _flat(panel.get("panels") or [])


@dataclass(frozen=True)
class Query:
    """One target of a panel. `form` is `time_series`, `table` or `heatmap`."""

    ref_id: str
    promql: str
    instant: bool
    form: str
    legend: str


def read_dashboards(folder: Path) -> list[Dashboard]:
    """Every dashboard of a folder, in the order of the tabs. A file that is no dashboard (yet) is passed over."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            held = json.loads(path.read_text("utf-8"))
            found.append(Dashboard(held["uid"], held["title"], held))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    place = {uid: number for number, uid in enumerate(ORDER)}
    return sorted(found, key=lambda board: (place.get(board.uid, len(ORDER)), board.title))


def describe(board: Dashboard) -> Json:
    """What the page needs to lay a dashboard out: titles, places, fields and options, and the text of each query."""
    keys = ("id", "type", "title", "description", "gridPos", "fieldConfig", "options", "collapsed")
    return {
        "uid": board.uid,
        "title": board.title,
        "description": board.held.get("description", ""),
        "time": board.held.get("time", {}),
        "refresh": board.held.get("refresh") or "5s",
        "panels": [
            {
                **{key: panel[key] for key in keys if key in panel},
                "queries": [target.get("expr", "") for target in panel.get("targets", [])],
            }
            for panel in board.panels
        ],
        "variables": [{"name": held["name"], "label": held.get("label") or held["name"]} for held in board.variables],
    }


def find_panel(board: Dashboard, panel_id: int) -> Json:
    """A panel by its id.

    Raises:
        LookupError: there is none.
    """
    for panel in board.panels:
        if panel.get("id") == panel_id:
            return panel
    raise LookupError(f"dashboard {board.uid} has no panel {panel_id}")


def plan_queries(panel: Json, chosen: Mapping[str, str], window: Window) -> list[Query]:
    """The queries of a panel, with the variables' values in their places."""
    return [
        Query(
            ref_id=target.get("refId", "A"),
            promql=substitute(target["expr"], chosen, window),
            instant=bool(target.get("instant")) and not target.get("range"),
            form=target.get("format") or "time_series",
            legend=target.get("legendFormat") or "",
        )
        for target in panel.get("targets", [])
        if target.get("expr") and not target.get("hide")
    ]


def substitute(promql: str, chosen: Mapping[str, str], window: Window) -> str:
    """PromQL with values in place of `$name`, `${name}` and Grafana's own `$__interval`, `$__range` and the like."""
    own = {
        "__interval": f"{window.step_s}s",
        "__rate_interval": f"{max(4 * window.step_s, 60)}s",
        "__range": f"{window.range_s}s",
        "__range_s": str(window.range_s),
        "__interval_ms": str(window.step_s * 1000),
    }

    def put(found: re.Match[str]) -> str:
        name = found[1] or found[2] or found[3]
        return own.get(name) or chosen.get(name, found[0])

    return PLACE.sub(put, promql)


def check_values(chosen: Mapping[str, str]) -> None:
    """Refuse what is no name: a value stands within a string of PromQL.

    Raises:
        SettingError: names the variable and its value.
    """
    for name, value in chosen.items():
        if value and not VALUE.fullmatch(value):
            raise SettingError(f"{name} is {value!r}", allowed="letters, digits, '-', '_' and '.'")


def label_query(variable: Json) -> tuple[str, str] | None:
    """Selector ("" for every series) and label of a variable that asks `label_values(SELECTOR, LABEL)`."""
    query = variable.get("query")
    text = query.get("query", "") if isinstance(query, dict) else str(query or "")
    found = LABEL_VALUES.fullmatch(text.strip())
    return (found["metric"] or "", found["label"]) if found else None


def fixed_values(variable: Json) -> list[str]:
    """Values of a variable that lists them itself."""
    query = variable.get("query")
    return [part.strip() for part in query.split(",") if part.strip()] if isinstance(query, str) else []


def choose_value(values: list[str], asked: str) -> str:
    """The value asked for where there is such a one, else the first; "" where there is none."""
    return asked if asked in values else (values[0] if values else "")


def render_legend(form: str, labels: Mapping[str, str]) -> str:
    """The name of a series: `{{label}}` in its place, else the series as Prometheus writes it."""
    if form and form != "__auto":
        return LEGEND_PLACE.sub(lambda found: labels.get(found[1], ""), form).strip()
    name = labels.get("__name__", "")
    inside = ", ".join(f'{key}="{value}"' for key, value in labels.items() if key != "__name__")
    return f"{name}{{{inside}}}" if inside else name
