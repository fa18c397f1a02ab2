"""All the documents of a phase, and the decision which of them are redundant.

What stays is decided greedily in order of preference: a document stays unless it is the twin of a document that leads
a cluster already full. What stood before this decision (`Settled`) stands, whatever is preferred to it.

Invariants: whatever is dropped has a kept twin, whose similarity was counted and not estimated; the result depends on
the documents and their order of arrival alone, not on how they were batched.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stages.dedupe.documents import Batch, Document, Hashed, Likeness, Measure
from stages.dedupe.neighbours import Neighbours
from stages.dedupe.shingles import Hashes

BATCH = 64
"""Documents hashed at a time: about 2 ms of work."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of a document with a twin: the number of the one that leads their cluster, and whether it stays."""

    leader: int
    likeness: Likeness
    stays: bool = False


@dataclass(frozen=True, slots=True)
class Settled:
    """What was decided before, by number: who leads a cluster, and who stays beside which leader."""

    leaders: Collection[int] = ()
    beside: Mapping[int, int] = field(default_factory=dict)


NOTHING = Settled()


class Corpus:
    """Collects documents, numbered from 0 as they come, then decides once."""

    def __init__(self, measure: Measure, batch: int = BATCH) -> None:
        self._measure, self._batch = measure, batch
        self._waiting: list[Document] = []
        self._batches: list[Batch] = []
        self._firsts: list[int] = []
        self._scores: list[float] = []
        self.nbytes = 0

    def __len__(self) -> int:
        return len(self._scores)

    def add(self, document: Document, score: float | None = None) -> bool:
        """Take a document in; return whether enough wait to be hashed: then call `hash`, perhaps in a thread."""
        self._waiting.append(document)
        self._scores.append(-math.inf if score is None else score)
        return len(self._waiting) >= self._batch

    def hash(self) -> None:
        """Hash what waits for it."""
        if self._waiting:
            self._firsts.append(len(self) - len(self._waiting))
            self._batches.append(self._measure.hashed(self._waiting))
            self._waiting = []
            self.nbytes += self._batches[-1].nbytes

    def fates(self, per_cluster: int = 1, by_score: bool = False, settled: Settled = NOTHING) -> dict[int, Fate]:
        """Return what becomes of every document that has a twin, but for those that were settled before.

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
        clusters = _Clusters(self, self._measure, some, keys, shared)
        for one in map(int, some):
            if one in settled.leaders:
                clusters.lead(one)
        for leader in settled.beside.values():
            clusters.sizes[leader] = clusters.sizes.get(leader, 1) + 1
        fates: dict[int, Fate] = {}
        for one in map(int, some):
            if one in settled.leaders or one in settled.beside:
                continue
            if (fate := clusters.fate(one, per_cluster)) is None:
                clusters.lead(one)
            else:
                fates[one] = fate
                clusters.sizes[fate.leader] += fate.stays
        return fates

    def __getitem__(self, one: int) -> Hashed:
        at = bisect_right(self._firsts, one) - 1
        return self._batches[at][one - self._firsts[at]]


class _Clusters:
    """The leaders so far. Only keys that occur more than once are looked at."""

    def __init__(
        self, corpus: Corpus, measure: Measure, order: NDArray[np.int64], keys: Hashes, shared: NDArray[np.bool_]
    ) -> None:
        self._corpus, self._measure, self._keys, self._shared = corpus, measure, keys, shared
        self._rank = {one: rank for rank, one in enumerate(order.tolist())}
        self._leaders = Neighbours(measure.cosine)
        self.sizes: dict[int, int] = {}

    def lead(self, one: int) -> None:
        self.sizes.setdefault(one, 1)
        self._leaders.add(one, self._keys[one][self._shared[one]], self._corpus[one].vector)

    def fate(self, one: int, per_cluster: int) -> Fate | None:
        """Return what becomes of a document that has a twin among the leaders.

        That is the most similar one of those preferred to it; else one that stood before and is preferred less.
        """
        mine, rank = self._corpus[one], self._rank
        near = self._leaders.near(self._keys[one][self._shared[one]], mine.vector)
        found = self._closest(mine, (leader for leader in near if rank[leader] < rank[one]))
        found = found or self._closest(mine, (leader for leader in near if rank[leader] > rank[one]))
        return None if found is None else Fate(*found, self.sizes[found[0]] < per_cluster)

    def _closest(self, mine: Hashed, leaders: Iterable[int]) -> tuple[int, Likeness] | None:
        found = None
        for leader in leaders:
            likeness = self._measure.likeness(mine, self._corpus[leader])
            if likeness is not None and (found is None or likeness.similarity > found[1].similarity):
                found = leader, likeness
        return found


def _repeated(column: Hashes) -> NDArray[np.bool_]:
    """Return which values occur more than once."""
    order = np.sort(column)
    return np.isin(column, order[1:][order[1:] == order[:-1]])
