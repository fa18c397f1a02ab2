"""A person's own Python function as a check: `function: ./file.py:name`, or an entry point of the group `tamis.verify`.

It runs in worker processes: one that hangs or crashes is killed and fails its own candidate.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path
from symtable import symtable
from typing import Annotated, Any

import orjson
from pydantic import Field, ValidationError

from config.base import Config, Flag, Number
from config.words import suggestion
from stages.core.errors import CandidateError, InputError
from stages.core.record import Candidate, Verdict
from stages.verify.check import Check, shown
from stages.verify.plugged import ENTRY_POINTS
from stages.verify.workers import Workers

ROW = "{{ row | json }}"
"""What a plugin's reference is."""
_LIMIT_S, _MIN_SCORE = 10.0, 0.5
_PROCESSES = 2


class Function(Workers):
    """The function in its processes. Started ahead: what it takes to import it is not charged to a candidate."""

    def __init__(self, named: str, limit_s: float) -> None:
        super().__init__("stages.verify.plugged:make", named, size=_PROCESSES, limit_s=limit_s)
        self._named = named

    async def start(self) -> None:
        """Raise InputError with the words of a file that cannot be loaded."""
        try:
            await super().start()
        except InputError as error:
            raise InputError(f"function: {self._named}: {error}") from None

    async def call(self, *arguments: Any) -> Any:
        """Return what it returns. Raises CandidateError with its words, or with how it was lost."""
        answer = await self.ask(arguments, "the function")
        if "error" in answer:
            raise CandidateError("plugin_error", answer["error"])
        return answer["value"]


class Finding(Config):
    """What a function may return in full; a bare true or false is `passed`, a bare number `score`."""

    passed: Flag | None = None
    score: Number | None = None
    reason: Annotated[str, Field(pattern=r"^[a-z][a-z_]{0,39}$")] = "not_passed"
    detail: str = ""
    fields: dict[str, Any] = Field(default={})


class Plugin(Check):
    """Calls `function(response, row, fields)`. The `reference` is the seed's row, as JSON."""

    def __init__(self, named: str, limit_s: float | None, min_score: float | None) -> None:
        self._function = Function(named, limit_s or _LIMIT_S)
        self.tools = (self._function,)
        self._min_score = _MIN_SCORE if min_score is None else min_score

    async def judge(self, candidate: Candidate, reference: str) -> Verdict:
        returned = await self._function.call(candidate.text, orjson.loads(reference), candidate.fields)
        verdict, fields = understood(returned, self._min_score)
        candidate.fields.update(fields)
        return verdict


def understood(returned: Any, min_score: float = _MIN_SCORE) -> tuple[Verdict, dict[str, Any]]:
    """Return the verdict in what a function returned, and the fields it found. Raises CandidateError where it is none.

    A score alone passes from `min_score` on.
    """
    if isinstance(returned, bool):
        returned = {"passed": returned}
    elif isinstance(returned, int | float):
        returned = {"score": returned}
    try:
        found = Finding.model_validate(returned)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise _useless(returned, f"`{key}`: {first['msg']}" if key else "not a bool, a number or a dict") from None
    if found.passed is None and found.score is None:
        raise _useless(returned, "neither `passed` nor `score` is in it")
    passed = (found.score or 0.0) >= min_score if found.passed is None else found.passed
    return Verdict(passed, found.score, "" if passed else found.reason, found.detail), found.fields


def _useless(returned: Any, why: str) -> CandidateError:
    return CandidateError("plugin_error", f"the function returned {shown(repr(returned))}: {why}")


def find_function(named: str) -> None:
    """Raise InputError where there is no such function. Nothing of the file is run."""
    path, _, name = named.rpartition(":")
    if not path.endswith(".py"):
        there = sorted(entry_points(group=ENTRY_POINTS).names)
        if named not in there:
            listed = ", ".join(there) or "none is installed"
            raise InputError(f'no entry point "{named}" in {ENTRY_POINTS} ({listed}); a file is ./file.py:function')
        return
    try:
        table = symtable(Path(path).read_text(encoding="utf-8"), path, "exec")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except (SyntaxError, ValueError) as error:
        raise InputError(f"{path} is not Python: {error}") from None
    names = [symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned() or symbol.is_imported()]
    if name not in names:
        raise InputError(f'{path} has no "{name}"; {suggestion(name, names, "it has")}')


def written(named: str) -> list[str]:
    """Return what gives a function its meaning: its name and its file's text, or its package's version."""
    path, _, name = named.rpartition(":")
    if path.endswith(".py"):
        return [name, Path(path).read_text(encoding="utf-8")]
    (point,) = entry_points(group=ENTRY_POINTS, name=named)
    return [point.value, point.dist.version if point.dist else ""]
