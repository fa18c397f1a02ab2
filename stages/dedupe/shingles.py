"""Texts as sets of word 5-grams, hashed: what Jaccard similarity is counted on.

A batch at a time, in numpy: only the hash of each word is Python's work. A gram's hash has 32 bits, so that sets of
250-word texts take 1 KB; two different ones share a hash by chance about once in 70,000 pairs of texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

Hashes = NDArray[np.uint64]
Grams = NDArray[np.uint32]

WORDS = 5
_PAD = (0,)
_BASE, _MIX = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
_HALF = np.uint64(32)


@dataclass(frozen=True, slots=True)
class GramSets:
    """The gram sets of a batch, one behind the other: set i is `grams[starts[i]:starts[i + 1]]`, sorted, no repeats."""

    grams: Grams
    starts: NDArray[np.int64]

    def __getitem__(self, i: int) -> Grams:
        return self.grams[self.starts[i] : self.starts[i + 1]]


def gram_sets(texts: Sequence[str], salts: Sequence[int]) -> GramSets:
    """Return the gram set of each text, which is in normal form (`core.text.normal`).

    A text of fewer than five words has one gram, all of its words, so it is near only to its equals. Texts with
    different salts share no grams: the prompt's and the response's grams of a pair stay apart.
    """
    hashed = [_padded(text) for text in texts]
    counts = np.fromiter(map(len, hashed), np.int64, len(hashed))
    words = np.fromiter(chain.from_iterable(hashed), np.uint64, int(counts.sum()))
    rows = np.repeat(np.arange(len(hashed), dtype=np.uint64), counts)
    grams = _mixed(_windows(words) + np.asarray(salts, np.uint64)[rows[: 1 - WORDS]] * _MIX)
    inside = rows[: 1 - WORDS] == rows[WORDS - 1 :]  # a window over the border of two texts is nobody's
    keys = np.unique(rows[: 1 - WORDS][inside] << _HALF | grams[inside] >> _HALF)
    starts = np.searchsorted(keys, np.arange(len(hashed) + 1, dtype=np.uint64) << _HALF)
    return GramSets(keys.astype(np.uint32), starts.astype(np.int64))


def jaccard(one: Grams, other: Grams) -> float:
    """Return the share of common grams, 0 to 1."""
    common = np.intersect1d(one, other, assume_unique=True).size
    return common / (one.size + other.size - common)


def _padded(text: str) -> list[int]:
    hashes = [xxh3_64_intdigest(word) for word in text.encode("utf-8", "surrogatepass").split(b" ")]
    hashes.extend(_PAD * (WORDS - len(hashes)))
    return hashes


def _windows(words: Hashes) -> Hashes:
    """Return a polynomial hash of every window of five words, wrapping at 64 bits."""
    windows = words[: 1 - WORDS].copy()
    for ahead in range(1, WORDS):
        windows *= _BASE
        windows += words[ahead : words.size - WORDS + 1 + ahead]
    return _mixed(windows)


def _mixed(hashes: Hashes) -> Hashes:
    """Spread every bit over all of them: the top half is what is kept."""
    hashes ^= hashes >> _HALF
    hashes *= _MIX
    hashes ^= hashes >> _HALF
    hashes *= _MIX
    return hashes ^ hashes >> _HALF
