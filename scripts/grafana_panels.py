"""How panels, rows and queries of a dashboard are written, without what is on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH = 24
Query = tuple[str, str]
"""A PromQL expression and the legend of its series."""


def of(name: str, *matchers: str) -> str:
    """Return the selector of a metric, within the chosen jobs and instances."""
    inside = ", ".join(['job=~"$job"', 'instance=~"$instance"', *matchers])
    return f"tamis_{name}{{{inside}}}"


def summed(by: str) -> str:
    return f"sum by ({by}) " if by else "sum"


def per_second(name: str, by: str = "", *matchers: str) -> str:
    return f"{summed(by)}(rate({of(name, *matchers)}[$__rate_interval]))"


def so_far(name: str, by: str = "", *matchers: str) -> str:
    return f"{summed(by)}(increase({of(name, *matchers)}[$__range]))"


def now(name: str, by: str) -> str:
    return f"{summed(by)}({of(name)})"


def worst(name: str, how: str = "max") -> str:
    """Return the extreme of what cannot be added up, by stage."""
    return f"{how} by (stage) ({of(name)})"


def quantile(share: float, name: str, by: str = "") -> str:
    buckets = per_second(f"{name}_seconds_bucket", "le" + f", {by}" * bool(by))
    return f"histogram_quantile({share}, {buckets})"


def quantiles(name: str, by: str = "") -> list[Query]:
    legend = f" {{{{{by}}}}}" if by else ""
    return [(quantile(share, name, by), f"p{share * 100:.0f}{legend}") for share in (0.5, 0.95, 0.99)]


def panel(
    kind: str, title: str, text: str, unit: str, queries: Sequence[Query], width: int, **more: Any
) -> dict[str, Any]:
    defaults = {"unit": unit, "mappings": [NO_TRAFFIC], **more}
    return {
        "type": kind,
        "title": title,
        "description": text,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": SOURCE, "expr": expr, "legendFormat": legend}
            for index, (expr, legend) in enumerate(queries)
        ],
        "options": OPTIONS[kind],
        "gridPos": {"w": width, "h": HEIGHTS[kind]},
    }


def stat(title: str, text: str, unit: str, expr: str, *, green: float, yellow: float, red: float) -> dict[str, Any]:
    """Return a stat whose colour tells; `green` above `red` means that more is better."""
    steps = [("red", None), ("yellow", yellow), ("green", green)]
    if green < red:
        steps = [("green", None), ("yellow", yellow), ("red", red)]
    thresholds = {"mode": "absolute", "steps": [{"color": color, "value": value} for color, value in steps]}
    return panel("stat", title, text, unit, [(expr, title)], 4, thresholds=thresholds)


def lines(title: str, text: str, unit: str, *queries: Query, width: int = 8, stacked: bool = False) -> dict[str, Any]:
    custom = {"fillOpacity": 20 if stacked else 0, "stacking": {"mode": "normal" if stacked else "none"}}
    return panel("timeseries", title, text, unit, queries, width, custom=custom, min=0)


def bars(title: str, text: str, unit: str, *queries: Query, width: int = 8) -> dict[str, Any]:
    return panel("bargauge", title, text, unit, queries, width, min=0)


NO_TRAFFIC = {"type": "special", "options": {"match": "null+nan", "result": {"text": "No traffic", "color": "text"}}}
HEIGHTS = {"stat": 4, "timeseries": 8, "bargauge": 8}
OPTIONS: dict[str, dict[str, Any]] = {
    "stat": {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value", "graphMode": "area"},
    "timeseries": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
    "bargauge": {"reduceOptions": {"calcs": ["lastNotNull"]}, "orientation": "horizontal", "displayMode": "basic"},
}


def placed(rows: Mapping[str, Sequence[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    """Yield the rows and panels with ids and places: left to right under the row's title."""
    top = number = 0
    for title, panels in rows.items():
        number += 1
        row = {"type": "row", "title": title, "collapsed": False, "panels": []}
        yield row | {"id": number, "gridPos": _at(0, top, WIDTH, 1)}
        top, left = top + 1, 0
        for one in panels:
            number += 1
            size = one["gridPos"]
            yield one | {"id": number, "gridPos": _at(left, top, size["w"], size["h"])}
            left += size["w"]
        assert left == WIDTH, f"the row {title} is {left} wide"
        top += max(one["gridPos"]["h"] for one in panels)


def _at(x: int, y: int, w: int, h: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": w, "h": h}


def variable(name: str, label: str) -> dict[str, Any]:
    query = f"label_values(tamis_build_info, {name})"
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "definition": query,
        "includeAll": True,
        "multi": True,
        "allValue": ".+",
        "current": {"text": "All", "value": "$__all"},
        "refresh": 2,
        "sort": 1,
    }
