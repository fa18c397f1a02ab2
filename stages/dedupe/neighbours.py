"""Which documents may be twins of another one, found while they come: they share a key, or their embeddings are close.

Who is found is held against the true similarity by the caller, so a false hit costs time and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stages.dedupe.documents import Vector
from stages.dedupe.shingles import Hashes

if TYPE_CHECKING:
    from usearch.index import Index

CLOSEST = 64
"""Embeddings that are looked at."""
_SEARCHED_THROUGH = 4_096
"""So few embeddings are compared one by one: nothing is missed."""
_SPARSE = 32
"""Bits for each key at the least."""
_BLUR = 0.02
"""What 8 bits a dimension can take away from a cosine."""

Numbers = NDArray[np.uint32]


class Neighbours:
    """An index of documents by number. `cosine` None: of keys alone."""

    def __init__(self, cosine: float | None) -> None:
        self._keys = KeyIndex()
        self._vectors = None if cosine is None else VectorIndex(cosine)

    def add(self, no: int, keys: Hashes, vector: Vector | None) -> None:
        self._keys.add(no, keys)
        if self._vectors is not None and vector is not None:
            self._vectors.add(no, vector)

    def discard(self, no: int) -> None:
        self._keys.discard(no)
        if self._vectors is not None:
            self._vectors.discard(no)

    def near(self, keys: Hashes, vector: Vector | None) -> list[int]:
        """Return the numbers of those that may be twins, in ascending order; some may have been discarded."""
        found = self._keys.near(keys)
        if self._vectors is not None and vector is not None:
            found |= self._vectors.near(vector)
        return sorted(found)

    @property
    def nbytes(self) -> int:
        return self._keys.nbytes + (0 if self._vectors is None else self._vectors.nbytes)


class KeyIndex:
    """Numbers by keys: the newest in a dict; when it is full it becomes a sorted run, and runs are merged as they grow.

    That is a log-structured merge tree (O'Neil et al., 1996): at most 20 bytes a key instead of a dict's 100. Nearly
    all keys that are asked for are not there, and flags for the first bits of those that are tell so of most. Numbers
    are below 2^32.
    """

    def __init__(self, seal: int = 1 << 16) -> None:
        self._seal, self._entries = seal, 0
        self._rows: list[tuple[int, Hashes]] = []
        self._first: dict[int, int] = {}
        self._others: dict[int, list[int]] = {}
        self._runs: list[tuple[Hashes, Numbers]] = []
        self._gone: set[int] = set()
        self._flags = _Flags()
        self._sealed_nbytes = self._flags.nbytes

    def add(self, no: int, keys: Hashes) -> None:
        """Take a number in under different keys, which are hashes."""
        if not keys.size:
            return
        self._rows.append((no, keys))
        self._entries += keys.size
        some = keys.tolist()
        self._flags.set(some)
        for key in some:
            if self._first.setdefault(key, no) != no:
                self._others.setdefault(key, []).append(no)
        if self._entries >= self._seal:
            self._seal_rows()

    def discard(self, no: int) -> None:
        self._gone.add(no)

    def near(self, keys: Hashes) -> set[int]:
        some = self._flags.perhaps(keys.tolist())
        if not some:
            return set()
        found = set[int]()
        for key in some:
            if (no := self._first.get(key)) is not None:
                found.add(no)
                found.update(self._others.get(key, ()))
        asked = np.array(some, np.uint64)
        for run, numbers in self._runs:
            low = run.searchsorted(asked)
            for at in low[run.take(low, mode="clip") == asked].tolist():
                found.update(numbers[at : run.searchsorted(run[at], "right")].tolist())
        return found - self._gone

    @property
    def nbytes(self) -> int:
        return 100 * self._entries + self._sealed_nbytes

    def _seal_rows(self) -> None:
        """Turn the dict into a run, and merge what is not at least twice as long as what comes after it."""
        runs = [self._newest()]
        while self._runs and self._runs[-1][0].size < 2 * sum(run.size for run, _ in runs):
            runs.append(self._runs.pop())
        keys, numbers = (np.concatenate(parts) for parts in zip(*reversed(runs), strict=True))
        runs.clear()  # what is not needed any more goes at once: this is when an index is largest
        if self._gone:
            stay = ~np.isin(numbers, np.fromiter(self._gone, np.uint32, len(self._gone)))
            keys, numbers = keys[stay], numbers[stay]
        order = np.argsort(keys, kind="stable")  # the kind that merges what is sorted already
        keys = keys[order]
        numbers = numbers[order]
        self._runs.append((keys, numbers))
        if len(self._runs) == 1:
            self._gone.clear()
        self._flags.fit([run for run, _ in self._runs], self._seal)
        self._sealed_nbytes = self._flags.nbytes + sum(run.nbytes + numbers.nbytes for run, numbers in self._runs)

    def _newest(self) -> tuple[Hashes, Numbers]:
        """Empty the dict, and return what was in it, unsorted."""
        rows, self._rows, self._first, self._others, self._entries = self._rows, [], {}, {}, 0
        numbers = np.repeat(np.array([no for no, _ in rows], np.uint32), [keys.size for _, keys in rows])
        return np.concatenate([keys for _, keys in rows]), numbers


class _Flags:
    """A bit for each value of a key's first bits, few of which are set: a Bloom filter with one hash.

    A document has some twenty keys, and for so few Python's own numbers are faster than numpy's.
    """

    def __init__(self) -> None:
        self._room(19)

    def _room(self, bits: int) -> None:
        self._shift, self._bits = 64 - bits, bytearray(1 << bits >> 3)

    def set(self, keys: Iterable[int]) -> None:
        bits, shift = self._bits, self._shift
        for key in keys:
            at = key >> shift
            bits[at >> 3] |= 1 << (at & 7)

    def perhaps(self, keys: Iterable[int]) -> list[int]:
        """Return those keys that may have been set."""
        bits, shift = self._bits, self._shift
        return [key for key in keys if bits[(at := key >> shift) >> 3] >> (at & 7) & 1]

    def fit(self, kept: Sequence[Hashes], more: int) -> None:
        """Make room for these keys, which are all that were set and are kept, and for some more."""
        wanted = (more + sum(keys.size for keys in kept)) * _SPARSE
        if wanted > 8 * len(self._bits):
            self._room(wanted.bit_length())
            for keys in kept:
                at = keys >> np.uint64(self._shift)
                bits = np.left_shift(np.uint8(1), (at & np.uint64(7)).astype(np.uint8))
                np.bitwise_or.at(np.frombuffer(self._bits, np.uint8), at >> np.uint64(3), bits)

    @property
    def nbytes(self) -> int:
        return len(self._bits)


class VectorIndex:
    """Embeddings by approximate nearest neighbours (HNSW, arXiv 1603.09320), 8 bits a dimension."""

    def __init__(self, cosine: float) -> None:
        self._least = cosine - _BLUR
        self._index: Index | None = None

    def add(self, no: int, vector: Vector) -> None:
        from usearch.index import Index

        if self._index is None:
            self._index = Index(ndim=vector.size, metric="cos", dtype="i8")
        self._index.add(no, _joined(vector), threads=1)  # one thread: the graph depends on the order

    def discard(self, no: int) -> None:
        if self._index is not None:
            self._index.remove(no)

    def near(self, vector: Vector) -> set[int]:
        index = self._index
        if index is None or not len(index):
            return set()
        found = index.search(_joined(vector), CLOSEST, threads=1, exact=len(index) <= _SEARCHED_THROUGH)
        return set(found.keys[1 - found.distances >= self._least].tolist())

    @property
    def nbytes(self) -> int:
        return 0 if self._index is None else int(self._index.memory_usage)


def _joined(vector: Vector) -> NDArray[np.float32]:
    """Return the parts' unit vectors as one: a product of two is the mean of their parts' cosines, so not too low."""
    joined: NDArray[np.float32] = vector.astype(np.float32).ravel() / np.float32(np.sqrt(len(vector)))
    return joined
