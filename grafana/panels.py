"""The kinds of panel the dashboards are made of, each with title, help, unit and one look."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from grafana_foundation_sdk.builders import stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders.common import (
    GraphThresholdsStyleConfig,
    ReduceDataOptions,
    StackingConfig,
    TableSortByFieldState,
    VizLegendOptions,
    VizTooltipOptions,
)
from grafana_foundation_sdk.builders.dashboard import ThresholdsConfig
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    BigValueTextMode,
    GraphDrawStyle,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    StackingMode,
    TableCellHeight,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig, DynamicConfigValue, ValueMapping

from grafana.queries import Query
from grafana.style import by_threshold, health_limits, limits, prop, state_colours

P = TypeVar(
    "P",
    stat.Panel,
    timeseries.Panel,
    table.Panel,
    statetimeline.Panel,
)
NOTHING: Final = "nothing"
# a pump that speaks every five minutes is not silent in between
SILENCE_MS: Final = 600_000


def _framed(panel: P, title: str, help_text: str, queries: Sequence[Query], width: int, height: int) -> P:
    panel.title(title).description(help_text).span(width).height(height).datasource(queries[0].source)
    for query in queries:
        panel.with_target(query)
    return panel


def figure(
    title: str,
    help_text: str,
    *queries: Query,
    unit: str,
    width: int = 3,
    height: int = 4,
    decimals: int | None = None,
    thresholds: ThresholdsConfig | None = None,
    mappings: Sequence[ValueMapping] = (),
    empty: str = "-",
    fields: str = "",
    names: bool = False,
) -> stat.Panel:
    """One or a few large figures. fields: which of a row's; '' is the numeric ones. empty: shown without data."""
    panel = _framed(stat.Panel(), title, help_text, queries, width, height)
    panel.unit(unit).no_value(empty).mappings(list(mappings)).thresholds(thresholds or limits("text"))
    panel.color_scheme(by_threshold()).graph_mode(BigValueGraphMode.NONE).color_mode(BigValueColorMode.VALUE)
    panel.text_mode(BigValueTextMode.VALUE_AND_NAME if names else BigValueTextMode.VALUE)
    panel.reduce_options(ReduceDataOptions().calcs(["lastNotNull"]).fields(fields))
    return panel if decimals is None else panel.decimals(decimals)


def lines(
    title: str,
    help_text: str,
    *queries: Query,
    unit: str,
    width: int = 12,
    height: int = 8,
    decimals: int | None = None,
    thresholds: ThresholdsConfig | None = None,
    zones: bool = False,
    lowest: float | None = None,
    highest: float | None = None,
    legend: bool = True,
    interval: str = "",
) -> timeseries.Panel:
    """Values over time. thresholds are drawn as dashed lines, with `zones` as coloured areas too."""
    panel = _framed(timeseries.Panel(), title, help_text, queries, width, height)
    panel.unit(unit).line_width(1.5).fill_opacity(0).show_points(VisibilityMode.NEVER).span_nulls(SILENCE_MS)
    panel.tooltip(VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
    mode = LegendDisplayMode.LIST if legend else LegendDisplayMode.HIDDEN
    panel.legend(VizLegendOptions().display_mode(mode).placement(LegendPlacement.BOTTOM).show_legend(legend))
    if thresholds is not None:
        style = GraphThresholdsStyleMode.DASHED_AND_AREA if zones else GraphThresholdsStyleMode.DASHED
        panel.thresholds(thresholds).thresholds_style(GraphThresholdsStyleConfig().mode(style))
    if lowest is not None:
        panel.min(lowest)
    if highest is not None:
        panel.max(highest)
    if decimals is not None:
        panel.decimals(decimals)
    return panel.interval(interval) if interval else panel


def stacked(panel: timeseries.Panel, *, bars: bool = False) -> timeseries.Panel:
    """The same with its series on top of each other."""
    panel.stacking(StackingConfig().mode(StackingMode.NORMAL).group("A")).fill_opacity(70).line_width(0 if bars else 1)
    return panel.draw_style(GraphDrawStyle.BARS) if bars else panel


def dressed(panel: P, looks: Mapping[str, Sequence[DynamicConfigValue]]) -> P:
    """The same with properties for single series, by their name."""
    for name, properties in looks.items():
        panel.override_by_name(name, list(properties))
    return panel


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table, in the order shown.

    name: in the query. width: pixels; None shares what is left. kind: 'state', 'health' or '' for its look.
    link: (title, URL) for each cell.
    """

    name: str
    title: str
    unit: str = ""
    width: int | None = None
    decimals: int | None = None
    kind: str = ""
    link: tuple[str, str] | None = None
    mappings: Sequence[ValueMapping] = ()
    thresholds: ThresholdsConfig | None = None

    def properties(self) -> list[DynamicConfigValue]:
        """What makes the column look so."""
        # a cell without a value is empty; the panel's own text is for a table without rows
        found = [prop("displayName", self.title), prop("noValue", "")]
        if self.unit:
            found.append(prop("unit", self.unit))
        if self.width is not None:
            found.append(prop("custom.width", self.width))
        if self.decimals is not None:
            found.append(prop("decimals", self.decimals))
        if self.link is not None:
            found.append(prop("links", [{"title": self.link[0], "url": self.link[1]}]))
        return found + self._colours()

    def _colours(self) -> list[DynamicConfigValue]:
        mappings = state_colours(letters=True) if self.kind == "state" else list(self.mappings)
        thresholds = health_limits(letters=True) if self.kind == "health" else self.thresholds
        found = []
        if mappings:
            found.append(prop("mappings", mappings))
        if thresholds is not None:
            found.append(prop("thresholds", thresholds.build()))
        if mappings or thresholds is not None:
            found += [prop("custom.cellOptions", {"type": "color-text"}), prop("color", {"mode": "thresholds"})]
        return found


def listing(
    title: str,
    help_text: str,
    query: Query,
    columns: Sequence[Column],
    *,
    width: int = 12,
    height: int = 9,
    sort: tuple[str, bool] | None = None,
    hidden: Sequence[str] = (),
    empty: str = NOTHING,
) -> table.Panel:
    """A table. sort: (column title, descending). hidden: columns of the query that are not shown, but may be linked."""
    panel = _framed(table.Panel(), title, help_text, [query], width, height)
    panel.no_value(empty).cell_height(TableCellHeight.SM).thresholds(limits("text"))
    order = {column.name: index for index, column in enumerate(columns)}
    options = {"indexByName": order, "excludeByName": {}, "renameByName": {}}
    panel.with_transformation(DataTransformerConfig("organize", options=options))
    for column in columns:
        panel.override_by_name(column.name, column.properties())
    for name in hidden:
        panel.override_by_name(name, [prop("custom.hidden", True)])
    if sort is not None:
        panel.sort_by([TableSortByFieldState().display_name(sort[0]).desc(sort[1])])
    return panel


def state_lines(
    title: str,
    help_text: str,
    *queries: Query,
    unit: str,
    width: int = 24,
    height: int = 10,
    thresholds: ThresholdsConfig | None = None,
    mappings: Sequence[ValueMapping] = (),
    per_page: int | None = None,
    link: tuple[str, str] | None = None,
    merge: bool = True,
) -> statetimeline.Panel:
    """One band a series that changes its colour with its value. per_page: bands shown at once."""
    panel = _framed(statetimeline.Panel(), title, help_text, queries, width, height)
    panel.unit(unit).mappings(list(mappings)).color_scheme(by_threshold()).thresholds(thresholds or limits("text"))
    panel.span_nulls(SILENCE_MS).interval("1m")
    panel.show_value(VisibilityMode.NEVER).merge_values(merge).row_height(0.86).line_width(0).fill_opacity(82)
    panel.legend(VizLegendOptions().display_mode(LegendDisplayMode.LIST).show_legend(False))
    panel.tooltip(VizTooltipOptions().mode(TooltipDisplayMode.SINGLE))
    if link is not None:
        panel.override_by_regexp(".*", [prop("links", [{"title": link[0], "url": link[1]}])])
    return panel.disable_pagination() if per_page is None else panel.per_page(per_page)
