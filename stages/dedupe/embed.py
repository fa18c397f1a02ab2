"""The embeddings that a semantic dedupe compares: made before it, kept with the candidates, asked for once.

They also say how many different things a window of texts is about: a decision row `{texts, modes}` for each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from config.schema import Dedupe, Semantic
from stages.core.base import Decisions, Equipped, Place, Stage, Tool
from stages.core.errors import CandidateError
from stages.core.record import Candidate, Group, Verdict
from stages.dedupe.claims import Claims
from stages.dedupe.diversity import WINDOW, modes
from stages.dedupe.minilm import MiniLM
from stages.llm.protocol import Call, Model

KIND = "modes"


class Embedder(Tool, Protocol):
    """Makes embeddings, in order. Raises CandidateError where these texts cannot have any."""

    async def embed(self, stage: Stage, group: Group, texts: Sequence[str]) -> Sequence[ArrayLike]: ...


def embedder(semantic: Semantic, models: Mapping[str, Model]) -> Embedder:
    """Return what embeds: the configured endpoint, or else the small model on this machine."""
    return MiniLM() if semantic.endpoint is None else _Asking(models[semantic.endpoint])


class _Asking(Equipped):
    """Embeds by an endpoint's `/v1/embeddings`: one request for all texts of a group."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._length = 0  # of the first embedding that came

    async def embed(self, stage: Stage, group: Group, texts: Sequence[str]) -> Sequence[ArrayLike]:
        call = Call(stage.name, stage.depth, "embed", group, {"input": list(texts)}, route="embeddings")
        vectors = (await self._model.ask(call)).vectors
        if len(vectors) != len(texts):
            said = f"{self._model.alias} gave {len(vectors)} embeddings for {len(texts)} texts"
            raise CandidateError("unreadable", said)
        self._length = self._length or len(vectors[0])
        if len(vectors[0]) != self._length:
            said = f"{self._model.alias} gave an embedding of {len(vectors[0])} numbers, after others of {self._length}"
            raise CandidateError("unreadable", said)
        return vectors


class EmbedStage(Stage):
    """Gives candidates `embeddings[NAME]`: of each part that dedupe NAME compares, a unit vector of float16.

    A candidate whose text no embedding can be had for fails; one without a text is left out.
    """

    def __init__(self, place: Place, config: Dedupe, embedder: Embedder, decisions: Decisions) -> None:
        super().__init__(replace(place, name=f"{place.name}.embed"))
        self._for, self._claims, self._embedder = place.name, Claims(self, config), embedder
        self._decisions, self.tools = decisions, (embedder,)
        self._window: list[NDArray[np.float32]] = []

    async def process(self, group: Group) -> None:
        new = [candidate for candidate in self.chosen(group) if self._for not in candidate.embeddings]
        claims = [claim for claim in self._claims.of(group, new) if all(map(str.strip, claim.document.parts))]
        texts = list(dict.fromkeys(part for claim in claims for part in claim.document.parts))
        vectors = dict(zip(texts, await self._vectors(group, texts), strict=True))
        for claim in claims:
            vector = _joined([vectors[part] for part in claim.document.parts])
            for candidate in claim.candidates:
                self._give(group, candidate, vector)
            if not isinstance(vector, CandidateError):
                self._window.append(vector.ravel())
        while len(self._window) >= WINDOW:
            window, self._window = self._window[:WINDOW], self._window[WINDOW:]
            body = {"texts": WINDOW, "modes": round(modes(np.stack(window)), 2)}
            await self._decisions.make(KIND, self._for, body)

    async def _vectors(self, group: Group, texts: Sequence[str]) -> Sequence[ArrayLike | CandidateError]:
        """Embed all texts together; where that cannot be, each alone, so that one does not fail its siblings."""
        if not texts:
            return []
        try:
            return await self._embedder.embed(self, group, texts)
        except CandidateError as error:
            if len(texts) == 1:
                return [error]
        return [(await self._vectors(group, [text]))[0] for text in texts]

    def _give(self, group: Group, candidate: Candidate, vector: NDArray[np.float32] | CandidateError) -> None:
        if isinstance(vector, CandidateError):
            self.judge(group, candidate, Verdict(None, reason=vector.reason, detail=vector.detail))
        else:
            candidate.embeddings[self._for] = vector.astype(np.float16).tobytes()


def _joined(vectors: Sequence[ArrayLike | CandidateError]) -> NDArray[np.float32] | CandidateError:
    """Return the parts' embeddings, brought to length 1, a row each; or the first error there is instead of one."""
    for vector in vectors:
        if isinstance(vector, CandidateError):
            return vector
    joined = np.array(vectors, np.float32)
    joined /= np.linalg.norm(joined, axis=1, keepdims=True)
    return joined
