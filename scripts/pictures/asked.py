"""What a Prometheus answers to the panels of a dashboard, over a span of time."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import aiohttp

STEP_S = 1.0


class Series(NamedTuple):
    """A line of a panel: its legend, and seconds since the span began with the values there; NaN included."""

    legend: str
    at: list[float]
    values: list[float]


class Asked:
    """Answers of one Prometheus between two moments."""

    def __init__(self, url: str, start: float, end: float) -> None:
        self._url, self._start, self._end = url, start, end

    async def panels(self, board: dict[str, Any]) -> dict[int, list[Series]]:
        """Return the series of each panel, by its id."""
        found: dict[int, list[Series]] = {}
        async with aiohttp.ClientSession() as session:
            for panel in board["panels"]:
                found[panel["id"]] = [
                    series for target in panel.get("targets", []) for series in await self._series(session, target)
                ]
        return found

    async def _series(self, session: aiohttp.ClientSession, target: dict[str, Any]) -> list[Series]:
        query = target["expr"].replace("$__rate_interval", "8s").replace("$__range", f"{self._end - self._start:.0f}s")
        asked = {"query": re.sub(r"\$\w+", ".+", query)}
        if target.get("instant"):
            path, when = "query", {"time": self._end}
        else:
            path, when = "query_range", {"start": self._start, "end": self._end, "step": STEP_S}
        async with session.get(f"{self._url}/api/v1/{path}", params=asked | when) as reply:
            body = await reply.json()
        assert body["status"] == "success", body
        return [_series(one, target["legendFormat"], self._start) for one in body["data"]["result"]]


def _series(one: dict[str, Any], legend: str, start: float) -> Series:
    """Return what Prometheus answered as a line; what was asked once is a line of one value."""
    values = one.get("values") or [one["value"]]
    return Series(
        re.sub(r"\{\{(\w+)\}\}", lambda label: one["metric"].get(label[1], ""), legend),
        [at - start for at, _ in values],
        [float(value) for _, value in values],
    )
