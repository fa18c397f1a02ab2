"""Write the dashboards as JSON. A test holds that the files in grafana/dashboards are what this script writes.

.venv/bin/python scripts/dashboards [FOLDER]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from endpoints import endpoints
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from overview import overview
from run import run

FOLDER = Path(__file__).resolve().parent.parent.parent / "grafana" / "dashboards"

if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    for dashboard in (overview(), run(), endpoints()):
        built = dashboard.build()
        text = json.dumps(built, cls=JSONEncoder, indent=1, sort_keys=True, ensure_ascii=False)
        (folder / f"{built.uid}.json").write_text(text + "\n", encoding="utf-8")
