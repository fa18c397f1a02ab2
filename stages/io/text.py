"""A folder of documents, or one: a row per document, or per chunk of it.

Columns: `id` (the path, and behind a `#` the chunk's number), `text`, `path` (from the folder on), `title` (the first
heading, else the file's name), `heading` (the headings above a chunk, joined by ` > `) and `chunk`, counted from 1.
Line ends become those of Unix.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from config.sources import Chunk, TextSource
from stages.core.errors import InputError
from stages.io import chunks
from stages.io.lines import LINE_CAP
from stages.io.reader import At, BadRow, Feed, Reader, Row, files_of


class Documents(Reader):
    """Files in the order of their paths; each is in memory as a whole, 16 MiB at most."""

    def __init__(self, config: TextSource) -> None:
        super().__init__(config.path)
        self._glob, self._chunk = config.glob, config.chunk

    def rows(self, feed: Feed | None = None) -> Iterator[tuple[At, Row | BadRow]]:
        for file in files_of(self.path, self._glob):
            path = file.relative_to(self.path if self.path.is_dir() else file.parent).as_posix()
            raw, name = _bytes(file), os.fsencode(file).decode(errors="replace")
            if feed is not None:
                feed(b"%s\0%d\0%s" % (os.fsencode(path), len(raw), raw))
            try:
                path.encode()
                text = _text(raw)
            except UnicodeEncodeError:
                yield (name, 1), BadRow("the file's name is not UTF-8; rename it")
            except _NoText as fault:
                yield (name, fault.line), BadRow(str(fault))
            else:
                yield from (((name, line), row) for line, row in _rows(path, text, self._chunk))


class _NoText(Exception):
    def __init__(self, line: int, why: str) -> None:
        self.line = line
        super().__init__(why)


def _bytes(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(LINE_CAP + 1)
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from error


def _text(raw: bytes) -> str:
    """Return a document's text. Raises _NoText with the line where it is none, and why."""
    if len(raw) > LINE_CAP:
        raise _NoText(1, f"the document is longer than {LINE_CAP // 2**20} MiB; split it")
    if (zero := raw.find(b"\0")) >= 0:
        raise _NoText(raw.count(b"\n", 0, zero) + 1, "not a text but binary: there is a zero byte")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise _NoText(raw.count(b"\n", 0, error.start) + 1, f"not UTF-8: {error.reason}") from None
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise _NoText(1, "the document is empty")
    return text


def _rows(path: str, text: str, chunk: Chunk | None) -> Iterator[tuple[int, Row]]:
    """Yield the rows of a document, each with the line it begins on."""
    title = next((heading.text for heading in chunks.headings(text) if heading.text), Path(path).stem)
    if chunk is None:
        yield 1, _row(path, text, path, title, "", 1)
        return
    number, line, counted = 0, 1, 0
    for start, end, heading in _pieces(text, chunk):
        piece = text[start:end].strip()
        if piece:
            number += 1
            line, counted = line + text.count("\n", counted, start), start
            yield line, _row(f"{path}#{number}", piece, path, title, heading, number)


def _row(name: str, text: str, path: str, title: str, heading: str, number: int) -> Row:
    return {"id": name, "text": text, "path": path, "title": title, "heading": heading, "chunk": number}


def _pieces(text: str, chunk: Chunk) -> Iterator[tuple[int, int, str]]:
    """Yield begin, end and headings of each chunk."""
    size, overlap = (count * chunks.CHARACTERS_PER_TOKEN for count in (chunk.tokens, chunk.overlap))
    parts = chunks.sections(text) if chunk.by == "heading" else [chunks.Section(0, len(text))]
    for part in parts:
        for start, end in chunks.cut(text, part.start, part.end, size, overlap):
            yield start, end, " > ".join(part.path)
