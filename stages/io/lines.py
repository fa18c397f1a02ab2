"""A source file of lines, one row after the other, in bounded memory."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from stages.core.errors import InputError
from stages.io.reader import At, BadRow, Feed, Reader, Row, no_such, shown

LINE_CAP = 16 * 1024 * 1024
"""Bytes of the longest line, and of the longest CSV field, that is read; longer ones are broken rows."""

_BOM = b"\xef\xbb\xbf"

Read = Callable[[Iterator["bytes | BadRow"]], Iterator[tuple[int, "Row | BadRow"]]]
"""Makes rows of lines, each with the number of the line it begins on."""


class Lines(Reader):
    """A file whose lines are rows, `.gz` too. `read` makes rows of its lines."""

    def __init__(self, path: str, read: Read) -> None:
        self._path, self._read = shown(Path(path)), read
        self.name = str(self._path)

    def rows(self, feed: Feed | None = None) -> Iterator[tuple[At, Row | BadRow]]:
        name = self.name
        with opened(self._path) as file:
            for line, row in self._read(capped(file, feed)):
                yield (name, line), row


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a source file, `.gz` through gzip. Raises InputError where it cannot be opened or read."""
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            yield file  # type: ignore[misc]  # GzipFile reads like any binary file but is not typed as one
    except FileNotFoundError:
        raise no_such(path, "file") from None
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def capped(file: BinaryIO, feed: Feed | None = None) -> Iterator[bytes | BadRow]:
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
