"""What a text says that can be looked up in another one without understanding either: its numbers and its names.

Numbers are digits (not number words), told apart by value: 1,000 is 1000.0. A name is a word of two letters or more
that begins with a capital where no sentence begins; in languages that capitalise every noun those count too, and where
there are no capitals there are no names.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import regex

from stages.core.text import normal

_NUMBER = regex.compile(r"(?<![\w.])\d+(?:,\d{3})*(?:\.\d+)?")
_LIST_MARK = regex.compile(r"^[ \t]*\d+[.)](?=\s)", regex.MULTILINE)
_NAME = regex.compile(r"\b\p{Lu}[\p{L}\p{M}]+")
_WORD = regex.compile(r"[\p{L}\p{M}]+")
_BEFORE_NAME = " \t\"'“”‘’«»„([*_#>-"  # noqa: RUF001  the look-alikes are meant
_ENDS = ".!?:。！？\n"  # noqa: RUF001  the full-width ones are meant
_SENTENCE = regex.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n+")  # noqa: RUF001  as above


def sentences(text: str) -> Iterator[str]:
    """Yield the sentences and lines of a text, in their order; an abbreviation's dot ends one too."""
    return (part.strip() for part in _SENTENCE.split(text) if part and part.strip())


def missing_numbers(text: str, other: str) -> list[str]:
    """Return the numbers of `text` that `other` has not, each once. The number of a list's item is none."""
    there = set(_numbers(other).values())
    return [written for written, value in _numbers(text).items() if value not in there]


def missing_names(text: str, other: str) -> list[str]:
    """Return the names of `text` that are no words of `other`, in any case, each once."""
    there = words(other)
    return [name for name in dict.fromkeys(_names(text)) if normal(name) not in there]


def words(text: str) -> set[str]:
    """Return the words of a text in normal form."""
    return set(_WORD.findall(normal(text)))


def _numbers(text: str) -> dict[str, Decimal]:
    return {found: Decimal(found.replace(",", "")) for found in _NUMBER.findall(_LIST_MARK.sub("", text))}


def _names(text: str) -> Iterator[str]:
    for found in _NAME.finditer(text):
        before = text[: found.start()].rstrip(_BEFORE_NAME)
        if before and before[-1] not in _ENDS:
            yield found[0]
