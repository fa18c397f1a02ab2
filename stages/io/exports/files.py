"""The files that rows go into: how they are called, one or several shards, each whole or not at all.

A Parquet file has one schema for all its rows, whatever the first of them lack. One door to pyarrow for writing.
"""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import orjson

from stages.core.extras import require_extra
from stages.io.atomic import replacing, seal
from stages.io.exports.shape import Shape, Type

if TYPE_CHECKING:
    import pyarrow as pa

Row = dict[str, Any]

GROUP_ROWS = 10_000
GROUP_BYTES = 32_000_000
"""A row group ends with whichever is reached first; lists of texts take some four times as much while it is made."""


def named(path: Path, *parts: str) -> Path:
    """Return the path with those of these that are not empty before its suffix: `sft.1000.train.jsonl`."""
    return path.with_name(".".join(filter(None, [path.stem, *parts])) + path.suffix)


def shard(path: Path, number: str) -> Path:
    """Return the path of one shard, or the pattern of all of them: `sft-00000.jsonl`, `sft-*.jsonl`."""
    return path.with_name(f"{path.stem}-{number}{path.suffix}")


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
        path = shard(self.path, f"{self._shards:05}") if self._shard_rows else self.path
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


def require_parquet() -> None:
    """Raise InputError with what to install where it is missing."""
    require_extra("pyarrow", "parquet", "`file: parquet`")


class Parquet(Sink):
    """Rows as Parquet, compressed with Zstandard.

    They are put by as lines of JSON until all have been seen; then their types are known, and they are written in row
    groups. Memory: one row group. Where rows disagree on a type the column is a text that holds JSON.
    """

    def __init__(self, path: Path, shape: Shape, stack: ExitStack, shard_rows: int | None = None) -> None:
        require_parquet()
        super().__init__(path, shape, stack, shard_rows)
        spool = tempfile.TemporaryFile(dir=path.parent, buffering=1 << 18)  # noqa: SIM115  the stack closes it
        self._spool = stack.enter_context(spool)

    def _put(self, line: bytes) -> None:
        self._spool.write(line)

    def finish(self) -> None:
        self._spool.seek(0)
        left = self.rows
        while True:
            count = min(left, self._shard_rows or left)
            self._write(islice(self._spool, count))
            left -= count
            if not left:
                return
            self._file = self._next()

    def _write(self, lines: Iterator[bytes]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        types = self.shape.columns
        schema = pa.schema({name: _arrow(one) for name, one in types.items()})
        loose = {name for name, one in types.items() if _has_json(one)}
        with pq.ParquetWriter(self._file, schema, compression="zstd") as writer:
            for rows in _groups(lines):
                for row in rows if loose else ():
                    row.update({name: _fitted(row[name], types[name]) for name in loose & row.keys()})
                writer.write_table(pa.Table.from_pylist(rows, schema))
        seal(self._file)


def _groups(lines: Iterator[bytes]) -> Iterator[list[Row]]:
    rows: list[Row] = []
    size = 0
    for line in lines:
        rows.append(orjson.loads(line))
        size += len(line)
        if len(rows) == GROUP_ROWS or size > GROUP_BYTES:
            yield rows
            rows, size = [], 0
    if rows:
        yield rows


def _arrow(kind: Type) -> pa.DataType:
    import pyarrow as pa

    if isinstance(kind, list):
        return pa.list_(_arrow(kind[0]))
    if isinstance(kind, dict) and kind:
        return pa.struct({name: _arrow(one) for name, one in kind.items()})
    return pa.string() if _is_json(kind) else pa.type_for_alias(kind)


def _is_json(kind: Type) -> bool:
    """Return whether it stands as a text that holds JSON; an object without keys does, too: Parquet has none."""
    return kind in ("json", {})


def _has_json(kind: Type) -> bool:
    inner = kind if isinstance(kind, list) else kind.values() if isinstance(kind, dict) else ()
    return _is_json(kind) or any(map(_has_json, inner))


def _fitted(value: Any, kind: Type) -> Any:
    """Return a value with JSON in the places where there is no one type."""
    if value is None:
        return None
    if _is_json(kind):
        return orjson.dumps(value).decode()
    if isinstance(kind, list):
        return [_fitted(one, kind[0]) for one in value]
    if isinstance(kind, dict):
        return {name: _fitted(one, kind[name]) for name, one in value.items()}
    return value
