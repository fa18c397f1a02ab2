"""What every kind of source is: something that gives rows again and again, each with its place.

A row is good or broken. What is broken is a `BadRow` with words for the person; it travels beside the good rows, so
that one pass finds everything that is wrong with a source and not just the first of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

from stages.core.errors import InputError

Row = dict[str, Any]
At = tuple[str, int]
"""Where a row stands: the file's name, and the number of its line or row there, counted from 1."""
Feed = Callable[[bytes], object]
"""Is given bytes that stand for the whole content, in order: a hash's `update`."""


class BadRow(Exception):
    """One row cannot be used. The message says why; whoever knows its place puts that before it."""


class Reader(ABC):
    """A kind of source. `name` is what the person calls it; memory is bounded, however many rows there are."""

    unit: ClassVar[Literal["line", "row"]] = "line"
    """What is counted in its files."""
    near: bool = True
    """Whether its rows can be read without the network."""

    def __init__(self, path: str) -> None:
        self.path = _shown(Path(path))
        self.name = str(self.path)

    @abstractmethod
    def rows(self, feed: Feed | None = None) -> Iterator[tuple[At, Row | BadRow]]:
        """Yield every row, always in the same order. Raises InputError where the source as a whole cannot be read."""

    def told(self, at: At) -> str:
        """Return a place as messages begin with it: `seeds.jsonl:7`, `seeds.parquet: row 17`."""
        file, number = at
        return f"{file}:{number}" if self.unit == "line" else f"{file}: row {number}"

    def near_to(self, at: At, other: At) -> str:
        """Return a place as it is told in a message about `other`: by its number alone where the file is the same."""
        return f"{self.unit} {at[1]}" if at[0] == other[0] else self.told(at)


def _shown(path: Path) -> Path:
    """Return the path as the person knows it: from where they stand, if it is below."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def files_of(path: Path, glob: str) -> list[Path]:
    """Return the file, or the files of a folder that match, sorted by path. Raises InputError where there is none."""
    if path.is_file():
        return [path]
    if not path.exists():
        raise no_such(path, "file or folder")
    if files := sorted(file for file in path.glob(glob) if file.is_file()):
        return files
    raise InputError(f"{path}: no file in this folder matches {glob}")


def no_such(path: Path, what: str) -> InputError:
    return InputError(f"{path}: no such {what} (source.path is relative to the pipeline file)")


def kind(value: object) -> str:
    """Name a JSON value's type as its writer knows it."""
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(value), "null")
