"""What is wrong and where: problems of a configuration, each with the place the person must go to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

Loc = tuple[str | int, ...]
"""A place in the data: ("stages", 0, "prompts", 1)."""


class Finding(NamedTuple):
    """Something wrong with a value, before it is known where that value stands. `inside`: the line in a template."""

    loc: Loc
    message: str
    inside: int | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake. Prints as `pipeline.yaml:14: stages[0].prompts[0]: message`."""

    where: str
    line: int
    loc: Loc
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, shown(self.loc), self.message) if part)


class ConfigError(Exception):
    """A configuration that cannot be used, with every problem it has."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


@dataclass(slots=True)
class Places:
    """Where each value came from: a line of the file, or an override that stands above it.

    `blocks` are the values written as literal blocks (`|`), whose inner lines can be counted; `files` are the values
    written as `{file: x}`.
    """

    file: str = ""
    lines: dict[Loc, int] = field(default_factory=dict)
    blocks: set[Loc] = field(default_factory=set)
    files: dict[Loc, str] = field(default_factory=dict)
    overrides: dict[Loc, str] = field(default_factory=dict)

    def problem(self, loc: Loc, message: str, inside: int | None = None) -> Problem:
        """Return a problem at `loc`, or at the nearest place above it; `inside` is the line within a template."""
        for above in prefixes(loc):
            if above in self.overrides:
                return Problem(self.overrides[above], 0, loc, message)
        written = next((above for above in prefixes(loc) if above in self.lines), ())
        line = self.lines.get(written, 1)
        if inside is not None and written in self.files:
            return Problem(f"{self.files[written]}:{inside}", line, loc, message)
        if inside is not None and written in self.blocks:
            line += inside
        return Problem(f"{self.file}:{line}" if self.file else "", line, loc, message)


def prefixes(loc: Loc) -> Iterable[Loc]:
    """Yield the place itself and then every place above it, nearest first."""
    return (loc[:length] for length in range(len(loc), -1, -1))


def shown(loc: Loc) -> str:
    """Return a place as people write it: stages[0].prompts[1]."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
    return text.removeprefix(".")
