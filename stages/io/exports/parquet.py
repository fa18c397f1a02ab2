"""Parquet files with one schema for all rows, whatever the first of them lack. One door to pyarrow for writing.

The rows are put by as lines of JSON until all have been seen; then their types are known, and they are written in row
groups. Memory: one row group. Where rows disagree on a type the column is a text that holds JSON.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from stages.core.extras import require_extra
from stages.io.atomic import seal
from stages.io.exports.files import Row, Sink
from stages.io.exports.shape import Shape, Type

if TYPE_CHECKING:
    import pyarrow as pa

GROUP_ROWS = 10_000
GROUP_BYTES = 32_000_000
"""A row group ends with whichever is reached first; lists of texts take some four times as much while it is made."""


def require_parquet() -> None:
    """Raise InputError with what to install where it is missing."""
    require_extra("pyarrow", "parquet", "`file: parquet`")


class Parquet(Sink):
    """Rows as Parquet, compressed with Zstandard."""

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
