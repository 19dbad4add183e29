"""Panels as this project draws them, on top of Grafana's foundation SDK: one data source, one look, few words.

What else draws them from the JSON needs to know: `instant` targets tell the present, the others the dashboard's time
range; a table has one column a target (its legend is the column's name) and one row a set of labels; a distribution
has one group of bars a value of the label `range`, in the order of the label `bin`, and one bar a value of the label
`side`; a heat map's samples are cumulative buckets with the label `le`, in the unit of its axis.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import (
    alertgroups,
    barchart,
    bargauge,
    common,
    dashboard,
    prometheus,
    stat,
    timeseries,
)
from grafana_foundation_sdk.builders import heatmap as heatmap_builder
from grafana_foundation_sdk.builders import statetimeline as timeline_builder
from grafana_foundation_sdk.builders import table as table_builder
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import heatmap as heatmap_kinds
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

PROMETHEUS = model.DataSourceRef(type_val="prometheus", uid="modelyard-prometheus")
ALERTMANAGER_UID = "modelyard-alertmanager"
SERVICE = 'namespace="$namespace",inferenceservice="$inferenceservice"'
"""Label matchers that choose the InferenceService which the dashboard's variables name."""

PANEL_HEIGHT = 9
NUMBER_HEIGHT = 4
GREEN, YELLOW, RED = "green", "yellow", "red"
REF_IDS = "ABCDEFGH"

Panel = Builder[model.Panel]
Words = Mapping[str, tuple[str, str]]
"""Text and colour of values."""


@dataclass(frozen=True)
class Limit:
    """A value that the panel marks; `bad_above` says on which side of it things are wrong, `near` where it warns."""

    value: float
    bad_above: bool = True
    near: float | None = None

    def steps(self) -> list[model.Threshold]:
        """Colours from below the limit to above it."""
        colours = [GREEN, RED] if self.near is None else [GREEN, YELLOW, RED]
        marks = sorted({self.value, self.value if self.near is None else self.near})
        ordered = colours if self.bad_above else colours[::-1]
        return [model.Threshold(value=at, color=colour) for at, colour in zip([None, *marks], ordered, strict=True)]


def _thresholds(limit: Limit | None) -> dashboard.ThresholdsConfig:
    steps = limit.steps() if limit else [model.Threshold(value=None, color=GREEN)]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps)


def _targets(
    queries: Sequence[tuple[str, str]], *, instant: bool, form: PromQueryFormat = PromQueryFormat.TIME_SERIES
) -> list[Builder]:
    """Query and legend of each line; an instant one tells only the present value."""
    targets: list[Builder] = []
    for ref_id, (promql, legend) in zip(REF_IDS, queries, strict=False):
        target = prometheus.Dataquery().expr(promql).legend_format(legend).ref_id(ref_id).datasource(PROMETHEUS)
        target.format(form)
        targets.append(target.instant() if instant else target.range())
    return targets


def _mappings(words: Words) -> list[model.ValueMapping]:
    results = {
        value: model.ValueMappingResult(text=text, color=color, index=index)
        for index, (value, (text, color)) in enumerate(words.items())
    }
    return [model.ValueMap(options=results)]


def _legend() -> common.VizLegendOptions:
    """Below the graph, with the last value of each line."""
    table = common.VizLegendOptions().display_mode(kinds.LegendDisplayMode.TABLE).show_legend(True)
    return table.placement(kinds.LegendPlacement.BOTTOM).calcs(["lastNotNull"])


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
    stacked: bool = False,
    empty: str = "no data in this time",
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
        .line_width(1 if stacked else 2)
        .fill_opacity(70 if stacked else 8)
        .show_points(kinds.VisibilityMode.NEVER)
        .thresholds(_thresholds(limit))
        .legend(_legend())
        .no_value(empty)
        .tooltip(common.VizTooltipOptions().mode(kinds.TooltipDisplayMode.MULTI).sort(kinds.SortOrder.DESCENDING))
    )
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(kinds.StackingMode.NORMAL).group("A"))
    if limit:
        dashed = common.GraphThresholdsStyleConfig().mode(kinds.GraphTresholdsStyleMode.DASHED)
        panel = panel.thresholds_style(dashed).axis_soft_max(limit.value * 1.2)
    if bottom is not None:
        panel = panel.min(bottom)
    if top is not None:
        panel = panel.max(top)
    return panel


def number(
    title: str,
    about: str,
    promql: str,
    legend: str,
    *,
    unit: str = "short",
    span: int = 6,
    limit: Limit | None = None,
    words: Words | None = None,
    decimals: int | None = None,
    empty: str = "no data",
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
        .no_value(empty)
    )
    if decimals is not None:
        panel = panel.decimals(decimals)
    return panel.mappings(_mappings(words)) if words else panel


def bars(
    title: str,
    about: str,
    promql: str,
    legend: str,
    *,
    unit: str = "short",
    span: int = 12,
    limit: Limit | None = None,
    empty: str = "no data",
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
        .no_value(empty)
    )


def distribution(title: str, about: str, promql: str, *, span: int = 12, empty: str = "no window yet") -> Panel:
    """Two distributions side by side: groups of bars by the label `range`, one bar a value of the label `side`."""
    pivot = {"rowField": "range", "columnField": "side", "valueField": "Value"}
    return (
        barchart.Panel()
        .title(title)
        .description(about)
        .datasource(PROMETHEUS)
        .targets(_targets([(promql, "{{side}}")], instant=True, form=PromQueryFormat.TABLE))
        .transformations(
            [
                model.DataTransformerConfig(id_val="sortBy", options={"fields": {}, "sort": [{"field": "bin"}]}),
                model.DataTransformerConfig(id_val="groupingToMatrix", options=pivot),
            ]
        )
        .x_field("range\\side")
        .unit("percentunit")
        .min(0)
        .height(PANEL_HEIGHT)
        .span(span)
        .thresholds(_thresholds(None))
        .orientation(kinds.VizOrientation.VERTICAL)
        .show_value(kinds.VisibilityMode.NEVER)
        .stacking(kinds.StackingMode.NONE)
        .group_width(0.8)
        .bar_width(0.95)
        .fill_opacity(80)
        .line_width(0)
        .legend(common.VizLegendOptions().display_mode(kinds.LegendDisplayMode.LIST).show_legend(True))
        .no_value(empty)
    )


def heat_map(
    title: str, about: str, promql: str, *, unit: str, span: int = 12, empty: str = "no request in this time"
) -> Panel:
    """Time from left to right, buckets from below, and how much falls into each; `unit` is that of the label `le`."""
    colour = heatmap_builder.HeatmapColorOptions().mode(heatmap_kinds.HeatmapColorMode.SCHEME).scheme("Oranges")
    return (
        heatmap_builder.Panel()
        .title(title)
        .description(about)
        .datasource(PROMETHEUS)
        .targets(_targets([(promql, "{{le}}")], instant=False, form=PromQueryFormat.HEATMAP))
        .unit("reqps")
        .height(PANEL_HEIGHT)
        .span(span)
        .thresholds(_thresholds(None))
        .calculate(False)
        .color(colour.exponent(0.5).fill("dark-orange").steps(64).reverse(False))
        .y_axis(heatmap_builder.YAxisConfig().unit(unit).axis_placement(kinds.AxisPlacement.LEFT))
        .cell_values(heatmap_builder.CellValues().unit("reqps"))
        .scale_distribution(common.ScaleDistributionConfig().type(kinds.ScaleDistribution.LINEAR))
        .no_value(empty)
    )


def table(
    title: str,
    about: str,
    queries: Sequence[tuple[str, str, str]],
    *,
    labels: Mapping[str, str],
    span: int = 12,
    height: int = PANEL_HEIGHT,
    empty: str = "no data",
) -> Panel:
    """The present values, one column a query.

    Args:
        title: the question.
        about: what it shows.
        queries: PromQL, column and unit of each; what they find has these labels and maybe others.
        labels: which labels are columns, and their names, in order.
        span: width, of 24.
        height: of the panel.
        empty: what stands where there is none.
    """
    by = ", ".join(labels)
    values = {f"Value #{ref_id}": column for ref_id, (_, column, _) in zip(REF_IDS, queries, strict=False)}
    renamed = {**labels, **values}
    order = {name: index for index, name in enumerate(renamed)}
    panel = (
        table_builder.Panel()
        .title(title)
        .description(about)
        .datasource(PROMETHEUS)
        .targets(
            # without `max by` the name of each series would be a column, and no row of two queries would be the same
            _targets(
                [(f"max by ({by}) ({promql})", column) for promql, column, _ in queries],
                instant=True,
                form=PromQueryFormat.TABLE,
            )
        )
        .transformations(
            [
                model.DataTransformerConfig(id_val="merge", options={}),
                model.DataTransformerConfig(
                    id_val="organize",
                    options={"excludeByName": {"Time": True}, "indexByName": order, "renameByName": renamed},
                ),
            ]
        )
        .unit("short")
        .height(height)
        .span(span)
        .thresholds(_thresholds(None))
        .show_header(True)
        .no_value(empty)
    )
    for _, column, unit in queries:
        panel = panel.override_by_name(column, [model.DynamicConfigValue(id_val="unit", value=unit)])
    return panel


def stretches(
    title: str,
    about: str,
    promql: str,
    legend: str,
    *,
    span: int = 12,
    height: int = PANEL_HEIGHT,
    unit: str = "short",
    limit: Limit | None = None,
    words: Words | None = None,
    show_values: bool = False,
    empty: str = "nothing in this time",
) -> Panel:
    """One row a series, coloured by its value over time; where it has none the row is blank."""
    panel = (
        timeline_builder.Panel()
        .title(title)
        .description(about)
        .datasource(PROMETHEUS)
        .targets(_targets([(promql, legend)], instant=False))
        .unit(unit)
        .height(height)
        .span(span)
        .thresholds(_thresholds(limit or Limit(1)))
        .color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
        .show_value(kinds.VisibilityMode.AUTO if show_values else kinds.VisibilityMode.NEVER)
        .row_height(0.85)
        .line_width(0)
        .fill_opacity(75)
        .no_value(empty)
    )
    return panel.mappings(_mappings(words)) if words else panel


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
