"""Which rows an output takes where it does not take all: the first ones by its order, without what is too alike.

Decided in a pass before the one that writes, from a number, a score and hashes of every row; no text is kept. Whoever
is taken among the first N is also taken among the first N + 1: so nested sizes are nested.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Collection, Sequence
from math import inf
from typing import Protocol

import numpy as np

from config.schema import Output

OUT = -1


class Alike(Protocol):
    """Finds rows that say what others say."""

    def add(self, texts: Sequence[str], score: float | None) -> None:
        """Take in the next row; they are numbered from 0."""
        ...

    def redundant(self) -> Collection[int]:
        """Return the rows that are too similar to one that is preferred to them and stays."""
        ...


class Choice:
    """Collects the rows of a run in canonical order, then ranks those that are taken."""

    def __init__(self, output: Output, alike: Alike | None) -> None:
        self._by_score, self._alike = output.order == "score", alike
        self._most = max(output.max_samples, default=None)
        self._seeds, self._scores, self._ranks = array("q"), array("d"), array("q")

    def add(self, seed: int, score: float | None, texts: Sequence[str]) -> None:
        """Take in the next row of a seed."""
        self._seeds.append(seed)
        self._scores.append(-inf if score is None else score)
        if self._alike is not None:
            self._alike.add(texts, score if self._by_score else None)

    def decide(self) -> None:
        """Rank the rows: 0 is taken first."""
        count = len(self._seeds)
        keys = -np.frombuffer(self._scores) if self._by_score and count else np.zeros(count)
        order = np.argsort(keys, kind="stable")
        if self._alike is not None:
            stays = np.ones(count, np.bool_)
            stays[list(self._alike.redundant())] = False
            order = order[stays[order]]
        order = order[: self._most]
        ranks = np.full(count, OUT, np.int64)
        ranks[order] = np.arange(len(order))
        self._ranks = array("q", ranks.tobytes())
        self._scores = array("d")

    def rank(self, seed: int, place: int) -> int:
        """Return the rank of a seed's row, counted from 0; OUT where it is not taken, or came after the decision."""
        at = bisect_left(self._seeds, seed) + place
        return self._ranks[at] if at < len(self._seeds) and self._seeds[at] == seed else OUT
