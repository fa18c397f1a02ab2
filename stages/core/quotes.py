"""Quotations: where the words that somebody quotes stand in the text they are said to be from."""

from __future__ import annotations

import re
from typing import NamedTuple

_ALIKE = ("'‘’‚‛′`´", '"“”„‟″«»', "-‐‑‒–—−")  # noqa: RUF001  the look-alikes are meant
_CLASS = {sign: f"[{re.escape(alike)}]" for alike in _ALIKE for sign in alike}
_AROUND = "".join(_ALIKE[:2]) + " \t\r\n"


class Span(NamedTuple):
    """A part of a text, in its own words: `text` is the source from `start` to `end`, counted in characters."""

    text: str
    start: int
    end: int


def find_span(quoted: str, source: str) -> Span | None:
    """Return the first place where the source has these words; None where it has them nowhere, or there are none.

    Word for word and sign for sign, but for white space, the form of quotation marks and dashes, and quotation marks
    around the whole.
    """
    words = quoted.strip(_AROUND).split()
    if not words:
        return None
    pattern = r"\s+".join("".join(_CLASS.get(sign) or re.escape(sign) for sign in word) for word in words)
    found = re.search(pattern, source)
    return None if found is None else Span(found[0], found.start(), found.end())
