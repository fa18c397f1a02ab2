"""A dashboard as a picture: rows, and panels at their places, in dark as Grafana shows them."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from asked import Series
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator
from PIL import Image

mpl.use("agg")

WIDE_IN, UNIT_IN, COLUMNS, DPI = 16.0, 0.28, 24, 84
GROUND, PANEL, EDGE, TEXT, FAINT = "#111217", "#181b1f", "#2c2f36", "#d8d9dd", "#8e9097"
COLOURS = ["#73bf69", "#f2cc0c", "#5794f2", "#ff9830", "#f2495c", "#b877d9", "#8ab8ff", "#ffa6b0", "#96d98d", "#c4a000"]
NAMED = {"green": "#73bf69", "yellow": "#f2cc0c", "red": "#f2495c", "text": TEXT}
MOST_LEGENDS = 9


def shown(value: float, unit: str) -> str:
    """Write a value as its panel does, roughly."""
    if math.isnan(value):
        return "No traffic"
    if unit == "percentunit":
        return f"{value:.1%}".replace(".0%", "%")
    if unit == "currencyUSD":
        return f"${value:.3g}"
    if unit == "s":
        return f"{value * 1000:.3g} ms" if 0 < value < 1 else f"{value:.3g} s"
    after = {"reqps": " req/s", "cps": " /s"}.get(unit, "")
    return (f"{value / 1000:.4g}k" if value >= 1000 else f"{value:.3g}") + after


def drawn(board: dict[str, Any], found: dict[int, list[Series]]) -> bytes:
    """Return the dashboard as a PNG with few colours, which makes it small."""
    units = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"]) + 2
    figure = Figure(figsize=(WIDE_IN, units * UNIT_IN), facecolor=GROUND)
    figure.text(0.008, 1 - 1.2 / units, board["title"], color=TEXT, fontsize=15, weight="bold")
    for panel in board["panels"]:
        at = panel["gridPos"]
        left, top = at["x"] / COLUMNS, 1 - (at["y"] + 2) / units
        wide, high = at["w"] / COLUMNS, at["h"] / units
        if panel["type"] == "row":
            figure.text(left + 0.008, top - 0.7 * high, panel["title"], color=TEXT, fontsize=11, weight="bold")
            continue
        _panel(figure, panel, found[panel["id"]], (left, top - high, wide, high))
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=DPI, facecolor=GROUND)
    small = io.BytesIO()
    Image.open(file).convert("RGB").quantize(64, dither=Image.Dither.NONE).save(small, "png", optimize=True)
    return small.getvalue()


def _panel(figure: Figure, panel: dict[str, Any], series: list[Series], box: tuple[float, float, float, float]) -> None:
    left, low, wide, high = box
    inch_w, inch_h = 1 / WIDE_IN, 1 / figure.get_size_inches()[1]
    gap_w, gap_h = 0.05 * inch_w, 0.05 * inch_h
    size = wide - 2 * gap_w, high - 2 * gap_h
    figure.add_artist(
        Rectangle((left + gap_w, low + gap_h), *size, facecolor=PANEL, edgecolor=EDGE, linewidth=0.6, zorder=-1)
    )
    title = textwrap.shorten(panel["title"], 44)
    figure.text(left + 0.12 * inch_w, low + high - 0.24 * inch_h, title, color=TEXT, fontsize=9)
    unit = panel["fieldConfig"]["defaults"]["unit"]
    if panel["type"] == "stat":
        axes = figure.add_axes((left + 2 * gap_w, low + 2 * gap_h, wide - 4 * gap_w, 0.35 * high))
        _stat(figure, axes, panel, series, (left + 0.5 * wide, low + 0.52 * high))
    elif panel["type"] == "bargauge":
        axes = figure.add_axes((left + 0.46 * wide, low + 0.05 * high, 0.38 * wide, 0.78 * high))
        _bars(axes, series, unit)
    else:
        lines = -(-min(len(series), MOST_LEGENDS) // 3)
        below = (0.22 + 0.16 * lines) * inch_h + 0.2 * inch_h
        axes = figure.add_axes(
            (left + 0.62 * inch_w, low + below, wide - 0.75 * inch_w, high - below - 0.38 * inch_h), facecolor=PANEL
        )
        _lines(axes, panel, series, unit)


def _stat(
    figure: Figure, axes: Axes, panel: dict[str, Any], series: Sequence[Series], centre: tuple[float, float]
) -> None:
    axes.axis("off")
    values = [value for one in series for value in one.values if not math.isnan(value)]
    last = values[-1] if values else math.nan
    colour = FAINT
    for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]:
        if not math.isnan(last) and (step["value"] is None or last >= step["value"]):
            colour = NAMED[step["color"]]
    for one in series:
        axes.fill_between(one.at, one.values, color=colour, alpha=0.25, linewidth=0)
        axes.plot(one.at, one.values, color=colour, linewidth=0.8)
    axes.set_ylim(bottom=0)
    said = shown(last, panel["fieldConfig"]["defaults"]["unit"])
    figure.text(*centre, said, color=colour, fontsize=17, weight="bold", ha="center", va="center")


def _bars(axes: Axes, series: Sequence[Series], unit: str) -> None:
    last = [(one.legend, [value for value in one.values if not math.isnan(value)]) for one in series]
    ends = [(legend, values[-1]) for legend, values in last if values]
    ends = ([end for end in ends if end[1] > 0] or ends)[:12]
    axes.axis("off")
    axes.set_ylim(max(len(ends), 4) - 0.4, -0.6)
    for place, (legend, value) in enumerate(ends):
        axes.barh(place, value, color=COLOURS[place % len(COLOURS)], height=0.55)
        axes.text(
            -0.02, place, legend, transform=axes.get_yaxis_transform(), color=TEXT, fontsize=7, ha="right", va="center"
        )
        axes.text(value, place, "  " + shown(value, unit), color=TEXT, fontsize=7, va="center")


def _lines(axes: Axes, panel: dict[str, Any], series: list[Series], unit: str) -> None:
    if stacked := panel["fieldConfig"]["defaults"]["custom"]["stacking"]["mode"] == "normal":
        series = [
            one for one in series if any(value > 0 for value in one.values)
        ]  # a line of nothing hides those below
    told = sorted(series, key=lambda one: -max((v for v in one.values if not math.isnan(v)), default=0.0))
    kept = {id(one) for one in told[:MOST_LEGENDS]}
    base: dict[float, float] = {}
    for place, one in enumerate(series):
        colour = COLOURS[place % len(COLOURS)]
        values = one.values
        if stacked:
            low = [base.get(at, 0.0) for at in one.at]
            values = [under + (0.0 if math.isnan(value) else value) for under, value in zip(low, values, strict=True)]
            base |= dict(zip(one.at, values, strict=True))
            axes.fill_between(one.at, low, values, color=colour, alpha=0.25, linewidth=0)
        axes.plot(one.at, values, color=colour, linewidth=1, label=one.legend if id(one) in kept else None)
    axes.set_ylim(bottom=0)
    axes.tick_params(colors=FAINT, labelsize=7, length=0)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: f"{at // 60:.0f}:{at % 60:02.0f}"))
    axes.xaxis.set_major_locator(MultipleLocator(30))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: shown(value, unit)))
    axes.grid(color=EDGE, linewidth=0.5)
    for spine in axes.spines.values():
        spine.set_visible(False)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(
            loc="upper left",
            bbox_to_anchor=(-0.08, -0.1),
            ncols=3,
            fontsize=6.5,
            frameon=False,
            labelcolor=TEXT,
            handlelength=1,
            columnspacing=1,
            borderaxespad=0.2,
        )
