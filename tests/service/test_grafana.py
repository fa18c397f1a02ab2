"""The dashboard shows what there is: by the published rules of dashboard-linter, and against a real Prometheus."""

from __future__ import annotations

import asyncio
import json
import math
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from needs import ROOT, need_program
from prometheus_client import generate_latest
from watched_run import events, watched_pipeline

from queues.bounded import BoundedQueue
from service.observe.metrics import Metrics, serve_metrics

GRAFANA = ROOT / "grafana"
DASHBOARD: dict[str, Any] = json.loads((GRAFANA / "dashboards" / "tamis.json").read_text(encoding="utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]
UNITS = {"short", "percentunit", "s", "reqps", "cps", "currencyUSD"}

each_panel = pytest.mark.parametrize("panel", PANELS, ids=[panel["title"] for panel in PANELS])
each_query = pytest.mark.parametrize("query", [query for _, query in QUERIES])


def sampled(metrics: Metrics) -> Metrics:
    queue: BoundedQueue[int] = BoundedQueue(8)
    queue.put_nowait(1)
    metrics.sample(lambda: {"judge": queue.statistics()}, lambda: {"main": 16, "strong": 4})
    return metrics


@pytest.fixture(scope="module")
def names() -> set[str]:
    """Every name that a scrape can hold."""
    exposed = generate_latest(sampled(Metrics(watched_pipeline())).registry).decode()
    return {re.split(r"[{ ]", line)[0] for line in exposed.splitlines() if not line.startswith("#")}


def test_the_dashboard_is_what_its_script_prints() -> None:
    script = ROOT / "scripts" / "dashboard.py"
    printed = subprocess.run([sys.executable, script], capture_output=True, check=True, text=True, encoding="utf-8")
    assert printed.stdout == (GRAFANA / "dashboards" / "tamis.json").read_text(encoding="utf-8"), (
        f"run: python {script.relative_to(ROOT)} > grafana/dashboards/tamis.json"
    )


@each_query
def test_every_metric_that_is_asked_for_exists(query: str, names: set[str]) -> None:
    asked = re.findall(r"\btamis_\w+", query)
    assert asked
    assert set(asked) <= names


def test_every_metric_is_shown_somewhere(names: set[str]) -> None:
    shown = {name for _, query in QUERIES for name in re.findall(r"\btamis_\w+", query)}
    assert {re.sub("_(sum|count)$", "_bucket", name) for name in names} == shown


@each_panel
def test_every_panel_says_what_it_shows_in_which_unit(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS


@each_panel
def test_every_panel_asks_the_chosen_data_source(panel: dict[str, Any]) -> None:
    assert {one["datasource"]["uid"] for one in (panel, *panel["targets"])} == {"${datasource}"}


@each_panel
def test_a_panel_without_data_says_so(panel: dict[str, Any]) -> None:
    (mapping,) = panel["fieldConfig"]["defaults"]["mappings"]
    assert mapping["options"] == {"match": "null+nan", "result": {"text": "No traffic", "color": "text"}}


@each_query
def test_every_selector_keeps_to_the_chosen_jobs_and_instances(query: str) -> None:
    selectors = re.findall(r"\btamis_\w+(\{[^}]*\})?", query)
    assert all(selector.startswith('{job=~"$job", instance=~"$instance"') for selector in selectors)


@each_query
def test_rates_use_the_rate_interval_and_totals_the_range(query: str) -> None:
    ranges = re.findall(r"\b(\w+)\(tamis_\w+\{[^}]*\}\[([^]]+)\]", query)
    assert set(ranges) <= {("rate", "$__rate_interval"), ("increase", "$__range")}


@each_query
def test_counters_are_never_shown_raw(query: str) -> None:
    raw = re.findall(r"tamis_\w+_(?:total|bucket)\{[^}]*\}(?!\[)", query)
    assert not raw


def test_the_variables_are_as_the_linter_wants_them() -> None:
    source, job, instance = DASHBOARD["templating"]["list"]
    assert (source["name"], source["label"], source["query"]) == ("datasource", "Data source", "prometheus")
    for variable, label in ((job, "Job"), (instance, "Instance")):
        assert variable["datasource"]["uid"] == "${datasource}"
        assert (variable["label"], variable["multi"], variable["allValue"]) == (label, True, ".+")
    assert DASHBOARD["editable"] is False


def test_panels_neither_overlap_nor_leave_gaps() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len(taken) == 24 * (max(y for _, y in taken) + 1)
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_the_provisioning_names_a_data_source_and_a_folder_of_dashboards() -> None:
    source = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "prometheus.yaml").read_text())
    folder = yaml.safe_load((GRAFANA / "provisioning" / "dashboards" / "tamis.yaml").read_text())
    assert source["datasources"][0]["type"] == "prometheus"
    assert folder["providers"][0]["options"]["path"] == "/var/lib/grafana/dashboards"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@asynccontextmanager
async def prometheus(target: str, folder: Path) -> AsyncIterator[str]:
    """Run a real Prometheus that scrapes `target` five times a second; yield its URL."""
    scrape = {"job_name": "tamis", "scrape_interval": "200ms", "scrape_timeout": "200ms"}
    config = {"scrape_configs": [scrape | {"static_configs": [{"targets": [target]}]}]}
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{free_port()}"
    server = await asyncio.create_subprocess_exec(
        need_program("prometheus"),
        f"--config.file={folder / 'prometheus.yaml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--log.level=error",
    )
    try:
        yield f"http://{address}"
    finally:
        server.terminate()
        await server.wait()


async def go_on(metrics: Metrics) -> None:
    """Let the small run happen over and over, until cancelled."""
    while True:
        for event in events():
            metrics(event)
            metrics.committed(10, 0.004)
            await asyncio.sleep(0.002)


async def answer(session: aiohttp.ClientSession, url: str, query: str) -> list[float]:
    """Return the values of a query now; those that are no number are left out."""
    for variable, value in {"$__rate_interval": "2s", "$__range": "1m", "$job": ".+", "$instance": ".+"}.items():
        query = query.replace(variable, value)
    async with session.get(f"{url}/api/v1/query", params={"query": query}) as reply:
        body = await reply.json()
    assert body["status"] == "success", f"{query}: {body}"
    return [value for series in body["data"]["result"] if not math.isnan(value := float(series["value"][1]))]


async def test_every_query_returns_data_from_a_real_prometheus(tmp_path: Path) -> None:
    metrics = sampled(Metrics(watched_pipeline()))
    async with AsyncExitStack() as stack:
        served = await stack.enter_async_context(serve_metrics(metrics.registry, 0))
        target = served.removeprefix("http://").removesuffix("/metrics")
        url = await stack.enter_async_context(prometheus(target, tmp_path))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        tasks = [asyncio.create_task(metrics.measure_lag()), asyncio.create_task(go_on(metrics))]
        missing = QUERIES
        try:
            async with asyncio.timeout(60):
                while missing:
                    await asyncio.sleep(0.2)
                    try:
                        missing = [(title, query) for title, query in missing if not await answer(session, url, query)]
                    except (aiohttp.ClientConnectionError, aiohttp.ContentTypeError):
                        continue  # it is still starting, and says so in plain text
        except TimeoutError:
            pytest.fail("no data for " + "; ".join(f"{title}: {query}" for title, query in missing))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
