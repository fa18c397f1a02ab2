"""A real Prometheus on loopback, what it is asked, and rules whose minutes are seconds."""

from __future__ import annotations

import asyncio
import math
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from needs import ROOT, need_program

RULES = ROOT / "grafana" / "prometheus" / "rules.yaml"
VARIABLES = {"$__rate_interval": "4s", "$__range": "1m", "[10m:15s]": "[1m:1s]"}
HASTE = {"1h": "40s", "15m": "8s", "10m": "4s", "5m": "4s", "2m": "1s"}
"""What stands for each duration of the rules where a test cannot wait."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def hastened() -> str:
    """Return the rules as they are, but for their durations."""
    text = RULES.read_text(encoding="utf-8")
    text = re.sub(r"(\[|offset )(\d+[hm])\b", lambda found: found[1] + HASTE[found[2]], text)
    text = text.replace("oldest_seconds) > 120", "oldest_seconds) > 1")
    return re.sub(r"for: \d+m", "for: 1s", text)


class Prometheus:
    """A Prometheus that runs at `url`."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url, self._session = url, session

    async def ready(self) -> bool:
        try:
            async with self._session.get(f"{self.url}/-/ready") as reply:
                return reply.status == 200
        except aiohttp.ClientConnectionError:
            return False

    async def values(self, query: str) -> list[float]:
        """Return the values of a query now; those that are no number are left out."""
        for variable, value in VARIABLES.items():
            query = query.replace(variable, value)
        query = re.sub(r"\$\w+", ".+", query)
        async with self._session.get(f"{self.url}/api/v1/query", params={"query": query}) as reply:
            body = await reply.json()
        assert body["status"] == "success", f"{query}: {body}"
        return [value for series in body["data"]["result"] if not math.isnan(value := float(series["value"][1]))]

    async def has_data(self, queries: Iterable[tuple[str, str]]) -> None:
        """Return when each of these, a title and a query, has had data once."""
        missing = list(queries)

        async def complete() -> bool:
            missing[:] = [(title, query) for title, query in missing if not await self.values(query)]
            return not missing

        await until(complete, lambda: "data for " + "; ".join(f"{title}: {query}" for title, query in missing))

    async def tells(self, *fire: str, quiet: Sequence[str] = ()) -> None:
        """Return when these alerts fire and those others do not."""
        now = set[str]()

        async def as_told() -> bool:
            now.clear()
            now.update(await self._firing())
            return now.issuperset(fire) and now.isdisjoint(quiet)

        await until(as_told, lambda: f"{', '.join(fire)} without {', '.join(quiet)}, but {now}")

    async def _firing(self) -> set[str]:
        async with self._session.get(f"{self.url}/api/v1/alerts") as reply:
            body: dict[str, Any] = await reply.json()
        return {alert["labels"]["alertname"] for alert in body["data"]["alerts"] if alert["state"] == "firing"}


@asynccontextmanager
async def prometheus(targets: Mapping[str, list[str]], folder: Path, rules: str = "") -> AsyncIterator[Prometheus]:
    """Run one that scrapes these addresses (host:port), by job, twice a second."""
    every = {"scrape_interval": "500ms", "scrape_timeout": "500ms"}
    scrapes = [{"job_name": job, **every, "static_configs": [{"targets": found}]} for job, found in targets.items()]
    config = {"global": {"evaluation_interval": "500ms"}, "rule_files": ["rules.yaml"], "scrape_configs": scrapes}
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    (folder / "rules.yaml").write_text(rules)
    address = f"127.0.0.1:{free_port()}"
    server = await asyncio.create_subprocess_exec(
        need_program("prometheus"),
        f"--config.file={folder / 'prometheus.yaml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--scrape.discovery-reload-interval=200ms",
        "--log.level=error",
    )
    try:
        async with aiohttp.ClientSession() as session:
            found = Prometheus(f"http://{address}", session)
            await until(found.ready, lambda: "Prometheus")
            yield found
    finally:
        server.terminate()
        await server.wait()


async def until(holds: Callable[[], Awaitable[bool]], what: Callable[[], str], within_s: float = 60) -> None:
    """Return when it holds, asked five times a second."""
    try:
        async with asyncio.timeout(within_s):
            while not await holds():  # noqa: ASYNC110  another process knows, and is asked
                await asyncio.sleep(0.2)
    except TimeoutError:
        pytest.fail(f"no {what()} within {within_s} s")
