"""Plots as SVG that stands inside a page: its colours are the page's, so that light and dark both suit it.

Matplotlib is given colours that stand for names, and each is put into the SVG as a variable of the page's style. Text
stays text, in the page's font. Plots are drawn at the width of a phone, and the page sets them side by side.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from markupsafe import Markup

INK, FAINT = "#010101", "#010102"
SERIES = ("#010111", "#010112", "#010113", "#010114")
_VARIABLES = {INK: "--ink", FAINT: "--faint"} | {colour: f"--c{at}" for at, colour in enumerate(SERIES, 1)}
_SIZE = (4.3, 2.1)
"""Inches of 72 points."""
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "tamis",
    "font.size": 9.5,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "figure.facecolor": "none",
    "legend.frameon": False,
    "legend.columnspacing": 1.2,
    "legend.fontsize": 9.5,
    "lines.linewidth": 1.4,
    "patch.linewidth": 0,
}


class Line(NamedTuple):
    """A curve; `band`: what lies around it, lows and highs."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    band: tuple[Sequence[float], Sequence[float]] | None = None


def lines(name: str, curves: Sequence[Line], x: str, marks: Sequence[float] = ()) -> Markup:
    """Return curves of shares over what `x` says. `marks`: where something happened."""
    with _drawing() as axes:
        for curve, colour in zip(curves, SERIES, strict=False):
            axes.plot(curve.x, curve.y, color=colour, label=curve.label, marker="o" if len(curve.x) < 20 else "", ms=3)
            if curve.band is not None:
                axes.fill_between(curve.x, *curve.band, color=colour, alpha=0.15, linewidth=0)
        for mark in marks:
            axes.axvline(mark, color=INK, linewidth=0.8, linestyle=":")
        axes.set_ylim(bottom=0)
        return _svg(name, axes, x, shares=True)


def histogram(name: str, edges: Sequence[float], shares: Mapping[str, Sequence[float]], x: str) -> Markup:
    """Return the shares of several kinds in the same bins, as outlines over each other."""
    with _drawing() as axes:
        for (kind, heights), colour in zip(shares.items(), SERIES, strict=False):
            axes.stairs(heights, edges, color=colour, label=kind, linewidth=1.4)
            axes.stairs(heights, edges, color=colour, fill=True, alpha=0.15)
        return _svg(name, axes, x, shares=True)


def stacked(name: str, at: Sequence[int], counts: Mapping[str, Sequence[int]], x: str) -> Markup:
    """Return bars of counts, kind upon kind."""
    with _drawing() as axes:
        below = [0] * len(at)
        for (kind, heights), colour in zip(counts.items(), SERIES, strict=False):
            axes.bar(at, heights, bottom=below, color=colour, label=kind, width=0.8, alpha=0.75)
            below = [one + other for one, other in zip(below, heights, strict=True)]
        axes.set_xlim(min(at) - 2, max(at) + 2)
        return _svg(name, axes, x, shares=False)


@contextmanager
def _drawing() -> Iterator[Any]:
    """Give axes to draw on, in our style whatever the machine's is. The margins are fixed, which halves the time."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        figure = Figure(figsize=_SIZE)
        figure.subplots_adjust(left=0.12, right=0.97, bottom=0.23, top=0.9)
        yield figure.add_subplot()


def _svg(name: str, axes: Any, x: str, *, shares: bool) -> Markup:
    """Return what was drawn. `name` keeps its ids apart from those of other plots of a page."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

    plain = FuncFormatter(lambda value, _: f"{value:,.10g}")
    axes.set_xlabel(x)
    low, high = axes.get_xlim()
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=high - low > 3))
    axes.xaxis.set_major_formatter(plain)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_formatter(PercentFormatter(1) if shares else plain)
    axes.grid(axis="y", color=FAINT, linewidth=0.4, alpha=0.4)
    axes.set_axisbelow(True)
    if len(axes.get_legend_handles_labels()[0]) > 1:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.2, handlelength=1)
    file = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    axes.figure.savefig(file, format="svg", metadata=nothing)
    return Markup(_inlined(name, file.getvalue()))  # noqa: S704  drawn here, its labels are ours


def _inlined(name: str, svg: str) -> str:
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r"(?<=<svg)(.*?)>", lambda head: _head(head[1]), svg, count=1, flags=re.DOTALL)
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font-family: [^;\"]*;", "", svg)
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    return re.sub("|".join(_VARIABLES), lambda colour: f"var({_VARIABLES[colour[0]]})", svg)


def _head(attributes: str) -> str:
    box = re.search(r'viewBox="[^"]*"', attributes)
    return f' {box[0] if box else ""} xmlns:xlink="http://www.w3.org/1999/xlink" aria-hidden="true">'
