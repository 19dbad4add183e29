"""Every panel's query as the panel asks it: a test can ask a live Prometheus whether the panel shows anything."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

JSON_FOLDER = Path(__file__).resolve().parent / "json"


def dashboard_files() -> list[Path]:
    """The dashboards that Grafana is given."""
    return sorted(JSON_FOLDER.glob("*.json"))


def panel_queries(
    json_path: Path, *, inferenceservice: str, namespace: str, column: str = "dewp"
) -> list[tuple[str, str]]:
    """Title and PromQL of every query of a dashboard, ready for `/api/v1/query`.

    A panel of figures asks for the present, and so does its query here. A panel of lines shows the dashboard's whole
    time range: its query here is the last value that each line has in that range, so it answers whenever the panel
    shows a line, also some time after the last request.

    Raises:
        ValueError: a query has a variable that is not known here.
    """
    held = json.loads(json_path.read_text("utf-8"))
    shown = held["time"]["from"].removeprefix("now-")
    filled = {"inferenceservice": inferenceservice, "namespace": namespace, "column": column, "__range": shown}
    return [
        (panel["title"], _as_shown(target, filled))
        for panel in _panels(held["panels"])
        for target in panel.get("targets", [])
    ]


def _panels(panels: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for panel in panels:
        yield panel
        yield from _panels(panel.get("panels", []))  # a folded row holds its panels inside


def _as_shown(target: dict[str, Any], filled: dict[str, str]) -> str:
    promql = re.sub(
        r"\$\{?([A-Za-z_]\w*)\}?", lambda found: _fill(found.group(1), filled, target["expr"]), target["expr"]
    )
    return promql if target.get("instant") else f"last_over_time(({promql})[{filled['__range']}:])"


def _fill(variable: str, filled: dict[str, str], promql: str) -> str:
    if variable not in filled:
        raise ValueError(f"variable ${variable} in {promql!r} is not known: must be one of {', '.join(sorted(filled))}")
    return filled[variable]
