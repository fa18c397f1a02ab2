"""JSON Lines: one JSON object per line, UTF-8. Blank lines are no rows."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from stages.io.reader import BadRow, Row


def read(lines: Iterator[bytes | BadRow]) -> Iterator[tuple[int, Row | BadRow]]:
    """Yield every row with its line number, counted from 1.

    Lone surrogates and bytes that are no UTF-8 are refused: no JSON could hold them again.
    """
    for number, line in enumerate(lines, 1):
        if isinstance(line, BadRow):
            yield number, line
            continue
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            if line.strip():
                yield number, _broken(line, error)
        else:
            yield number, row if type(row) is dict else BadRow(f"a JSON object is expected, this is {kind(row)}")


def _broken(line: bytes, error: orjson.JSONDecodeError) -> BadRow:
    column = error.colno if error.lineno == 1 else len(line.rstrip()) + 1  # the line ends too early
    return BadRow(f"not JSON: {error.msg} (column {column})")


def kind(value: object) -> str:
    """Name a JSON value's type as its writer knows it."""
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(value), "null")
