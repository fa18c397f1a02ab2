"""Finding every mistake at once: report what is wrong, mend the data so that the rest can be looked at, and go on.

A mended place is remembered as broken, and nothing more is said about it. What is mended is never run.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from config import words
from config.problems import Loc, Places, Problem, prefixes
from config.schema import Pipeline

_ROUNDS = 12
_NO_MAPPING = ("dict_type", "model_type", "model_attributes_type")


class Repair:
    """Data on its way to a Pipeline. `problems` grows; where `run` returns None the data is beyond repair."""

    def __init__(self, data: dict[str, Any], places: Places) -> None:
        self.problems: list[Problem] = []
        self.broken: set[Loc] = set()
        self._data, self._places = copy.deepcopy(data), places
        self._guessed: set[Loc] = set()
        self._tries: Counter[Loc] = Counter()

    def run(self, base_dir: Path) -> Pipeline | None:
        for _ in range(_ROUNDS):
            try:
                return Pipeline.model_validate(self._data, context={"base_dir": base_dir})
            except ValidationError as error:
                for loc, one in _one_per_place(self._data, error.errors(include_url=False)):
                    self._take(loc, one)
        return None

    def blank(self, loc: Loc, message: str) -> None:
        """Report what must not be there, and put a harmless value in its place."""
        self._report(loc, message)
        self._guess(loc, "https://removed.invalid")

    def _report(self, loc: Loc, message: str) -> None:
        below = any(guess[: len(loc)] == loc for guess in self._guessed)  # then it may be about our guess
        if not below and not self.broken.intersection(prefixes(loc)):
            self.problems.append(self._places.problem(loc, message))
        self.broken.add(loc)

    def _take(self, loc: Loc, error: ErrorDetails) -> None:
        self._report(loc, words.say(error))
        kind, parent = error["type"], self._parent(loc)
        if not isinstance(parent, (dict, list)):
            return  # it went together with a neighbour in this very round
        self._tries[loc] += 1
        if self._tries[loc] > 2 and len(loc) > 1:
            self.broken.add(loc[:-1])
            self._remove(loc[:-1])
        elif kind == "extra_forbidden":
            self._rename(loc, error)
        elif kind in ("union_tag_invalid", "union_tag_not_found"):
            self._retype(loc, error)
        elif kind == "missing" and (example := words.example(error["loc"])) is not None:
            self._guess(loc, example)
        elif len(loc) == 2 and loc[0] == "endpoints":
            self._guess(loc, {"embedded": "smollm2"})  # gone, it would be missed wherever it is named
        elif isinstance(parent, list):
            self._guess(loc, {} if kind in _NO_MAPPING else "")  # gone, it would renumber what follows
        else:
            self._remove(loc)

    def _rename(self, loc: Loc, error: ErrorDetails) -> None:
        parent = self._parent(loc)
        value = parent.pop(loc[-1])
        meant = words.nearest(str(loc[-1]), [key for key in words.keys(error["loc"][:-1]) if key not in parent])
        if meant is not None:
            self._guess((*loc[:-1], meant), value)

    def _retype(self, loc: Loc, error: ErrorDetails) -> None:
        known = words.tags(error)
        near = words.nearest(str(error.get("ctx", {}).get("tag", "")), known)
        if near is None:
            self.broken.add(loc[:-1])
        self._guess(loc, near or known[0])

    def _parent(self, loc: Loc) -> Any:
        parent: Any = self._data
        for part in loc[:-1]:
            if isinstance(parent, dict):
                parent = parent.get(part)
            elif isinstance(parent, list) and isinstance(part, int) and part < len(parent):
                parent = parent[part]
            else:
                return None
        return parent

    def _guess(self, loc: Loc, value: Any) -> None:
        self.broken.add(loc)
        self._guessed.add(loc)
        self._parent(loc)[loc[-1]] = value

    def _remove(self, loc: Loc) -> None:
        self._guessed.add(loc)
        parent = self._parent(loc)
        if isinstance(parent, dict):
            parent.pop(loc[-1], None)
        else:
            parent[loc[-1]] = {}


def _one_per_place(data: Any, errors: Iterable[ErrorDetails]) -> list[tuple[Loc, ErrorDetails]]:
    """Return the first error at each place: the members of a union complain one by one about the same value."""
    found: dict[Loc, ErrorDetails] = {}
    for error in sorted(errors, key=lambda error: error["type"] != "extra_forbidden"):  # it explains what is missing
        found.setdefault(_place(data, error), error)
    return list(found.items())


def _place(data: Any, error: ErrorDetails) -> Loc:
    """Return where in the data an error is; pydantic's own `loc` names types and validators besides."""
    loc: list[str | int] = []
    for part in error["loc"]:
        listed = isinstance(data, (list, tuple)) and isinstance(part, int) and part < len(data)
        if listed or (isinstance(data, dict) and part in data):
            loc.append(part)
            data = data[part]
    if error["type"] == "missing":
        loc.append(error["loc"][-1])
    elif error["type"] in ("union_tag_invalid", "union_tag_not_found"):
        loc.append("type")
    return tuple(loc)
