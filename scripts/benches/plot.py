"""Takes the plot of a stage's diversity out of a run's report.html, as an SVG file with the page's colours."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

FIGURE = r"<figure>(<svg(?:(?!</svg>).)*</svg>)\s*<figcaption>Diversity of {}, "
STYLE = Path(__file__).parents[2] / "service" / "report" / "page.css"
VARIABLES = re.compile(r"^:root \{(.*?)^\}|^@media \(prefers-color-scheme: dark\) \{\s*:root \{(.*?)\}", re.S | re.M)


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench plot", description=__doc__)
    parser.add_argument("run", type=Path, help="a run's folder")
    parser.add_argument("stage")
    parser.add_argument("file", type=Path, help="where the SVG goes")
    options = parser.parse_args(argv)
    found = re.search(FIGURE.format(re.escape(options.stage)), (options.run / "report.html").read_text(), re.S)
    if found is None:
        sys.exit(
            f"{options.run}/report.html has no plot of what {options.stage} made: no window of its outputs was full"
        )
    options.file.parent.mkdir(parents=True, exist_ok=True)
    options.file.write_text(alone(found[1]))


def alone(svg: str) -> str:
    """Return a plot of the page as a document: with the names that a page gives it."""
    light, dark = (next(filter(None, found.groups())) for found in VARIABLES.finditer(STYLE.read_text()))
    style = f"svg {{{light} font-family: var(--sans) }} @media (prefers-color-scheme: dark) {{ svg {{{dark}}} }}"
    head, rest = svg.removeprefix("<svg").split(">", 1)
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="620"{head}><style>{style}</style>{rest}\n'
