"""What the audit finds out about judges: simulated ones with known errors, and with --smollm2 a real, small model.

The simulated judge passes 85 % of the good, fails 70 % of the bad, and goes by what stands first in 15 % of the cases.
Its intervals are of 95 %, over seeded runs of 1,500 verdicts, 200 labels and a slice of 150. The real one judges its
own answers to sums (examples/arithmetic, both stages on `mark`), where the right answers are known.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from statistics import mean

from benches.runs import ROOT, TAMIS


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench audit", description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--smollm2", action="store_true", help="judge with the embedded model too: some minutes")
    options = parser.parse_args(argv)
    sys.path.insert(0, str(ROOT / "tests"))  # the judge is the one that the tests have
    from simulated_judge import TRUTH, simulated

    runs = [simulated(seed) for seed in range(options.runs)]
    print(f"| figure | truth | mean | mean width of the interval | covers, of {options.runs} |\n|---|---|---|---|---|")
    for figure, truth in TRUTH.items():
        found = [run[figure] for run in runs]
        value = mean(one["value"] for one in found)
        width = mean(one["high"] - one["low"] for one in found)
        covered = sum(one["low"] <= truth <= one["high"] for one in found)
        print(f"| {figure} | {truth:.2f} | {value:.3f} | {width:.2f} | {covered} |")
    if options.smollm2:
        real()


def real() -> None:
    """Run the example with its check by gold and its judge on `mark`, the judge's slice larger, and print its audit."""
    with tempfile.TemporaryDirectory() as folder:
        sets = ["stages.1.action=mark", "stages.2.audit.share=0.25"]
        run = [TAMIS, "run", ROOT / "examples/arithmetic/pipeline.yaml", "--out", f"{folder}/run", "--limit", "24"]
        subprocess.run([*run, *(word for one in sets for word in ("--set", one))], check=True)
        subprocess.run([TAMIS, "audit", f"{folder}/run"], check=True)
