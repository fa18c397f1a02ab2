"""Panels, rows, variables and annotations as all dashboards have them, by Grafana's own library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.models.common import (
    BarGaugeDisplayMode,
    BigValueColorMode,
    BigValueGraphMode,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    AnnotationQuery,
    DashboardLinkType,
    DashboardSpecialValueMapOptions,
    DataSourceRef,
    GridPos,
    SpecialValueMap,
    SpecialValueMatch,
    Threshold,
    ThresholdsMode,
    ValueMappingResult,
    VariableOption,
    VariableRefresh,
    VariableSort,
)
from queries import CHOSEN, Query, most, of, per_second, quantile, share

SOURCE = DataSourceRef("prometheus", "${datasource}")
WIDTH, STAT_HEIGHT, HEIGHT = 24, 4, 8
QUIET = "No traffic"
Panel = Any
"""A builder of a panel; the library has a class for each kind, and none for them all."""


class Colours(NamedTuple):
    """From which value on a number is green, yellow, red; `green` above `red` means that more is better."""

    green: float
    yellow: float
    red: float


RARE = Colours(green=0, yellow=0.01, red=0.05)
"""Of shares of what ought not to happen."""


def _panel(panel: Panel, title: str, text: str, unit: str, queries: Sequence[Query], height: int) -> Panel:
    quiet = DashboardSpecialValueMapOptions(SpecialValueMatch.NULL_AND_NAN, ValueMappingResult(QUIET, "text", None, 0))
    panel.title(title).description(text).unit(unit).datasource(SOURCE).height(height)
    panel.mappings([SpecialValueMap(quiet)]).no_value(QUIET)
    for index, (expr, legend) in enumerate(queries):
        query = prometheus.Dataquery().expr(expr).legend_format(legend).datasource(SOURCE)
        query = query.instant() if expr.startswith("sort") else query.range()  # only what is asked once has an order
        panel.with_target(query.ref_id(chr(ord("A") + index)))
    return panel


def figure(title: str, text: str, unit: str, expr: str, colours: Colours | None = None) -> Panel:
    """Return one number, and what its colour tells; without colours it is neither good nor bad."""
    steps = [Threshold(None, "text")]
    if colours is not None:
        green, yellow, red = colours
        steps = [Threshold(None, "red"), Threshold(yellow, "yellow"), Threshold(green, "green")]
        if green < red:
            steps = [Threshold(None, "green"), Threshold(yellow, "yellow"), Threshold(red, "red")]
    panel = _panel(stat.Panel(), title, text, unit, [(expr, title)], STAT_HEIGHT)
    panel.thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
    panel.color_mode(BigValueColorMode.VALUE).graph_mode(BigValueGraphMode.AREA)
    return panel.reduce_options(_last())


def lines(title: str, text: str, unit: str, *queries: Query, stacked: bool = False) -> Panel:
    panel = _panel(timeseries.Panel(), title, text, unit, queries, HEIGHT)
    panel.min(0).line_width(1).fill_opacity(20 if stacked else 0).show_points(VisibilityMode.NEVER)
    panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL if stacked else StackingMode.NONE))
    panel.tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    legend = common.VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
    return panel.legend(legend.show_legend(True))


def bars(title: str, text: str, unit: str, *queries: Query) -> Panel:
    """Return bars as they are at the end of the range shown, of each query the longest first."""
    ordered = [(f"sort_desc({expr})", legend) for expr, legend in queries]
    panel = _panel(bargauge.Panel(), title, text, unit, ordered, HEIGHT)
    panel.min(0).orientation(VizOrientation.HORIZONTAL).display_mode(BarGaugeDisplayMode.BASIC)
    return panel.reduce_options(_last())


def failing(*matchers: str, more: str = "") -> Panel:
    """Return the share of attempts that fail; `more` is told besides."""
    text = f"Errors, time-outs and unreadable bodies, as a share of the attempts.{more}"
    wrong = per_second("calls_total", "", *matchers, 'outcome=~"error|timeout|invalid"')
    expr = share(wrong, per_second("calls_total", "", *matchers))
    return figure("Attempts that fail", text, "percentunit", expr, RARE)


def refused(text: str, *matchers: str) -> Panel:
    """Return the share of attempts that are refused."""
    expr = share(per_second("rate_limited_total", "", *matchers), per_second("calls_total", "", *matchers))
    return figure("Attempts refused", text, "percentunit", expr, RARE)


def slow(*matchers: str) -> Panel:
    """Return what the slowest calls take."""
    text = "One attempt in twenty takes longer than this on the wire."
    expr = quantile(0.95, "call_duration_seconds", "", *matchers)
    return figure("Slow calls (p95)", text, "s", expr, Colours(green=0, yellow=30, red=120))


def left_alone(*matchers: str) -> Panel:
    """Return how many servers of each endpoint are left alone."""
    text = "Servers of an endpoint that failed again and again. They are asked now and then whether they are back."
    query = most("breaker_open", "endpoint", "max", *matchers), "{{endpoint}}"
    return lines("Servers left alone", text, "short", query)


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"])


class Event(AnnotationQuery):
    """An annotation whose value is its time, in ms; the library does not know these keys of Prometheus's plugin."""

    def to_json(self) -> dict[str, object]:
        return super().to_json() | {"useValueForTime": True, "titleFormat": self.name, "textFormat": "{{instance}}"}

    def build(self) -> AnnotationQuery:
        """Stand where the library takes a builder."""
        return self


def _events() -> list[Event]:
    """Jobs that begin and end, and processes that Prometheus sees no longer: a run's, when it is over."""
    alive = of("build_info")
    gone = f"max_over_time(timestamp({alive})[10m:15s]) * 1000 unless {alive}"
    kinds = {
        "A job begins": ("green", f"{of('job_started_timestamp_seconds')} * 1000"),
        "A job ends": ("blue", f"{of('job_ended_timestamp_seconds')} * 1000"),
        "A process is gone": ("purple", gone),
    }
    return [Event(name=name, datasource=SOURCE, icon_color=colour, expr=expr) for name, (colour, expr) in kinds.items()]


def choice(name: str, label: str, query: str) -> dashboard.QueryVariable:
    """Return a variable whose values are those of a label; `.+` stands for all of them."""
    variable = dashboard.QueryVariable(name).label(label).datasource(SOURCE)
    variable.query({"query": query, "refId": name}).refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
    variable.sort(VariableSort.ALPHABETICAL_ASC).multi(True).include_all(True).all_value(".+")
    return variable.current(VariableOption(text="All", value="$__all", selected=True))


def ours(name: str, label: str, figure_of: str) -> dashboard.QueryVariable:
    """Return a variable with the values of a label of one of our figures, within the chosen jobs."""
    chosen = "" if name == "job" else f"{{{CHOSEN[0]}}}" if name == "instance" else f"{{{', '.join(CHOSEN)}}}"
    return choice(name, label, f"label_values(tamis_{figure_of}{chosen}, {name})")


def page(
    uid: str, title: str, text: str, rows: Mapping[str, Sequence[Panel]], *more: dashboard.QueryVariable
) -> dashboard.Dashboard:
    """Put a dashboard together. The panels of a row share its width evenly."""
    built = dashboard.Dashboard(title).uid(uid).description(text).tags(["tamis"]).readonly()
    built.time("now-30m", "now").refresh("10s").version(1)
    built.with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
    for variable in (ours("job", "Job", "build_info"), ours("instance", "Instance", "build_info"), *more):
        built.with_variable(variable)
    built.annotations(_events())
    link = dashboard.DashboardLink("tamis").type(DashboardLinkType.DASHBOARDS).tags(["tamis"])
    built.link(link.keep_time(True).include_vars(True).as_dropdown(False))
    top = number = 0
    for name, panels in rows.items():
        number += 1
        built.with_row(dashboard.Row(name).id(number).grid_pos(GridPos(x=0, y=top, w=WIDTH, h=1)))
        width, height = WIDTH // len(panels), panels[0].build().grid_pos.h
        for place, panel in enumerate(panels):
            number += 1
            built.with_panel(panel.id(number).grid_pos(GridPos(x=place * width, y=top + 1, w=width, h=height)))
        top += 1 + height
    return built
