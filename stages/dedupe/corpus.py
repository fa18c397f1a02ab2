"""All the documents of a phase, held compactly, and the decision which of them are redundant.

A document has one or two parts (a prompt, a response). Two documents are twins when every part is: equal in normal
form, or with at least the threshold's Jaccard similarity of word 5-grams; unless both have a parsed answer and these
differ. What stays is decided greedily in order of preference: a document stays unless it is the twin of a document
that leads a cluster already full.

Invariants: whatever is dropped has a kept twin, whose similarity was counted and not estimated; the result depends on
the documents and their order of arrival alone, not on how they were batched. Memory: 8 bytes per band (18 at the
default threshold) and 4 per distinct word 5-gram, 1.2 KB for a document of 250 words.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from stages.core.text import normal
from stages.dedupe.exact import digest
from stages.dedupe.near import band_keys, bands_for
from stages.dedupe.shingles import Grams, GramSets, Hashes, gram_sets, jaccard

BATCH = 64
"""Documents hashed at a time: about 5 ms of work, the longest that the event loop waits."""


@dataclass(frozen=True, slots=True)
class Twin:
    """Why a document goes: the number of the kept one that leads its cluster, and how alike they are, 0 to 1."""

    leader: int
    similarity: float


class Corpus:
    """Collects documents, numbered from 0 as they come, then decides once. `threshold` None: exact twins only."""

    def __init__(self, exact: bool, threshold: float | None, batch: int = BATCH) -> None:
        self._exact, self._threshold, self._batch = exact, threshold, batch
        self._cut = None if threshold is None else bands_for(threshold)
        self._waiting: list[tuple[str, ...]] = []
        self._parts = 1
        self._keys: list[Hashes] = []
        self._grams: list[GramSets] = []
        self._answers: list[int] = []
        self._scores: list[float] = []

    def __len__(self) -> int:
        return len(self._answers)

    def add(self, parts: Sequence[str], answer: str = "", score: float | None = None) -> bool:
        """Take a document in; return whether that completed a batch, which took some milliseconds."""
        self._parts = len(parts)
        self._waiting.append(tuple(map(normal, parts)))
        self._answers.append(digest((normal(answer),)) if answer else 0)
        self._scores.append(-math.inf if score is None else score)
        if len(self._waiting) < self._batch:
            return False
        self._hash()
        return True

    def _hash(self) -> None:
        batch, self._waiting = self._waiting, []
        columns = []
        if self._exact:
            columns.append(np.array([[digest(parts)] for parts in batch], np.uint64))
        if self._cut is not None:
            texts = [text for parts in batch for text in parts]
            sets = gram_sets(texts, [i % self._parts for i in range(len(texts))])
            self._grams.append(sets)
            starts = sets.starts[:: self._parts].astype(np.uint64)
            columns.append(band_keys(sets.grams.astype(np.uint64), starts, self._cut))
        if columns:
            self._keys.append(np.concatenate(columns, axis=1))

    def twins(self, per_cluster: int = 1, by_score: bool = False) -> dict[int, Twin]:
        """Return the documents to drop. Preference: the best score first, or else, and in ties, the earliest."""
        if self._waiting:
            self._hash()
        if not self._keys:
            return {}
        keys = np.concatenate(self._keys)
        shared = np.stack([_repeated(column) for column in keys.T], axis=1)
        some = np.flatnonzero(shared.any(axis=1))
        if by_score:
            some = some[np.argsort(-np.array(self._scores)[some], kind="stable")]
        clusters = _Clusters(keys, shared)
        dropped: dict[int, Twin] = {}
        for one in map(int, some):
            twin = self._closest(one, clusters.near(one))
            if twin is None:
                clusters.lead(one)
            elif clusters.sizes[twin.leader] >= per_cluster:
                dropped[one] = twin
            else:
                clusters.sizes[twin.leader] += 1
        return dropped

    def _closest(self, one: int, leaders: Iterator[int]) -> Twin | None:
        found = None
        for leader in leaders:
            similarity = self._similarity(one, leader)
            if similarity == 1:
                return Twin(leader, 1.0)
            if similarity and (found is None or similarity > found.similarity):
                found = Twin(leader, similarity)
        return found

    def _similarity(self, one: int, other: int) -> float:
        """Return how alike two documents are in their least similar part, 0 where they are no twins."""
        answers = self._answers[one], self._answers[other]
        if 0 not in answers and answers[0] != answers[1]:
            return 0.0
        if self._exact and self._digest_of(one) == self._digest_of(other):
            return 1.0
        if self._threshold is None:
            return 0.0
        pairs = zip(self._grams_of(one), self._grams_of(other), strict=True)
        similarity = min(jaccard(mine, its) for mine, its in pairs)
        return similarity if similarity >= self._threshold else 0.0

    def _digest_of(self, one: int) -> int:
        return int(self._keys[one // self._batch][one % self._batch, 0])

    def _grams_of(self, one: int) -> list[Grams]:
        first = one % self._batch * self._parts
        return [self._grams[one // self._batch][first + part] for part in range(self._parts)]


class _Clusters:
    """The leaders so far, found by the keys they share with a document; keys of different columns differ."""

    def __init__(self, keys: Hashes, shared: NDArray[np.bool_]) -> None:
        self._keys, self._shared = keys, shared
        self._leaders: dict[int, list[int]] = {}
        self.sizes: dict[int, int] = {}

    def _marks(self, one: int) -> list[int]:
        return cast("list[int]", self._keys[one][self._shared[one]].tolist())

    def near(self, one: int) -> Iterator[int]:
        """Return the leaders that share a key with a document, each once, those of the first keys first."""
        return iter(dict.fromkeys(leader for mark in self._marks(one) for leader in self._leaders.get(mark, ())))

    def lead(self, one: int) -> None:
        self.sizes[one] = 1
        for mark in self._marks(one):
            self._leaders.setdefault(mark, []).append(one)


def _repeated(column: Hashes) -> NDArray[np.bool_]:
    """Return which values occur more than once."""
    order = np.sort(column)
    return np.isin(column, order[1:][order[1:] == order[:-1]])
