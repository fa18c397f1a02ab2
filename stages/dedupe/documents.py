"""Documents, hashed and held compactly, and when two of them are twins.

A document has one or two parts (a prompt, a response). Two documents are twins when every part is: equal in normal
form, or with at least a threshold's Jaccard similarity of word 5-grams, or with at least a threshold's cosine of their
embeddings; unless both have a parsed answer and these differ.

Memory: 8 bytes per band (18 at the default threshold) and 4 per distinct word 5-gram, 1.2 KB for a document of 250
words; 2 bytes per dimension of an embedding.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from config.schema import Dedupe
from stages.core.text import normal
from stages.dedupe.near import Bands, band_keys, bands_for
from stages.dedupe.shingles import Grams, GramSets, Hashes, gram_sets, jaccard
from stages.dedupe.words import digest, spaced

Vector = NDArray[np.float16]
How = Literal["exact", "near", "semantic"]


@dataclass(frozen=True, slots=True)
class Document:
    """What is compared: the parts' texts, the parsed answer, the parts' embeddings (unit vectors of float16)."""

    parts: Sequence[str]
    answer: str = ""
    vector: bytes = b""


@dataclass(frozen=True, slots=True)
class Likeness:
    """How alike two twins are in their least similar part, 0 to 1, and by which measure."""

    similarity: float
    how: How


@dataclass(frozen=True, slots=True)
class Hashed:
    """What is left of one document: what it takes to find it (`keys`) and to compare it. `answer` 0: it has none.

    Its arrays are parts of its batch's, which they keep in memory.
    """

    keys: Hashes
    digest: int
    answer: int
    grams: Sequence[Grams]
    vector: Vector | None

    def alone(self) -> Hashed:
        """Return what it takes to compare it, apart from its batch."""
        vector = None if self.vector is None else self.vector.copy()
        return Hashed(_NONE, self.digest, self.answer, [grams.copy() for grams in self.grams], vector)

    @property
    def nbytes(self) -> int:
        return (
            300 + sum(100 + grams.nbytes for grams in self.grams) + (0 if self.vector is None else self.vector.nbytes)
        )


_NONE = np.empty(0, np.uint64)


@dataclass(frozen=True, slots=True)
class Batch:
    """What is left of a batch of documents; `keys` has a row for each: twins share one, of exact and of near ones."""

    keys: Hashes
    digests: Hashes
    answers: Hashes
    sets: GramSets | None
    vectors: Vector | None
    parts: int

    def __len__(self) -> int:
        return len(self.digests)

    def __getitem__(self, i: int) -> Hashed:
        sets, first = self.sets, i * self.parts
        grams = () if sets is None else [sets[first + part] for part in range(self.parts)]
        vector = None if self.vectors is None or not self.vectors[i].any() else self.vectors[i].reshape(self.parts, -1)
        return Hashed(self.keys[i], int(self.digests[i]), int(self.answers[i]), grams, vector)

    @property
    def nbytes(self) -> int:
        hashes = self.keys.nbytes + self.digests.nbytes + self.answers.nbytes
        sets = 0 if self.sets is None else self.sets.grams.nbytes + self.sets.starts.nbytes
        return hashes + sets + (0 if self.vectors is None else self.vectors.nbytes)


class Measure:
    """What makes documents twins, as a dedupe stage is configured."""

    def __init__(self, config: Dedupe) -> None:
        self._exact = config.exact
        self._near = None if config.near is None else config.near.threshold
        self.cosine = None if config.semantic is None else config.semantic.threshold
        self._cut: Bands | None = None if self._near is None else bands_for(self._near)

    def hashed(self, documents: Sequence[Document]) -> Batch:
        """Hash a batch: about 35 us for a text of 250 words, half of it in code that lets other threads run."""
        count, parts = len(documents), len(documents[0].parts)
        texts = [tuple(map(normal, one.parts)) for one in documents]
        digests = _numbers(map(digest, texts), count)
        answers = _numbers((digest((normal(one.answer),)) if one.answer else 0 for one in documents), count)
        columns, sets = [], None
        if self._exact:
            columns.append(digests[:, None])
        if self._cut is not None:
            sets = gram_sets([spaced(part) for text in texts for part in text], [*range(parts)] * count)
            columns.append(band_keys(sets.grams.astype(np.uint64), sets.starts[::parts].astype(np.uint64), self._cut))
        keys = np.concatenate(columns, axis=1) if columns else np.empty((count, 0), np.uint64)
        return Batch(keys, digests, answers, sets, self._vectors(documents), parts)

    def _vectors(self, documents: Sequence[Document]) -> Vector | None:
        """Return the embeddings, a row for each document; zeros where one has none."""
        size = max((len(one.vector) for one in documents), default=0)
        if self.cosine is None or not size:
            return None
        joined = b"".join(one.vector or bytes(size) for one in documents)
        return np.frombuffer(joined, np.float16).reshape(len(documents), -1)

    def likeness(self, one: Hashed, other: Hashed) -> Likeness | None:
        """Return how alike two documents are; None where they are no twins."""
        if one.answer and other.answer and one.answer != other.answer:
            return None
        if self._exact and one.digest == other.digest:
            return Likeness(1.0, "exact")
        if self._near is not None:
            similarity = min(jaccard(mine, its) for mine, its in zip(one.grams, other.grams, strict=True))
            if similarity >= self._near:
                return Likeness(similarity, "near")
        if self.cosine is not None and one.vector is not None and other.vector is not None:
            cosines = np.einsum("pd,pd->p", one.vector, other.vector, dtype=np.float32)
            if (similarity := float(cosines.min())) >= self.cosine:
                return Likeness(min(similarity, 1.0), "semantic")
        return None


def _numbers(values: Iterable[int], count: int) -> Hashes:
    return np.fromiter(values, np.uint64, count)
