"""The page of a report: a template filled with figures, plots and samples; nothing in it comes from elsewhere.

What models and people wrote is text: the template escapes all, the samples are data that the script shows as text, and
the page forbids itself every request and every script but its own.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from service.human import brief, dollars, duration, percent, share
from service.report.figures import Line, histogram, lines, stacked
from service.report.samples import shown

_FOLDER = Path(__file__).parent
_LONGEST = 20_000
"""Characters of anything but the samples: a topic may be a megabyte."""
_SCORES = 12
"""Histograms of scores at the most."""


def page(
    figures: Mapping[str, Any], resolved: str, accepted: Sequence[Mapping[str, Any]], seeds: Mapping[str, Any]
) -> str:
    """Return the page. `resolved`: the pipeline that ran; `accepted` and `seeds`: samples, as `samples.py` has them."""
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_text,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=lambda value: f"{value:,}",
        brief=brief,
        dollars=dollars,
        duration=duration,
        share=lambda estimate: "-" if estimate is None else share(estimate),
        words=lambda reason: reason.replace("_", " "),
    )
    environment.globals.update(percent=percent, price=_price)
    script = (_FOLDER / "page.js").read_text("utf-8")
    return environment.get_template("page.html.jinja").render(
        **figures,
        plots=_plots(figures),
        resolved=resolved,
        drawn=accepted,
        browser=seeds,
        ways=figures["yield"],
        data=_embedded(seeds["seeds"]),
        style=Markup((_FOLDER / "page.css").read_text("utf-8")),  # noqa: S704  our own file
        script=Markup(script),  # noqa: S704  our own file
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _embedded(data: object) -> Markup:
    """Return data as JSON that can stand in a script element, where only `<` could end it."""
    return Markup(orjson.dumps(data).decode().replace("<", "\\u003c"))  # noqa: S704  there is no tag in it


def _text(value: Any) -> Any:
    """Return what an expression of the template gave, as a page can hold it."""
    return shown(value, _LONGEST) if isinstance(value, str) and not isinstance(value, Markup) else value


def _price(spent: Mapping[str, Any] | None) -> str:
    """Return what calls cost: in dollars where they have a price, else in tokens."""
    if spent is None:
        return "-"
    if spent["cost_usd"]:
        return dollars(spent["cost_usd"])
    return f"{brief(spent['tokens'])} tokens" if spent["tokens"] else "-"


def _plots(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Draw what there is to draw."""
    plots: dict[str, Any] = {"acceptance": _acceptance(figures["over_seeds"])}
    plots["diversity"] = {
        stage: _diversity(f"d{at}", found) for at, (stage, found) in enumerate(figures["diversity"].items())
    }
    if curve := figures["pass_at_k"]:
        plots["pass_at_k"] = _pass_at_k(curve["points"])
    if sizes := figures["candidates_per_seed"]:
        columns = {state: [row[state] for row in sizes] for state in ("solved", "unsolved")}
        plots["sizes"] = stacked("k", [row["candidates"] for row in sizes], columns, "candidates of a seed")
    if figures["lengths"]["edges"]:
        plots["lengths"] = histogram("l", figures["lengths"]["edges"], figures["lengths"]["shares"], "characters")
    plots["scores"] = {
        row["name"]: histogram(f"s{at}", row["edges"], row["shares"], "score")
        for at, row in enumerate(figures["scores"][:_SCORES])
        if row["edges"]
    }
    return plots


def _acceptance(steps: Sequence[Mapping[str, int]]) -> Markup:
    ends, end = [], 0
    for step in steps:
        end += step["seeds"]
        ends.append(end)
    solved = Line("seeds solved", ends, [step["solved"] / step["seeds"] for step in steps])
    accepted = Line("candidates accepted", ends, [step["accepted"] / max(step["candidates"], 1) for step in steps])
    return lines("a", [solved, accepted], "seeds, in their order")


def _diversity(name: str, found: Mapping[str, Any]) -> Markup:
    windows = found["windows"]
    kinds = {"repeated": "repeated", "distinct pairs": "distinct_2", "4-grams shared": "self_repetition"}
    curves = [
        Line(label, [one["at"] for one in windows], [one[key] for one in windows]) for label, key in kinds.items()
    ]
    alarms = [one["at"] for one in found["alarms"]]
    return lines(name, curves, "outputs", alarms)


def _pass_at_k(points: Sequence[Mapping[str, float]]) -> Markup:
    x, y, low, high = ([one[key] for one in points] for key in ("k", "value", "low", "high"))
    return lines("p", [Line("pass@k", x, y, (low, high))], "k")
