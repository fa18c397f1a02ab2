"""Settings as YAML in which every value that was written somewhere is marked with where: `drain_s: 9  # --set drain_s`.

A value without a mark is the default. The marks are comments, so what is printed can be read as a file again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from config import yamlfile
from config.problems import Loc, Places, prefixes

LEGEND = "# what follows a value is where it was written; a value that nothing follows is the default\n"


class _Layer(NamedTuple):
    """What was written at one height: the file, or what stands above it. `whole`: has nothing written inside of it."""

    labels: Mapping[Loc, str]
    whole: frozenset[Loc]


def marked(data: Any, places: Places) -> str:
    """Return plain data, read from what `places` tells of, as YAML with marks."""
    in_file = {loc: f"{places.file}:{line}" for loc, line in places.lines.items() if loc}
    layers = [_layer(labels, places) for labels in (places.overrides, in_file)]
    text = yamlfile.write(data)
    lines = text.splitlines()
    stands = yamlfile.read(text, "")[1].lines
    for loc in stands.keys() - {loc[:-1] for loc in stands}:
        if label := _origin(loc, layers):
            lines[stands[loc] - 1] += f"  # {label}"
    return LEGEND + "".join(f"{line}\n" for line in lines)


def _layer(labels: Mapping[Loc, str], places: Places) -> _Layer:
    around = {loc[:-1] for loc in labels}.difference(places.files)
    return _Layer(labels, frozenset(labels.keys() - around))


def _origin(loc: Loc, layers: list[_Layer]) -> str:
    """Return the label of what gave the value at `loc`; empty: it is a default.

    Reading may give a value more shape than it was written with (`prompts: x` is a list, `{file: x}` a text): what is
    inside of a value that was written whole comes from there.
    """
    for labels, whole in layers:
        above = next((above for above in prefixes(loc) if above in labels), None)
        if above is not None:
            return labels[above] if above == loc or above in whole else ""
    return ""
