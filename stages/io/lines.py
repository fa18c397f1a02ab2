"""Source files of lines, read in bounded memory: JSON Lines, and CSV."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import orjson

from stages.core.errors import InputError
from stages.io.reader import At, BadRow, Feed, Reader, Row, kind, no_such

LINE_CAP = 16 * 1024 * 1024
"""Bytes of the longest line, and of the longest CSV field, that is read; longer ones are broken rows."""

_BOM = b"\xef\xbb\xbf"

Read = Callable[[Iterator["bytes | BadRow"]], Iterator[tuple[int, "Row | BadRow"]]]
"""Makes rows of lines, each with the number of the line it begins on, counted from 1."""


class Lines(Reader):
    """A file whose lines are rows, `.gz` too. `read` makes rows of its lines."""

    def __init__(self, path: str, read: Read) -> None:
        super().__init__(path)
        self._read = read

    def rows(self, feed: Feed | None = None) -> Iterator[tuple[At, Row | BadRow]]:
        name = self.name
        with _opened(self.path) as file:
            for line, row in self._read(_capped(file, feed)):
                yield (name, line), row


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Open a source file, `.gz` through gzip. Raises InputError where it cannot be opened or read."""
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            yield file  # type: ignore[misc]  # GzipFile reads like any binary file but is not typed as one
    except FileNotFoundError:
        raise no_such(path, "file") from None
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _capped(file: BinaryIO, feed: Feed | None = None) -> Iterator[bytes | BadRow]:
    """Yield every line with its newline, a too long one as a BadRow. `feed` is given all the bytes, in order."""
    readline, first = file.readline, True
    while line := readline(LINE_CAP):
        if feed is not None:
            feed(line)
        if first:
            line, first = line.removeprefix(_BOM), False
        if len(line) == LINE_CAP and not line.endswith(b"\n"):
            _skip_line(file, feed)
            yield BadRow(f"the line is longer than {LINE_CAP // 2**20} MiB")
        else:
            yield line


def _skip_line(file: BinaryIO, feed: Feed | None) -> None:
    """Read to the end of the line without holding it."""
    while piece := file.readline(LINE_CAP):
        if feed is not None:
            feed(piece)
        if piece.endswith(b"\n"):
            return


def read_jsonl(lines: Iterator[bytes | BadRow]) -> Iterator[tuple[int, Row | BadRow]]:
    """Yield the rows of JSON Lines: one JSON object per line, UTF-8. Blank lines are no rows.

    Lone surrogates and bytes that are no UTF-8 are refused: no JSON could hold them again.
    """
    for number, line in enumerate(lines, 1):
        if isinstance(line, BadRow):
            yield number, line
            continue
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            if number == 1 and line.startswith(b"["):
                yield number, BadRow("this begins a JSON array; write one object on each line: `jq -c '.[]'` does")
                return
            if line.strip():
                yield number, _no_json(line, error)
        else:
            yield number, row if type(row) is dict else BadRow(f"a JSON object is expected, this is {kind(row)}")


def _no_json(line: bytes, error: orjson.JSONDecodeError) -> BadRow:
    if "UTF-8" in error.msg:
        return BadRow("not UTF-8; save the file as UTF-8")
    column = error.colno if error.lineno == 1 else len(line.rstrip()) + 1  # the line ends too early
    return BadRow(f"not JSON: {error.msg} (column {column})")


def read_csv(lines: Iterator[bytes | BadRow], delimiter: str) -> Iterator[tuple[int, Row | BadRow]]:
    """Yield the rows of CSV with a header line, UTF-8, RFC 4180 quoting. Values are text; blank lines are no rows."""
    records = _records(lines, delimiter)
    number, header = next(records, (1, list[str]()))
    if isinstance(header, list) and len(set(header)) < len(header):
        twice = next(name for name in header if header.count(name) > 1)
        header = BadRow(f'the header names the column "{twice}" twice')
    if isinstance(header, BadRow):
        yield number, header
        return
    for number, fields in records:
        if isinstance(fields, BadRow):
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
