"""docs/metrics.md says what the code fills a scrape with."""

from __future__ import annotations

import subprocess
import sys

from needs import ROOT


def test_the_page_is_what_its_script_prints() -> None:
    script = ROOT / "scripts" / "metrics_doc.py"
    printed = subprocess.run([sys.executable, script], capture_output=True, check=True, text=True, encoding="utf-8")
    assert printed.stdout == (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8"), (
        "run: python scripts/metrics_doc.py > docs/metrics.md"
    )
