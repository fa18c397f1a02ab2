"""The dashboards are what their script writes, and keep the published rules of dashboard-linter."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from dashboards import ANNOTATIONS, DASHBOARDS, FOLDER, PANELS, QUERIES
from needs import ROOT, need_program
from watched_run import watched_pipeline

from service.observe.catalogue import COUNTERS, GAUGES, HISTOGRAMS, series

UNITS = {"short", "percentunit", "s", "reqps", "cps", "currencyUSD"}
PROVISIONING = ROOT / "grafana" / "provisioning"
VARIABLES = ["datasource", "job", "instance"]

each_board = pytest.mark.parametrize("board", DASHBOARDS.values(), ids=list(DASHBOARDS))
each_panel = pytest.mark.parametrize(
    "panel", [panel for _, panel in PANELS], ids=[f"{name}: {panel['title']}" for name, panel in PANELS]
)
each_query = pytest.mark.parametrize("query", [query for _, query in QUERIES])
NAMES = {f"tamis_{name}_total" for name in COUNTERS} | {f"tamis_{name}" for name in GAUGES}
NAMES |= {f"tamis_{name}_{part}" for name in HISTOGRAMS for part in ("bucket", "sum", "count")}


def names_in(text: str) -> set[str]:
    return set(re.findall(r"\btamis_\w+", text))


def test_the_dashboards_are_what_the_script_writes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, ROOT / "scripts" / "dashboards", tmp_path], check=True)
    written = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in tmp_path.iterdir()}
    assert written == DASHBOARDS, "run: python scripts/dashboards"


def test_there_is_a_look_at_everything_at_one_run_and_at_endpoints() -> None:
    assert set(DASHBOARDS) == {"tamis-overview", "tamis-run", "tamis-endpoints"}
    assert all(board["uid"] == name for name, board in DASHBOARDS.items())


@each_query
def test_every_metric_that_is_asked_for_exists(query: str) -> None:
    assert names_in(query) <= NAMES
    assert names_in(query) or "ALERTS{" in query or "vllm:" in query


def test_every_metric_is_shown_somewhere() -> None:
    shown = {name for text in [*(query for _, query in QUERIES), *ANNOTATIONS.values()] for name in names_in(text)}
    assert {re.sub("_(bucket|sum|count)$", "", name) for name in NAMES} == {
        re.sub("_(bucket|sum|count)$", "", name) for name in shown
    }


def test_every_series_that_is_made_has_a_name_in_the_catalogue() -> None:
    assert {name for name, *_ in series(watched_pipeline())} <= {*COUNTERS, *GAUGES}


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
    defaults = panel["fieldConfig"]["defaults"]
    (mapping,) = defaults["mappings"]
    assert mapping["options"]["match"] == "null+nan"
    assert mapping["options"]["result"]["text"] == defaults["noValue"] == "No traffic"


@each_panel
def test_every_series_has_a_legend_of_labels_that_its_query_keeps(panel: dict[str, Any]) -> None:
    references = [target["refId"] for target in panel["targets"]]
    assert len(set(references)) == len(references)
    for target in panel["targets"]:
        assert target["legendFormat"]
        kept = {label for by in re.findall(r"\bby \(([^)]*)\)", target["expr"]) for label in by.split(", ")}
        assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= kept


@each_panel
def test_a_number_has_thresholds_and_its_last_value(panel: dict[str, Any]) -> None:
    if panel["type"] == "stat":
        colours = [step["color"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]]
        assert colours in (["text"], ["green", "yellow", "red"], ["red", "yellow", "green"])
        assert panel["options"]["reduceOptions"]["calcs"] == ["lastNotNull"]


@pytest.mark.parametrize("query", [*(query for _, query in QUERIES), *ANNOTATIONS.values()])
def test_every_selector_keeps_to_the_chosen_jobs_and_instances(query: str) -> None:
    selectors = re.findall(r"\b(?:tamis_\w+|ALERTS)(\{[^}]*\})?", query)
    assert all(selector.startswith('{job=~"$job", instance=~"$instance"') for selector in selectors)
    assert all(selector == '{model_name=~"$model"}' for selector in re.findall(r"\bvllm:\w+(\{[^}]*\})?", query))


@each_query
def test_rates_use_the_rate_interval_and_totals_the_range(query: str) -> None:
    ranges = re.findall(r"\b(\w+)\(tamis_\w+\{[^}]*\}\[([^]]+)\]", query)
    assert set(ranges) <= {("rate", "$__rate_interval"), ("increase", "$__range")}


@each_query
def test_counters_are_never_shown_raw(query: str) -> None:
    raw = re.findall(r"tamis_\w+_(?:total|bucket|sum|count)\{[^}]*\}(?!\[)", query)
    assert not raw


def answered(expr: str, series: dict[str, str], value: float, labels: str, folder: Path) -> None:
    """Assert what Prometheus makes of a query ten minutes after these series began."""
    for variable, chosen in (("$__rate_interval", "5m"), ("$__range", "30m")):
        expr = expr.replace(variable, chosen)
    asked = {"expr": re.sub(r"\$\w+", ".+", expr), "eval_time": "10m"}
    case = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [asked | {"exp_samples": [{"labels": labels, "value": value}]}],
    }
    (folder / "test.yaml").write_text(yaml.safe_dump({"rule_files": [], "tests": [case]}))
    said = subprocess.run(
        [need_program("promtool"), "test", "rules", folder / "test.yaml"], check=False, capture_output=True, text=True
    )
    assert said.returncode == 0, said.stdout + said.stderr


def query(title: str) -> str:
    return next(query for name, query in QUERIES if name == title)


@pytest.mark.parametrize("title", ["tamis-overview: Jobs that run", "tamis-run: Seeds under way"])
def test_nothing_is_under_way_when_the_process_is_gone(title: str, tmp_path: Path) -> None:
    ended = {
        'tamis_jobs{job="tamis", instance="a", state="running"}': "1x5 stale",
        'tamis_groups_in_flight{job="tamis", instance="a"}': "40x5 stale",
    }
    answered(query(title), ended, 0, "{}", tmp_path)


def test_two_processes_that_go_as_fast_as_each_may_are_at_their_limit(tmp_path: Path) -> None:
    of_both: dict[str, str] = {}
    for labels in ('job="tamis", instance="a", endpoint="main"', 'job="tamis", instance="b", endpoint="main"'):
        of_both[f'tamis_calls_total{{{labels}, stage="generate", outcome="ok"}}'] = "0+600x20"
        of_both[f'tamis_limit_per_minute{{{labels}, kind="requests"}}'] = "600x20"
    answered(query("tamis-endpoints: Requests by their limit"), of_both, 1, '{endpoint="main"}', tmp_path)


@each_board
def test_the_variables_are_as_the_linter_wants_them(board: dict[str, Any]) -> None:
    source, *others = board["templating"]["list"]
    assert [variable["name"] for variable in board["templating"]["list"]][:3] == VARIABLES
    assert (source["label"], source["type"], source["query"]) == ("Data source", "datasource", "prometheus")
    for variable in others:
        assert variable["datasource"]["uid"] == "${datasource}"
        assert (variable["multi"], variable["includeAll"], variable["allValue"]) == (True, True, ".+")
        assert variable["label"]
    assert board["editable"] is False


@each_board
def test_every_variable_is_used(board: dict[str, Any]) -> None:
    text = json.dumps(board["panels"])
    assert all(re.search(rf"\${{?{variable['name']}\b", text) for variable in board["templating"]["list"])


@each_board
def test_jobs_that_begin_and_end_are_marked_at_their_time(board: dict[str, Any]) -> None:
    marks = board["annotations"]["list"]
    assert [mark["name"] for mark in marks] == ["A job begins", "A job ends", "A process is gone"]
    assert all(mark["useValueForTime"] and "* 1000" in mark["expr"] for mark in marks), "Grafana wants milliseconds"
    assert {mark["datasource"]["uid"] for mark in marks} == {"${datasource}"}


@each_board
def test_panels_neither_overlap_nor_leave_gaps(board: dict[str, Any]) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len(taken) == 24 * (max(y for _, y in taken) + 1)
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_the_provisioning_names_a_data_source_and_a_folder_of_dashboards() -> None:
    source = yaml.safe_load((PROVISIONING / "datasources" / "prometheus.yaml").read_text())
    folder = yaml.safe_load((PROVISIONING / "dashboards" / "tamis.yaml").read_text())
    (prometheus,) = source["datasources"]
    assert prometheus["type"] == "prometheus"
    for config in ("deploy/prometheus.yaml", "grafana/prometheus/prometheus.yaml"):
        scraped = yaml.safe_load((ROOT / config).read_text())["global"]["scrape_interval"]
        assert prometheus["jsonData"]["timeInterval"] == scraped, "else rates are made of a minute at least"
    assert folder["providers"][0]["options"]["path"] == "/var/lib/grafana/dashboards"
    assert all(path.suffix == ".json" for path in FOLDER.iterdir())
