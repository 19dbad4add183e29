"""Panels as this project draws them, on top of Grafana's foundation SDK: one data source, one look, few words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import alertgroups, bargauge, common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.builders import statetimeline as timeline_builder
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

PROMETHEUS = model.DataSourceRef(type_val="prometheus", uid="modelyard-prometheus")
ALERTMANAGER_UID = "modelyard-alertmanager"
SERVICE = 'namespace="$namespace",inferenceservice="$inferenceservice"'
"""Label matchers that choose the InferenceService which the dashboard's variables name."""

PANEL_HEIGHT = 8
NUMBER_HEIGHT = 4
GREEN, RED = "green", "red"

Panel = Builder[model.Panel]


@dataclass(frozen=True)
class Limit:
    """A value that the panel marks; `bad_above` says on which side of it things are wrong."""

    value: float
    bad_above: bool = True

    def steps(self) -> list[model.Threshold]:
        """Colours from below the limit to above it."""
        below, above = (GREEN, RED) if self.bad_above else (RED, GREEN)
        return [model.Threshold(value=None, color=below), model.Threshold(value=self.value, color=above)]


def _thresholds(limit: Limit | None) -> dashboard.ThresholdsConfig:
    steps = limit.steps() if limit else [model.Threshold(value=None, color=GREEN)]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps)


def _targets(queries: Sequence[tuple[str, str]], *, instant: bool) -> list[Builder]:
    """Query and legend of each line; an instant one tells only the present value."""
    targets: list[Builder] = []
    for ref_id, (promql, legend) in zip("ABCDEFGH", queries, strict=False):
        target = prometheus.Dataquery().expr(promql).legend_format(legend).ref_id(ref_id).datasource(PROMETHEUS)
        target.format(PromQueryFormat.TIME_SERIES)
        targets.append(target.instant() if instant else target.range())
    return targets


def graph(
    title: str,
    about: str,
    queries: Sequence[tuple[str, str]],
    *,
    unit: str,
    span: int = 12,
    limit: Limit | None = None,
    top: float | None = None,
    bottom: float | None = 0,
) -> Panel:
    """Lines over time; `limit` is drawn as a dashed line, `bottom` and `top` are the axis' ends (None: none)."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(about)
        .datasource(PROMETHEUS)
        .targets(_targets(queries, instant=False))
        .unit(unit)
        .height(PANEL_HEIGHT)
        .span(span)
        .line_width(2)
        .fill_opacity(8)
        .show_points(kinds.VisibilityMode.NEVER)
        .thresholds(_thresholds(limit))
        .legend(_legend())
        .tooltip(common.VizTooltipOptions().mode(kinds.TooltipDisplayMode.MULTI).sort(kinds.SortOrder.DESCENDING))
    )
    if limit:
        dashed = common.GraphThresholdsStyleConfig().mode(kinds.GraphTresholdsStyleMode.DASHED)
        panel = panel.thresholds_style(dashed).axis_soft_max(limit.value * 1.2)
    if bottom is not None:
        panel = panel.min(bottom)
    if top is not None:
        panel = panel.max(top)
    return panel


def _legend() -> common.VizLegendOptions:
    """Below the graph, with the last value of each line."""
    table = common.VizLegendOptions().display_mode(kinds.LegendDisplayMode.TABLE).show_legend(True)
    return table.placement(kinds.LegendPlacement.BOTTOM).calcs(["lastNotNull"])


def number(
    title: str,
    about: str,
    promql: str,
    legend: str,
    *,
    unit: str = "short",
    span: int = 4,
    limit: Limit | None = None,
    words: dict[str, tuple[str, str]] | None = None,
    decimals: int | None = None,
) -> Panel:
    """The present value in large figures, one for each series; `words` gives values a text and a colour."""
    panel = (
        stat.Panel()
        .title(title)
        .description(about)
        .datasource(PROMETHEUS)
        .targets(_targets([(promql, legend)], instant=True))
        .unit(unit)
        .height(NUMBER_HEIGHT)
        .span(span)
        .thresholds(_thresholds(limit))
        .color_mode(kinds.BigValueColorMode.VALUE)
        .graph_mode(kinds.BigValueGraphMode.NONE)
        .text_mode(kinds.BigValueTextMode.VALUE_AND_NAME if legend else kinds.BigValueTextMode.VALUE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    )
    if decimals is not None:
        panel = panel.decimals(decimals)
    if words:
        results = {
            value: model.ValueMappingResult(text=text, color=color, index=index)
            for index, (value, (text, color)) in enumerate(words.items())
        }
        panel = panel.mappings([model.ValueMap(options=results)])
    return panel


def bars(
    title: str, about: str, promql: str, legend: str, *, unit: str = "short", span: int = 12, limit: Limit | None = None
) -> Panel:
    """The present values as bars, in the query's order."""
    return (
        bargauge.Panel()
        .title(title)
        .description(about)
        .datasource(PROMETHEUS)
        .targets(_targets([(promql, legend)], instant=True))
        .unit(unit)
        .min(0)
        .height(PANEL_HEIGHT)
        .span(span)
        .thresholds(_thresholds(limit))
        .orientation(kinds.VizOrientation.HORIZONTAL)
        .display_mode(kinds.BarGaugeDisplayMode.BASIC)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    )


def stretches(title: str, about: str, promql: str, legend: str, *, span: int = 12) -> Panel:
    """When each series was there, as coloured stretches of time."""
    return (
        timeline_builder.Panel()
        .title(title)
        .description(about)
        .datasource(PROMETHEUS)
        .targets(_targets([(promql, legend)], instant=False))
        .height(PANEL_HEIGHT)
        .span(span)
        .thresholds(_thresholds(Limit(1)))
        .show_value(kinds.VisibilityMode.NEVER)
        .line_width(0)
        .fill_opacity(70)
        .no_value("no alert in this time")
    )


def alert_list(title: str, about: str, *, span: int = 12) -> Panel:
    """The alerts that Alertmanager holds now."""
    return (
        alertgroups.Panel()
        .title(title)
        .description(about)
        .datasource(model.DataSourceRef(type_val="alertmanager", uid=ALERTMANAGER_UID))
        .height(PANEL_HEIGHT)
        .span(span)
        .alertmanager("Alertmanager")
        .labels("")
        .expand_all(True)
    )


def _variable(name: str, label: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(PROMETHEUS)
        .query({"query": query, "refId": name, "qryType": 1})
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
    )


def board(uid: str, title: str, about: str, rows: Sequence[tuple[str, Sequence[Panel]]], *, known_by: str) -> Builder:
    """A dashboard of rows, each a topic; `known_by` is the series whose labels fill the variables."""
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
        .with_variable(_variable("namespace", "Namespace", f"label_values({known_by}, namespace)"))
        .with_variable(
            _variable(
                "inferenceservice",
                "InferenceService",
                f'label_values({known_by}{{namespace="$namespace"}}, inferenceservice)',
            )
        )
    )
    panel_id = 0
    for topic, panels in rows:
        panel_id += 1
        built = built.with_row(dashboard.Row(topic).id(panel_id))
        for panel in panels:
            panel_id += 1
            built = built.with_panel(panel.id(panel_id))  # type: ignore[attr-defined]
    return built
