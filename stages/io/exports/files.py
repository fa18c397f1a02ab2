"""The files that rows go into: how they are called, one or several shards, each whole or not at all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from stages.io.atomic import replacing, seal
from stages.io.exports.shape import Shape

Row = dict[str, Any]


def named(path: Path, *parts: str) -> Path:
    """Return the path with those of these that are not empty before its suffix: `sft.1000.train.jsonl`."""
    return path.with_name(".".join(filter(None, [path.stem, *parts])) + path.suffix)


def shard(path: Path, number: int | str) -> Path:
    """Return the path of one shard, or the pattern of all of them: `sft-00000.jsonl`, `sft-*.jsonl`."""
    numbered = number if isinstance(number, str) else f"{number:05}"
    return path.with_name(f"{path.stem}-{numbered}{path.suffix}")


class Sink(ABC):
    """Takes rows, and tells `shape` of them. With `shard_rows` they go into several files.

    Files appear when `stack` closes without an error, all of them.
    """

    def __init__(self, path: Path, shape: Shape, stack: ExitStack, shard_rows: int | None = None) -> None:
        self.path, self.shape, self._shard_rows, self._stack = path, shape, shard_rows, stack
        self.rows = self._shards = 0
        self._file = self._next()

    @property
    def pattern(self) -> Path:
        """The path of the file, or of all the shards."""
        return shard(self.path, "*") if self._shard_rows else self.path

    def write(self, row: Row) -> None:
        self.shape.see(row)
        self._put(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
        self.rows += 1

    @abstractmethod
    def finish(self) -> None:
        """Be told that no more rows come, here or anywhere else where the shape is that of."""

    def clear(self) -> None:
        """Take away the shards that an earlier export left beyond the last one, once these are in their place."""
        for old in self.path.parent.glob(shard(self.path, "[0-9]*").name) if self._shard_rows else ():
            number = old.stem.removeprefix(f"{self.path.stem}-")
            if number.isdecimal() and int(number) >= self._shards:
                old.unlink(missing_ok=True)

    @abstractmethod
    def _put(self, line: bytes) -> None: ...

    def _next(self) -> BinaryIO:
        path = shard(self.path, self._shards) if self._shard_rows else self.path
        self._shards += 1
        return self._stack.enter_context(replacing(path))


class JsonLines(Sink):
    """One row per line, as they come."""

    def finish(self) -> None:
        seal(self._file)

    def _put(self, line: bytes) -> None:
        if self._shard_rows and self.rows == self._shards * self._shard_rows:
            seal(self._file)
            self._file = self._next()
        self._file.write(line)
