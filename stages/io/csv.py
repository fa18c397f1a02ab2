"""CSV with a header line, UTF-8, RFC 4180 quoting. Every value is text; blank lines are no rows."""

from __future__ import annotations

import csv
from collections.abc import Iterator

from stages.io.lines import LINE_CAP
from stages.io.reader import BadRow, Row


class _Text(Iterator[str]):
    """The lines as text. An iterator and not a generator: after a broken line the reader asks for the next one."""

    def __init__(self, lines: Iterator[bytes | BadRow]) -> None:
        self._lines, self.number = lines, 0

    def __next__(self) -> str:
        line = next(self._lines)
        self.number += 1
        if isinstance(line, BadRow):
            raise line
        try:
            return line.decode()
        except UnicodeDecodeError as error:
            raise BadRow(f"not UTF-8: {error.reason} (byte {error.start + 1} of the line)") from None


def read(lines: Iterator[bytes | BadRow], delimiter: str = ",") -> Iterator[tuple[int, Row | BadRow]]:
    """Yield every row with the number of the line it begins on, counted from 1."""
    header: list[str] | None = None
    for number, fields in _records(lines, delimiter):
        if header is None:
            header = fields if isinstance(fields, list) else []
            if (fault := _header_fault(fields)) is not None:
                yield number, fault
                return
        elif isinstance(fields, BadRow):
            yield number, fields
        elif len(fields) != len(header):
            yield number, BadRow(f"the header names {len(header)} columns, the row has {len(fields)}")
        else:
            yield number, dict(zip(header, fields, strict=True))


def _records(lines: Iterator[bytes | BadRow], delimiter: str) -> Iterator[tuple[int, list[str] | BadRow]]:
    csv.field_size_limit(LINE_CAP)  # the module's own limit is 128 KiB, for all readers of the process
    text = _Text(lines)
    reader = csv.reader(text, strict=True, delimiter=delimiter)
    while True:
        begins = text.number + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except BadRow as bad:
            yield begins, bad
        except csv.Error as error:
            yield begins, BadRow(f"not CSV: {error}")
        else:
            if fields:
                yield begins, fields


def _header_fault(fields: list[str] | BadRow) -> BadRow | None:
    if isinstance(fields, BadRow):
        return fields
    twice = next((name for name in fields if fields.count(name) > 1), None)
    return BadRow(f'the header names the column "{twice}" twice') if twice is not None else None
