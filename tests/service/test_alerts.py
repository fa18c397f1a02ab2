"""The rules for Prometheus: they are right, each alert fires and clears on series made for it, and has its page."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from needs import ROOT, need_program

from service.observe.catalogue import COUNTERS, GAUGES, HISTOGRAMS

FOLDER = ROOT / "grafana" / "prometheus"
RULES: list[dict[str, Any]] = yaml.safe_load((FOLDER / "rules.yaml").read_text(encoding="utf-8"))["groups"][0]["rules"]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
NAMES = {f"tamis_{name}_total" for name in COUNTERS} | {f"tamis_{name}" for name in GAUGES}
NAMES |= {f"tamis_{name}_bucket" for name in HISTOGRAMS}

each_alert = pytest.mark.parametrize("alert", ALERTS)


def promtool(*arguments: str | Path) -> str:
    said = subprocess.run(
        [need_program("promtool"), *arguments], capture_output=True, check=False, text=True, cwd=FOLDER
    )
    assert said.returncode == 0, said.stdout + said.stderr
    return said.stdout


def test_prometheus_takes_the_rules_and_the_configuration() -> None:
    assert f"{len(RULES)} rules found" in promtool("check", "rules", "rules.yaml")
    assert "SUCCESS" in promtool("check", "config", "prometheus.yaml")


def test_every_alert_fires_on_its_series_and_clears_after() -> None:
    assert "SUCCESS" in promtool("test", "rules", "rules_test.yaml")
    cases = yaml.safe_load((FOLDER / "rules_test.yaml").read_text(encoding="utf-8"))["tests"]
    moments = [moment for case in cases for moment in case["alert_rule_test"]]
    assert {moment["alertname"] for moment in moments if moment["exp_alerts"]} == set(ALERTS)
    last = {moment["alertname"]: moment["exp_alerts"] for moment in moments}
    assert not any(last.values()), "each is quiet in the end"


def test_what_is_watched_is_what_was_asked_for() -> None:
    wanted = "Stalled QueueSaturated RefusalStorm BreakerOpen AcceptanceFell Collapse BudgetNear LedgerSlow LoopLag"
    assert set(ALERTS) == {f"Tamis{name}" for name in wanted.split()}


@each_alert
def test_an_alert_asks_for_figures_that_there_are(alert: str) -> None:
    assert set(re.findall(r"(?<!:)\btamis_\w+", ALERTS[alert]["expr"])) <= NAMES


@each_alert
def test_an_alert_says_what_is_wrong_how_bad_it_is_and_where_to_read_on(alert: str) -> None:
    rule = ALERTS[alert]
    page, _, section = rule["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^## (\w+)$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    assert alert in headings
    assert section == alert.lower()
    assert rule["annotations"]["summary"]
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
