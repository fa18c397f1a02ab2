"""The dashboards as they are committed, and what is asked in them."""

from __future__ import annotations

import json
from typing import Any

from needs import ROOT

FOLDER = ROOT / "grafana" / "dashboards"
DASHBOARDS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))
}
PANELS = [(name, panel) for name, board in DASHBOARDS.items() for panel in board["panels"] if panel["type"] != "row"]
QUERIES = [(f"{name}: {panel['title']}", target["expr"]) for name, panel in PANELS for target in panel["targets"]]
ANNOTATIONS = {
    annotation["name"]: annotation["expr"]
    for board in DASHBOARDS.values()
    for annotation in board["annotations"]["list"]
}
