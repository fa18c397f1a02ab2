"""How much shorter a transform makes its responses, and which gate stops the others; draws it as a picture.

    scripts/bench rewrites RUN_DIR [--picture docs/images/transform.png]

Reads the ledger of a run of examples/transform. No call is made.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import tamis

COLOURS = {"accepted": "#2a7f62", "answer_changed": "#c0392b", "answer_lost": "#e08e0b", "too_long": "#7f8c8d"}
NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")


class Rewrite(NamedTuple):
    """A response before and after, why the rewrite was not taken, and whether its last number is the answer."""

    before: int
    after: int
    fate: str
    same: bool


def rewrites(run: tamis.Run) -> list[Rewrite]:
    found = []
    for candidate in run.candidates():
        verdict: dict[str, Any] = candidate["verdicts"].get("transform", {})
        after = candidate["text"] if "before" in verdict else verdict.get("rewrite", "")
        if after:
            before = verdict.get("before", candidate["text"])
            numbers = NUMBER.findall(after)
            same = bool(numbers) and numbers[-1] == candidate["row"]["answer"]
            found.append(Rewrite(len(before), len(after), verdict.get("reason") or "accepted", same))
    return found


def draw(found: list[Rewrite], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6.4, 3.6), dpi=150)
    for fate, count in Counter(one.fate for one in found).most_common():
        points = [one for one in found if one.fate == fate]
        label = f"{fate.replace('_', ' ')} ({count})"
        axes.scatter(
            [one.before for one in points], [one.after for one in points], s=26, label=label, color=COLOURS.get(fate)
        )
    shortest, longest = min(one.before for one in found) - 10, max(one.before for one in found) + 10
    axes.plot([shortest, longest], [shortest, longest], color="#999999", linewidth=0.8, linestyle=":")
    axes.text(shortest + 1, shortest - 2, "as long as before", fontsize=8, color="#777777", va="top")
    axes.set(xlabel="characters before", ylabel="characters after", xlim=(shortest, longest), ylim=(0, longest))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="center left")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("--picture", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    found = rewrites(tamis.load(options.run_dir))
    taken = [one for one in found if one.fate == "accepted"]
    print(f"rewrites    {len(found)}: {', '.join(f'{n} {fate}' for fate, n in Counter(x.fate for x in found).items())}")
    print(f"accepted    {len(taken)} ({len(taken) / len(found):.0%})")
    same = sum(one.same for one in found)
    print(f"same answer {same} ({same / len(found):.0%}) of all, {sum(one.same for one in taken)} of the accepted")
    if taken:
        print(f"characters  median {median(x.before for x in taken):.0f} -> {median(x.after for x in taken):.0f}")
    if options.picture:
        draw(found, options.picture)
