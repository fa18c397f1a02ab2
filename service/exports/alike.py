"""How alike two rows of an export are: as two documents to a dedupe. The verbs io and dedupe meet here."""

from __future__ import annotations

from collections.abc import Sequence

from config.schema import Dedupe, Output
from config.sieving import Near
from stages.dedupe.corpus import Corpus
from stages.dedupe.documents import Document, Measure


class NearRows:
    """Rows whose prompt and answer are both near to those of another one. 1.2 KB for a row of 250 words."""

    def __init__(self, output: Output) -> None:
        self._corpus = Corpus[int](Measure(Dedupe(near=Near(threshold=output.diverse or 0.0))))
        self._by_score = output.order == "score"

    def add(self, texts: Sequence[str], score: float | None) -> None:
        if self._corpus.add(len(self._corpus), Document(texts), score):
            self._corpus.hash()

    def redundant(self) -> set[int]:
        return set(self._corpus.twins(by_score=self._by_score))
