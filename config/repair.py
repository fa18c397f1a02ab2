"""Finding every mistake at once: report what is wrong, take it out so that the rest can be looked at, and go on.

What is not as it was written is remembered as broken, and nothing more is said about it. What is mended is never run.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from config.base import Config
from config.problems import Loc, Places, Problem, prefixes

Model = TypeVar("Model", bound=Config)

_ROUNDS = 12
_STAND_INS = {"endpoints": {"embedded": "smollm2"}, "stages": {"type": "select"}, "outputs": {"format": "sft"}}
"""What an entry that is no use is exchanged for: gone, it would be missed where it is named, or renumber the others."""


class Repair:
    """Data on its way to a model. `problems` grows; where `run` returns None the data is beyond repair."""

    def __init__(self, data: dict[str, Any], places: Places) -> None:
        self.problems: list[Problem] = []
        self.broken: set[Loc] = set()
        self._data, self._places = copy.deepcopy(data), places

    def run(self, model: type[Model], context: Mapping[str, Any]) -> Model | None:
        for _ in range(_ROUNDS):
            try:
                return model.model_validate(self._data, context=context)
            except ValidationError as error:
                found = {place(self._data, one["loc"], one["ctx"]["absent"]): one["ctx"] for one in error.errors()}
                # a list whose only entry is wrong is empty to pydantic, too: what is around a mistake comes after it
                found = {
                    loc: ctx for loc, ctx in found.items() if not any(loc in prefixes(one[:-1]) for one in found if one)
                }
                for loc in [loc for loc in found if not self._known(loc)]:
                    self.problems.append(self._places.problem(loc, found[loc]["message"]))
                if () in found:
                    return None
                for loc, ctx in found.items():
                    self._mend(loc, ctx["instead"])
        return None

    def take_out(self, loc: Loc, message: str) -> None:
        """Report what must not be there at all."""
        self.problems.append(self._places.problem(loc, message))
        self._mend(loc, {})

    def _known(self, loc: Loc) -> bool:
        """Say whether `loc` is inside of what is broken, or has something broken in it and may be wrong for that."""
        return not self.broken.isdisjoint(prefixes(loc)) or any(broken[: len(loc)] == loc for broken in self.broken)

    def _mend(self, loc: Loc, instead: Mapping[str, Any] | None) -> None:
        while len(loc) > 1 and (loc in self.broken or instead is None):  # mended before, and in vain
            loc, instead = loc[:-1], {}
        self.broken.add(loc)
        parent: Any = self._data
        for part in loc[:-1]:
            if isinstance(parent, dict) and part not in parent:  # what is around it went with another mistake
                return
            parent = parent[part]
        if len(loc) == 2 and loc[0] in _STAND_INS:
            parent[loc[1]] = dict(_STAND_INS[str(loc[0])])
        elif isinstance(parent, dict):
            parent.pop(loc[-1], None)
            for key, value in (instead or {}).items():
                parent.setdefault(key, value)
                self.broken.add((*loc[:-1], key))
        else:
            parent[loc[-1]] = ""


def place(data: Any, named: Loc, absent: str | None) -> Loc:
    """Return where in the data an error is; pydantic's own `loc` names types and validators besides."""
    loc: list[str | int] = []
    for part in named:
        listed = isinstance(data, list) and isinstance(part, int) and part < len(data)
        if listed or (isinstance(data, dict) and part in data):
            loc.append(part)
            data = data[part]
    return (*loc, absent) if absent else tuple(loc)
