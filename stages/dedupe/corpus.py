"""All the documents of a phase, and the decision which of them are redundant.

What stays is decided greedily in order of preference: a document stays unless it is the twin of a document that leads
a cluster already full. What stood before this decision stands, whatever is preferred to it.

Invariants: whatever is dropped has a kept twin, whose similarity was counted and not estimated; the result depends on
the documents and their order of arrival alone, not on how they were batched.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from stages.dedupe.documents import Batch, Document, Hashed, Likeness, Measure
from stages.dedupe.neighbours import Neighbours
from stages.dedupe.shingles import Hashes

BATCH = 64
"""Documents hashed at a time: about 2 ms of work."""


Id = TypeVar("Id", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Twin(Generic[Id]):
    """The twin of a document, which leads their cluster; how alike they are, and whether the document stays as well."""

    id: Id
    likeness: Likeness
    stays: bool = False


class Corpus(Generic[Id]):
    """Collects documents, then decides once.

    `leaders` and `beside` are what was decided before: who leads a cluster, and who stays beside which leader.
    """

    def __init__(self, measure: Measure, batch: int = BATCH) -> None:
        self._measure, self._batch = measure, batch
        self._waiting: list[Document] = []
        self._batches: list[Batch] = []
        self._firsts: list[int] = []
        self._ids: list[Id] = []
        self._scores: list[float] = []
        self.leaders: set[Id] = set()
        self.beside: dict[Id, Id] = {}
        self.nbytes = 0

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, id_: Id, document: Document, score: float | None = None) -> bool:
        """Take a document in; return whether enough wait to be hashed: then call `hash`, perhaps in a thread."""
        self._waiting.append(document)
        self._ids.append(id_)
        self._scores.append(-math.inf if score is None else score)
        return len(self._waiting) >= self._batch

    def hash(self) -> None:
        """Hash what waits for it."""
        if self._waiting:
            self._firsts.append(len(self) - len(self._waiting))
            self._batches.append(self._measure.hashed(self._waiting))
            self._waiting = []
            self.nbytes += self._batches[-1].nbytes

    def twins(self, per_cluster: int = 1, by_score: bool = False) -> dict[Id, Twin[Id]]:
        """Return the twin of every document that has one, but for those that were settled before.

        Preference: the best score first, or else, and in ties, the earliest.
        """
        self.hash()
        if not self._batches:
            return {}
        keys = np.concatenate([batch.keys for batch in self._batches])
        shared = np.ones_like(keys, dtype=np.bool_)
        for column in range(keys.shape[1]):
            shared[:, column] = _repeated(keys[:, column])
        some = np.arange(len(self)) if self._measure.cosine is not None else np.flatnonzero(shared.any(axis=1))
        if by_score:
            some = some[np.argsort(-np.array(self._scores)[some], kind="stable")]
        leaders = _Leaders(self, self._measure, some, keys, shared)
        ids = self._ids
        there = self.leaders.intersection(ids)
        sizes = Counter(leader for leader in self.beside.values() if leader in there)
        for one in map(int, some):
            if ids[one] in there:
                leaders.add(one)
        twins: dict[Id, Twin[Id]] = {}
        for one in map(int, some):
            if ids[one] in there or self.beside.get(ids[one]) in there:
                continue
            if (found := leaders.closest(one)) is None:
                leaders.add(one)
            else:
                leader, likeness = found
                twin = twins[ids[one]] = Twin(ids[leader], likeness, 1 + sizes[ids[leader]] < per_cluster)
                sizes[twin.id] += twin.stays
        return twins

    def __getitem__(self, one: int) -> Hashed:
        at = bisect_right(self._firsts, one) - 1
        return self._batches[at][one - self._firsts[at]]


class _Leaders:
    """The leaders of clusters so far. Only keys that occur more than once are looked at."""

    def __init__(
        self, corpus: Corpus[Any], measure: Measure, order: NDArray[np.int64], keys: Hashes, shared: NDArray[np.bool_]
    ) -> None:
        self._corpus, self._measure, self._keys, self._shared = corpus, measure, keys, shared
        self._rank = {one: rank for rank, one in enumerate(order.tolist())}
        self._index = Neighbours(measure.cosine)

    def add(self, one: int) -> None:
        self._index.add(one, self._keys[one][self._shared[one]], self._corpus[one].vector)

    def closest(self, one: int) -> tuple[int, Likeness] | None:
        """Return the twin of a document among the leaders, if it has one.

        That is the most similar one of those preferred to it; else one that stood before and is preferred less.
        """
        mine, rank = self._corpus[one], self._rank
        near = self._index.near(self._keys[one][self._shared[one]], mine.vector)
        found = self._closest(mine, (leader for leader in near if rank[leader] < rank[one]))
        return found or self._closest(mine, (leader for leader in near if rank[leader] > rank[one]))

    def _closest(self, mine: Hashed, leaders: Iterable[int]) -> tuple[int, Likeness] | None:
        alike = ((leader, self._measure.likeness(mine, self._corpus[leader])) for leader in leaders)
        twins = [(leader, likeness) for leader, likeness in alike if likeness is not None]
        return max(twins, key=lambda twin: twin[1].similarity, default=None)


def _repeated(column: Hashes) -> NDArray[np.bool_]:
    """Return which values occur more than once."""
    order = np.sort(column)
    return np.isin(column, order[1:][order[1:] == order[:-1]])
