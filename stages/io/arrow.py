"""Rows of Arrow tables, as Parquet files and datasets hold them, made what a row of JSON could have been.

Dates and times become texts in ISO 8601, decimals texts, what is no number null. Bytes have no such form.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import orjson

from stages.io.reader import BadRow, Feed, Row

BATCH = 1000
"""Rows that are in memory at a time."""


def rows(table: Any, feed: Feed | None = None) -> Iterator[Row | BadRow]:
    """Yield the rows of a table or a batch; `feed` is given the JSON of the good ones."""
    for row in _values(table):
        yield row if isinstance(row, BadRow) else _as_json(row, feed)


def _values(table: Any) -> list[Row | BadRow]:
    try:
        values: list[Row | BadRow] = table.to_pylist()
    except UnicodeDecodeError:  # Arrow does not look into its texts before they are asked for
        values = [one for at in range(table.num_rows) for one in _value(table.slice(at, 1))]
    return values


def _value(one: Any) -> list[Row | BadRow]:
    try:
        value: list[Row | BadRow] = one.to_pylist()
    except UnicodeDecodeError as error:
        return [BadRow(f"not UTF-8: {error.reason}")]
    return value


def _as_json(row: Row, feed: Feed | None) -> Row | BadRow:
    try:
        raw = orjson.dumps(row, default=_plain)
    except orjson.JSONEncodeError:
        return BadRow(_cause(row))
    if feed is not None:
        feed(raw)
    loaded: Row = orjson.loads(raw)
    return loaded


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError


def _cause(row: Row) -> str:
    """Name the first column that does not go into JSON."""
    for column, value in row.items():
        try:
            orjson.dumps(value, default=_plain)
        except orjson.JSONEncodeError as error:
            kind = "bytes" if "bytes" in str(error) else "what JSON cannot hold"
            return f'column "{column}" holds {kind}; a row is texts, numbers, lists and objects'
    return "what JSON cannot hold"
