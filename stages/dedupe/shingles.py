"""Texts as sets of word 5-grams, hashed: what Jaccard similarity is counted on.

A batch at a time, in numpy, which lets the event loop run meanwhile. All texts stand in one buffer; with prefix sums of
a polynomial over its bytes the hash of any span is a difference, so a gram costs the same whatever its length. A gram's
hash has 32 bits, so that sets of 250-word texts take 1 KB; two different ones share a hash by chance about once in
70,000 pairs of texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Grams = NDArray[np.uint32]

WORDS = 5
_SPACE = 32
_BASE, _MIX = 0x9E3779B97F4A7C15, np.uint64(0xD6E8FEB86659FD93)
_HALF = np.uint64(32)


@dataclass(frozen=True, slots=True)
class GramSets:
    """The gram sets of a batch, one behind the other: set i is `grams[starts[i]:starts[i + 1]]`, sorted, no repeats."""

    grams: Grams
    starts: NDArray[np.int64]

    def __getitem__(self, i: int) -> Grams:
        return self.grams[self.starts[i] : self.starts[i + 1]]


def gram_sets(texts: Sequence[str], salts: Sequence[int]) -> GramSets:
    """Return the gram set of each text, which is in normal form (`words.spaced`): one space between words.

    A text of fewer than five words has one gram, all of it, so it is near only to its equals. Texts with different
    salts share no grams: the prompt's and the response's grams of a pair stay apart.
    """
    coded = [text.encode("utf-8", "surrogatepass") for text in texts]
    buffer = np.frombuffer(b" ".join([*coded, b""]), np.uint8)
    ends = np.flatnonzero(buffer == _SPACE)  # of words; the last one of each text ends where the text does
    last = np.searchsorted(ends, np.cumsum([len(one) + 1 for one in coded]) - 1)
    first = np.concatenate(([0], last[:-1] + 1))
    rows = np.repeat(np.arange(len(coded)), last - first + 1)
    word = np.arange(ends.size)
    closing = np.minimum(word + WORDS - 1, last[rows])
    whole = (closing == word + WORDS - 1) | (word == first[rows])
    begins = np.concatenate(([0], ends[:-1] + 1))
    hashes = _spans(buffer, begins[whole], ends[closing[whole]])
    rows = rows[whole].astype(np.uint64)
    grams = _mixed(hashes + np.asarray(salts, np.uint64)[rows] * _MIX)
    keys = np.sort(rows << _HALF | grams >> _HALF)
    keys = keys[np.concatenate(([True], keys[1:] != keys[:-1]))]  # as np.unique, which is ten times slower here
    starts = np.searchsorted(keys, np.arange(len(coded) + 1, dtype=np.uint64) << _HALF)
    return GramSets(keys.astype(np.uint32), starts.astype(np.int64))


def jaccard(one: Grams, other: Grams) -> float:
    """Return the share of common grams, 0 to 1."""
    common = np.intersect1d(one, other, assume_unique=True).size
    return common / (one.size + other.size - common)


def _spans(buffer: NDArray[np.uint8], begins: NDArray[np.int64], ends: NDArray[np.int64]) -> Hashes:
    """Return a hash of each span of bytes: a polynomial in an odd base, modulo 2^64, wherever the span stands."""
    up, down = _powers(buffer.size.bit_length())
    sums = np.zeros(buffer.size + 1, np.uint64)
    np.cumsum(_LETTERS[buffer] * up[: buffer.size], out=sums[1:])
    return _mixed((sums[ends] - sums[begins]) * down[begins])


@lru_cache(maxsize=2)
def _powers(bits: int) -> tuple[Hashes, Hashes]:
    """Return the first 2^bits powers of the base and of its inverse."""
    powers = np.full((2, 1 << bits), [[_BASE], [pow(_BASE, -1, 1 << 64)]], np.uint64)
    powers[:, 0] = 1
    up, down = np.cumprod(powers, axis=1, dtype=np.uint64)
    return up, down


def _mixed(hashes: Hashes) -> Hashes:
    """Spread every bit over all of them: the top half is what is kept."""
    hashes = hashes ^ hashes >> _HALF
    hashes *= _MIX
    hashes ^= hashes >> _HALF
    hashes *= _MIX
    return hashes ^ hashes >> _HALF


_LETTERS = _mixed(np.arange(1, 257, dtype=np.uint64) * _MIX)
"""Each byte as a number with nothing in common with its neighbours'."""
