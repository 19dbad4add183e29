"""What is around the panels of a dashboard: rows, variables, links to the others, and what happened when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as model

from dashboards.panels import PROMETHEUS, SERVICE, Panel

MILLISECONDS = 1000


class Events(Builder[Any]):
    """Marks in every graph, from a query: Grafana's annotation, whose Prometheus fields the SDK does not have."""

    def __init__(self, name: str, colour: str, promql: str, title: str, text: str, *, is_time: bool) -> None:
        self._held = {
            "name": name,
            "datasource": PROMETHEUS,
            "enable": True,
            "hide": False,
            "iconColor": colour,
            "expr": promql,
            "step": "10s",
            "titleFormat": title,
            "textFormat": text,
            "useValueForTime": is_time,
        }

    def build(self) -> dict[str, Any]:
        """The annotation as JSON holds it."""
        return self._held


def _events(matchers: str) -> list[Builder[Any]]:
    """Changes of the traffic at the time that the series' value tells; alerts for as long as their series is there."""
    return [
        Events(
            "Promotions and canaries",
            "blue",
            f"modelyard:traffic_change_timestamp_seconds{matchers} * {MILLISECONDS}",
            "{{inferenceservice}}: version {{model_version}} {{change}}",
            "Version {{model_version}} {{change}}.",
            is_time=True,
        ),
        Events(
            "Alerts",
            "red",
            f"modelyard:alerts_firing{matchers}",
            "{{alertname}}",
            "{{alertname}} {{inferenceservice}} {{model_version}}",
            is_time=False,
        ),
    ]


def _variable(name: str, label: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(PROMETHEUS)
        .query({"query": query, "refId": name, "qryType": 1})
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
    )


def _variables(known_by: str, column_of: str) -> list[Builder[model.VariableModel]]:
    named = f'{known_by}{{namespace="$namespace"}}'
    variables: list[Builder[model.VariableModel]] = [
        _variable("namespace", "Namespace", f"label_values({known_by}, namespace)"),
        _variable("inferenceservice", "InferenceService", f"label_values({named}, inferenceservice)"),
    ]
    if column_of:
        variables.append(_variable("column", "Column", f"label_values({column_of}{{{SERVICE}}}, column)"))
    return variables


def board(
    uid: str,
    title: str,
    about: str,
    rows: Sequence[tuple[str, Sequence[Panel]]],
    *,
    known_by: str = "",
    column_of: str = "",
) -> Builder:
    """A dashboard of rows, each a topic.

    Args:
        uid: of the dashboard; it stays for ever, links name it.
        title: its name.
        about: what it answers.
        rows: topic and panels of each.
        known_by: the series whose labels fill the variables namespace and inferenceservice; without it the dashboard
            is about everything and has no variables.
        column_of: the series whose labels fill the variable column, where there is to be one.
    """
    others = dashboard.DashboardLink("Dashboards").type(model.DashboardLinkType.DASHBOARDS).tags(["modelyard"])
    built = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(about)
        .tags(["modelyard"])
        .readonly()
        .time("now-30m", "now")
        .refresh("5s")
        .timezone("browser")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .link(others.keep_time(True).include_vars(True))
        .annotations(_events(f"{{{SERVICE}}}" if known_by else ""))
    )
    for variable in _variables(known_by, column_of) if known_by else []:
        built = built.with_variable(variable)
    panel_id = 0
    for topic, panels in rows:
        panel_id += 1
        built = built.with_row(dashboard.Row(topic).id(panel_id))
        for panel in panels:
            panel_id += 1
            built = built.with_panel(panel.id(panel_id))  # type: ignore[attr-defined]
    return built
