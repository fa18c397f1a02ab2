"""How diverse outputs are, measured as they come: figures per window, over all of them and per topic.

Methods: distinct-n (Li et al., arXiv 1510.03055); compression ratio and self-repetition of 4-grams, which beside it say
most of what is to be said (Shaib et al., arXiv 2403.00553); order-2 Renyi kernel entropy, the number of modes, on
embeddings where there are any (arXiv 2410.21719). Every window has the same size, since all of these depend on it.

Memory is bounded: a window of 200 texts of 250 words holds 0.4 MB, and there is one per topic, up to a number of them.
A text of 250 words takes 0.1 ms, and a window of them 8 ms when it is full.
"""

from __future__ import annotations

import zlib
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.core.text import normal
from stages.dedupe.words import Hashes, digest, hashed, runs, words_of

WINDOW = 200
BLOCK = 1 << 15
"""Bytes that are compressed together: as far as zlib looks back."""
SHARE = 0.02
"""Of the time, at the most: a window of 250-word texts takes 50 ms, so above 80 outputs/s some are passed over."""
_OPENING = 3
_MAX_CHARS = 20_000


@dataclass(frozen=True, slots=True)
class Figures:
    """What a window of texts is like; `topic` None: of all topics."""

    topic: str | None
    texts: int
    repeated: float
    """Share of texts that were there before."""
    distinct_2: float
    distinct_4: float
    """Different word n-grams by all of them."""
    self_repetition: float
    """Of a text's 4-grams, the share that another text of the window has; the mean over texts."""
    compression: float | None
    """Bytes by compressed bytes, the mean over blocks; None where the window filled none."""
    opening: str
    opening_share: float
    """The most frequent first three words, and the share of texts that begin with them."""
    words: float
    drift: float
    """Words per text, and how many more than in the first window, as a share: -0.5 is half as long."""


class Recent:
    """Remembers the last texts by their digests, and tells which come again. Holds 0.15 KB for each."""

    def __init__(self, size: int = 100_000) -> None:
        self._size = size
        self._digests = OrderedDict[int, None]()  # a dict looks for its oldest key among all that were deleted

    def repeats(self, text: str) -> bool:
        """Tell whether a text, in normal form, is among the last ones, and remember it."""
        seen = digest((text,))
        repeats = seen in self._digests
        self._digests[seen] = None
        self._digests.move_to_end(seen)
        if len(self._digests) > self._size:
            self._digests.popitem(last=False)
        return repeats


class Windows:
    """Measures a stream in windows of consecutive outputs and rests between two of them. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._diversity = clock, Diversity()
        self._begin, self._spent = clock(), 0.0

    def add(self, text: str, topic: str, repeats: bool) -> list[Figures]:
        """Take an output in, unless it is time to rest; return the figures of the windows that it fills."""
        now = self._clock()
        if now < self._begin:
            return []
        found = self._diversity.add(text, topic, repeats)
        self._spent += self._clock() - now
        if any(figures.topic is None for figures in found):
            self._begin, self._spent = max(self._begin + self._spent / SHARE, now), 0.0
        return found


class Diversity:
    """Takes texts in and gives figures when a window of them is full. Topics beyond the first ones count among all."""

    def __init__(self, window: int = WINDOW, topics: int = 50) -> None:
        self._window, self._topics = window, topics
        self._all = _Stream(None, window)
        self._of_topic: dict[str, _Stream] = {}

    def add(self, text: str, topic: str = "", repeats: bool = False) -> list[Figures]:
        """Take a text in; return the figures of the windows that it fills: of all texts, and of its topic's."""
        text = text[:_MAX_CHARS]
        words = words_of(normal(text))
        hashes = hashed(words)
        return [found for stream in self._streams(topic) if (found := stream.add(text, words, hashes, repeats))]

    def _streams(self, topic: str) -> Iterator[_Stream]:
        yield self._all
        if topic and (topic in self._of_topic or len(self._of_topic) < self._topics):
            yield self._of_topic.setdefault(topic, _Stream(topic, self._window))


class _Stream:
    """The texts of one topic: the window that is being filled, and what goes on from window to window."""

    def __init__(self, topic: str | None, window: int) -> None:
        self._topic, self._window = topic, window
        self._block = bytearray()
        self._first_words = 0.0
        self._empty()

    def _empty(self) -> None:
        self._texts = self._words = self._repeats = 0
        self._pairs, self._fours = _Grams(2), _Grams(4)
        self._openings = Counter[str]()
        self._ratios: list[float] = []

    def add(self, text: str, words: list[str], hashes: Hashes, repeats: bool) -> Figures | None:
        self._texts += 1
        self._words += len(words)
        self._repeats += repeats
        self._pairs.add(hashes)
        self._fours.add(hashes)
        self._openings[" ".join(words[:_OPENING])] += 1
        self._compress(text)
        if self._texts < self._window:
            return None
        figures = self._figures()
        self._empty()
        return figures

    def _compress(self, text: str) -> None:
        self._block += text.encode("utf-8", "surrogatepass") + b"\n"
        while len(self._block) >= BLOCK:
            self._ratios.append(BLOCK / len(zlib.compress(self._block[:BLOCK], 1)))
            del self._block[:BLOCK]

    def _figures(self) -> Figures:
        (opening, openings), *_ = self._openings.most_common(1)
        words = self._words / self._texts
        self._first_words = self._first_words or words
        return Figures(
            topic=self._topic,
            texts=self._texts,
            repeated=self._repeats / self._texts,
            distinct_2=self._pairs.distinct(),
            distinct_4=self._fours.distinct(),
            self_repetition=self._fours.shared(),
            compression=sum(self._ratios) / len(self._ratios) if self._ratios else None,
            opening=opening,
            opening_share=openings / self._texts,
            words=words,
            drift=words / self._first_words - 1 if self._first_words else 0.0,
        )


class _Grams:
    """The n-grams of a window's texts, 32 bits of each: two of 50,000 share them by chance in one window of four."""

    def __init__(self, n: int) -> None:
        self._n = n
        self._of_text: list[NDArray[np.uint32]] = []
        self._total = 0

    def add(self, words: Hashes) -> None:
        grams = runs(words, self._n)
        self._total += grams.size
        self._of_text.append(np.unique((grams >> np.uint64(32)).astype(np.uint32)))

    def distinct(self) -> float:
        """Return the share of different ones; 1 where there are none."""
        return np.unique(np.concatenate(self._of_text)).size / self._total if self._total else 1.0

    def shared(self) -> float:
        """Return the mean over texts of the share that another text has, too; 0 where there are none."""
        _, which, counts = np.unique(np.concatenate(self._of_text), return_inverse=True, return_counts=True)
        sizes = np.array([grams.size for grams in self._of_text if grams.size])
        if not sizes.size:
            return 0.0
        begins = np.cumsum(sizes) - sizes
        return float((np.add.reduceat(counts[which] > 1, begins, dtype=np.float64) / sizes).mean())


def modes(embeddings: NDArray[np.float32]) -> float:
    """Return 1 / ||E[x x^T]||_F^2 of embeddings, one a row, brought to length 1: from 1 to as many as there are.

    That norm is the mean of the squared cosines of all pairs, which a window has few enough of.
    """
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    directions = embeddings / np.where(lengths == 0, 1, lengths)
    return float(1 / np.square(directions @ directions.T).mean())
