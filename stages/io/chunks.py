"""Where a document is cut: at headings of Markdown, and at ends of paragraphs and sentences where it is too long.

All functions return places in the text, so that a chunk is found in its document again, letter by letter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

CHARACTERS_PER_TOKEN = 4
"""There is no tokenizer: English prose has about four characters to a token, other scripts fewer."""

_ATX = re.compile(r" {0,3}(#{1,6})(?=[ \t]|$)")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})([^`]*)$")
_NO_PARAGRAPH = re.compile(r" {4}|\t| {0,3}(?:>|(?:[-+*]|\d{1,9}[.)])(?:\s|$))")
"""How indented code, a quotation or a list begins: what no underline makes a heading of."""

_SENTENCE = r"(?:[.!?\u2026][\"'\u201d\u2019\u00bb)\]*_]*\s+)|[\u3002\uff01\uff1f]"  # the last three: CJK
_ENDS = tuple(re.compile(pattern) for pattern in (r"\n[ \t]*\n\s*", _SENTENCE, r"\n\s*", r"\s+"))
"""What may end a chunk, the best first: a paragraph, a sentence, a line, a word."""


class Heading(NamedTuple):
    """A heading: where it begins and ends in the text, its level from 1 to 6, and its words."""

    start: int
    end: int
    level: int
    text: str


class Section(NamedTuple):
    """A heading with what stands under it; `path` are the headings above it and itself, outermost first."""

    start: int
    end: int
    path: tuple[str, ...] = ()


def headings(text: str) -> Iterator[Heading]:
    """Yield the headings of a Markdown text (CommonMark's ATX and setext ones), none inside fenced code."""
    fence, paragraph = "", _NONE
    for start, end in _lines(text, _behind_front_matter(text)):
        line = text[start:end].rstrip()
        mark = _FENCE.match(line)
        if fence:
            if mark is not None and mark[1].startswith(fence) and not mark[2]:
                fence = ""
        elif mark is not None:
            fence, paragraph = mark[1], _NONE
        elif (atx := _ATX.match(line)) is not None:
            yield Heading(start, end, len(atx[1]), _words(line[atx.end() :]))
            paragraph = _NONE
        elif paragraph >= 0 and (under := _UNDERLINE.match(line)) is not None:
            level = 1 if under[1].startswith("=") else 2
            yield Heading(paragraph, end, level, " ".join(text[paragraph:start].split()))
            paragraph = _NONE
        elif not line:
            paragraph = _NONE
        elif _NO_PARAGRAPH.match(line):
            paragraph = _OTHER
        elif paragraph == _NONE:
            paragraph = start


_NONE, _OTHER = -1, -2
"""Instead of where the paragraph begins: there is no block, or it is another one."""


def _lines(text: str, start: int) -> Iterator[tuple[int, int]]:
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        yield start, end
        start = end


def _behind_front_matter(text: str) -> int:
    """Return where the text begins behind the YAML that a document may open with: its rule is no underline."""
    found = re.match(r"---[ \t]*\n(?:.*\S.*\n)*?(?:---|\.\.\.)[ \t]*(?:\n|$)", text)
    return found.end() if found else 0


def _words(text: str) -> str:
    """Return an ATX heading's words without the `#` that may close it."""
    text = text.strip()
    bare = text.rstrip("#")
    return bare.rstrip() if not bare or bare[-1] in " \t" else text


def sections(text: str) -> Iterator[Section]:
    """Yield the parts of a text between its headings, in order; those of which nothing is left but a heading not."""
    start, behind, path = 0, 0, dict[int, str]()
    for heading in (*headings(text), Heading(len(text), len(text), 1, "")):
        if text[behind : heading.start].strip():
            yield Section(start, heading.start, tuple(path.values()))
        start, behind = heading.start, heading.end
        path = {level: words for level, words in path.items() if level < heading.level} | {heading.level: heading.text}


def cut(text: str, start: int, end: int, size: int, overlap: int) -> Iterator[tuple[int, int]]:
    """Yield pieces of text[start:end], `size` characters at most; each begins in the last `overlap` of the one before.

    A piece ends with a paragraph, else a sentence, a line or a word, if one ends in its second half; so it begins, too.
    """
    while end - start > size:
        least = start + max(size // 2, overlap + 1)  # so that the next piece begins behind this one's beginning
        ending = _last_end(text, least, start + size) or start + size
        yield start, ending
        start = _first_beginning(text, ending - overlap, ending)
    yield start, end


def _last_end(text: str, start: int, end: int) -> int | None:
    for pattern in _ENDS:
        ends = [found.end() for found in pattern.finditer(text, start, end)]
        if ends:
            return ends[-1]
    return None


def _first_beginning(text: str, start: int, end: int) -> int:
    """Return where the first paragraph, sentence, line or word after `start` begins; `end` where none does before."""
    for pattern in _ENDS:
        found = pattern.search(text, start, end) if start < end else None
        if found is not None and found.end() < end:
            return found.end()
    return end
