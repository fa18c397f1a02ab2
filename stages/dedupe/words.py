"""Texts as a whole, as words and as runs of words, hashed: what overlap and repetition are counted on.

Words are runs of letters and digits of the text in normal form (`core.text.normal`), so case, punctuation and white
space hide nothing; of scripts without spaces each character is a word.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

Hashes = NDArray[np.uint64]

_UNSPACED = r"\u2e80-\ua4cf\uf900-\ufaff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")
_ALONE = re.compile(rf"[{_UNSPACED}]")
_BASE = np.uint64(0x9E3779B97F4A7C15)


def digest(parts: Sequence[str]) -> int:
    """Return 64 bits of a document whose parts are normal texts: of exact duplicates the same.

    Two different ones of ten million documents share them with a probability of 3 in a million.
    """
    return xxh3_64_intdigest("\0".join(parts).encode("utf-8", "surrogatepass"))


def words_of(text: str) -> list[str]:
    """Return the words of a text that is in normal form."""
    return _WORD.findall(text)


def spaced(text: str) -> str:
    """Return a text in normal form with white space around every character of a script that has none."""
    return text if text.isascii() else " ".join(_ALONE.sub(r" \g<0> ", text).split())


def hashed(words: list[str]) -> Hashes:
    """Return 64 bits of each word."""
    digests = (xxh3_64_intdigest(word.encode("utf-8", "surrogatepass")) for word in words)
    return np.fromiter(digests, np.uint64, len(words))


def runs(words: Hashes, n: int) -> Hashes:
    """Return a hash of every run of `n` words, in order; none where there are fewer."""
    count = max(0, words.size - n + 1)
    found = words[:count].copy()
    for ahead in range(1, n):
        found = found * _BASE + words[ahead : ahead + count]
    return found
