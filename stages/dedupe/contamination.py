"""Finds texts that hold what stands in a benchmark, by three rules of which any is enough.

- a run of words that both have, 13 of them (GPT-3, arXiv 2005.14165, appendix C);
- common 8-grams that cover over half of a benchmark row's words (Tulu 3, arXiv 2411.15124);
- an edit similarity of .95 between the whole of both (OpenThoughts, arXiv 2506.04178), which small changes here and
  there do not evade.

The first two are read off one index, of the rows' runs of eight words: 16 bytes each. A text of 250 words takes 0.1 ms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.fuzz import ratio

from config.schema import Decontaminate
from stages.core.text import normal
from stages.dedupe.words import Hashes, hashed, runs, words_of

RUN = 8
"""Words in an indexed run: the shortest overlap that can be asked for."""
_BUCKETS = 32
_SHOWN = 200

Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a benchmark: where it stands (`bench.jsonl:17`), and what must not be in a text."""

    place: str
    text: str


@dataclass(frozen=True, slots=True)
class Overlap:
    """What a text has of a benchmark row: the rule's words, where the row stands, the text's offending span."""

    how: str
    place: str
    span: str

    def __str__(self) -> str:
        return f'{self.how} of {self.place}: "{self.span}"'


class Benchmark:
    """The rows of benchmarks, indexed. How much is too much stands in `config`."""

    def __init__(self, rows: Sequence[Row], config: Decontaminate) -> None:
        self._rows, self._config = rows, config
        self._likeness = _Likeness([normal(row.text) for row in rows], config.similarity)
        self._runs = _Runs([hashed(words_of(normal(row.text))) for row in rows])

    def overlap(self, text: str) -> Overlap | None:
        """Return what a text has in common with the benchmark; None where that is little enough."""
        text = normal(text)
        words = words_of(text)
        found = self._runs.common(hashed(words))
        if found is not None:
            start, length, row = found.longest()
            if length >= self._config.ngram:
                return self._overlap(f"{length} words in a row", row, " ".join(words[start : start + length]))
            share, row = found.widest()
            if share > self._config.share:
                start, length, _ = found.of(row).longest()
                return self._overlap(f"{share:.0%} of the words", row, " ".join(words[start : start + length]))
        alike, row = self._likeness.nearest(text)
        return self._overlap(f"{alike:.0%} alike to all", row, text) if alike else None

    def _overlap(self, how: str, row: int, span: str) -> Overlap:
        return Overlap(how, self._rows[row].place, span if len(span) <= _SHOWN else f"{span[: _SHOWN - 3]}...")


@dataclass(frozen=True, slots=True)
class _Common:
    """Runs of eight words that a text and the benchmark have: where in the text, of which row, where in that row."""

    at: Numbers
    row: Numbers
    at_row: Numbers
    sizes: Numbers

    def longest(self) -> tuple[int, int, int]:
        """Return the longest stretch of words that stands in one row: start in the text, words, row."""
        order = np.lexsort((self.at, self.at - self.at_row, self.row))
        at, row, shift = self.at[order], self.row[order], (self.at - self.at_row)[order]
        begins = np.flatnonzero(
            np.concatenate(([True], (np.diff(at) != 1) | (np.diff(row) != 0) | (np.diff(shift) != 0)))
        )
        lengths = np.diff(np.append(begins, at.size))
        best = int(np.argmax(lengths))
        return int(at[begins[best]]), int(lengths[best]) + RUN - 1, int(row[begins[best]])

    def widest(self) -> tuple[float, int]:
        """Return the largest share of a row's words that lie in common runs, and that row."""
        covered = self.at_row[:, None] + np.arange(RUN)
        words = np.unique(self.row[:, None] << 32 | covered)
        rows, counts = np.unique(words >> 32, return_counts=True)
        shares = counts / self.sizes[rows]
        best = int(np.argmax(shares))
        return float(shares[best]), int(rows[best])

    def of(self, row: int) -> _Common:
        """Return those of one row."""
        own = self.row == row
        return _Common(self.at[own], self.row[own], self.at_row[own], self.sizes)


class _Runs:
    """Every run of eight words in the rows, sorted by its hash."""

    def __init__(self, rows: Sequence[Hashes]) -> None:
        found = [runs(words, RUN) for words in rows]
        keys = np.concatenate([np.empty(0, np.uint64), *found])
        order = np.argsort(keys, kind="stable")
        counts = [one.size for one in found]
        self._keys = keys[order]
        self._row = np.repeat(np.arange(len(rows), dtype=np.int32), counts)[order]
        self._at = np.concatenate([np.empty(0, np.int32), *(np.arange(n, dtype=np.int32) for n in counts)])[order]
        self._sizes = np.array([words.size for words in rows], np.int64)

    def common(self, words: Hashes) -> _Common | None:
        """Return the runs that a text has in common with the rows. What it repeats counts where it stands first."""
        keys, at = np.unique(runs(words, RUN), return_index=True)
        first = np.searchsorted(self._keys, keys)
        known = self._keys.take(first, mode="clip") == keys if self._keys.size else np.zeros(keys.size, np.bool_)
        if not known.any():
            return None
        keys, at, first = keys[known], at[known], first[known]
        counts = np.searchsorted(self._keys, keys, "right") - first
        entries = np.arange(counts.sum()) + np.repeat(first - (np.cumsum(counts) - counts), counts)
        row, at_row = self._row[entries].astype(np.int64), self._at[entries].astype(np.int64)
        return _Common(np.repeat(at, counts), row, at_row, self._sizes)


class _Likeness:
    """Rows by length, with how often each character occurs: two bounds on edit similarity that cost next to nothing."""

    def __init__(self, texts: Sequence[str], least: float) -> None:
        self._order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
        self._texts = [texts[row] for row in self._order]
        self._lengths = np.array([len(text) for text in self._texts], np.int64)
        self._counts = np.array([_counts(text) for text in self._texts], np.int32).reshape(-1, _BUCKETS)
        self._least = least

    def nearest(self, text: str) -> tuple[float, int]:
        """Return the similarity of the most similar row, and that row; 0 where it is below the least."""
        edits = 1 - self._least
        low, high = np.searchsorted(
            self._lengths, (len(text) * (1 - edits) / (1 + edits) - 1, len(text) * (1 + edits) / (1 - edits) + 1)
        )
        apart = np.abs(self._counts[low:high] - _counts(text)).sum(axis=1)
        near = np.flatnonzero(apart <= edits * (self._lengths[low:high] + len(text)) + 1) + low
        scored = ((ratio(text, self._texts[i], score_cutoff=100 * self._least) / 100, self._order[i]) for i in near)
        return max(scored, default=(0.0, 0))


def _counts(text: str) -> Numbers:
    characters = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    return np.bincount(characters % _BUCKETS, minlength=_BUCKETS)
