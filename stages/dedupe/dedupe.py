"""The canonical dedupe stages: take redundant prompts, responses or pairs out, and name the twin that stays for each.

Over a whole run it is a phase: every group is surveyed in canonical order, then all are decided at once; arrival
decides nothing. Within a seed it works on each group as it comes.
"""

from __future__ import annotations

import asyncio
from math import inf

from config.schema import Dedupe
from stages.core.base import Decisions, PhaseStage, Place, Stage
from stages.core.record import Group, Verdict
from stages.dedupe.claims import Claims
from stages.dedupe.corpus import Corpus, Twin
from stages.dedupe.documents import Document, Measure
from stages.dedupe.existing import existing_documents
from stages.dedupe.online import OnlineDedupe
from stages.dedupe.size import IndexSize


def dedupe_stage(place: Place, config: Dedupe, decisions: Decisions) -> Stage:
    """Return the stage that the configured mode and scope need."""
    if config.mode == "online":
        return OnlineDedupe(place, config, decisions)
    return RunDedupe(place, config, decisions) if config.scope == "run" else SeedDedupe(place, config)


class RunDedupe(PhaseStage):
    """Duplicates among all groups of a run. Keeps ids and hashes, no texts.

    What an earlier process kept leads its cluster, whatever is preferred to it now: it is out already. Of what it
    dropped only the names of the twins count: they lead as well.
    """

    passes = 2

    def __init__(self, place: Place, config: Dedupe, decisions: Decisions) -> None:
        super().__init__(place)
        self._config, self._claims = config, Claims(self, config)
        self._corpus = Corpus[str](Measure(config))
        self._size = IndexSize(self.name, config.memory_mb, decisions)
        self._twins: dict[str, Twin[str]] | None = None

    async def start(self) -> None:
        """Take in what exists already: it leads, as what an earlier process kept does."""
        for id_, document in existing_documents(self._config):
            self._corpus.leaders.add(id_)
            await self._take(id_, document, inf)

    async def survey(self, group: Group) -> None:
        decided = [candidate for candidate in group.candidates if self.name in candidate.verdicts]
        for claim in self._claims.of(group, decided or self.chosen(group)):
            if not decided or self._stands(claim.id, claim.candidates[0].verdicts[self.name]):
                await self._take(claim.id, claim.document, self._claims.score(claim))

    def _stands(self, id_: str, verdict: Verdict) -> bool:
        """Note what an earlier process decided of a claim; return whether it is to be compared with."""
        twin = verdict.data.get("twin")
        if twin is not None:
            self._corpus.leaders.add(twin)
            if verdict.passed:
                self._corpus.beside[id_] = twin
        elif verdict.passed:
            self._corpus.leaders.add(id_)
        return bool(verdict.passed)

    async def _take(self, id_: str, document: Document, score: float | None) -> None:
        if self._corpus.add(id_, document, score):
            await asyncio.to_thread(self._corpus.hash)
            self._size.check(self._corpus.nbytes)

    async def process(self, group: Group) -> None:
        if self._twins is None:
            self._twins = await self._decided()
        self._claims.judge(group, list(self._claims.of(group, self.chosen(group))), self._twins)

    async def _decided(self) -> dict[str, Twin[str]]:
        """Return the twins of the claims that have one. Takes seconds for a million documents."""
        keep = self._config.keep
        twins = await asyncio.to_thread(self._corpus.twins, keep.per_cluster, keep.by == "score")
        await self._size.tell(len(self._corpus), self._corpus.nbytes)
        self._corpus = Corpus(Measure(self._config))
        return twins


class SeedDedupe(Stage):
    """Duplicates among the candidates of one seed."""

    def __init__(self, place: Place, config: Dedupe) -> None:
        super().__init__(place)
        self._claims, self._keep, self._measure = Claims(self, config), config.keep, Measure(config)

    async def process(self, group: Group) -> None:
        corpus, claims = Corpus[str](self._measure), list(self._claims.of(group, self.chosen(group)))
        for claim in claims:
            corpus.add(claim.id, claim.document, self._claims.score(claim))
        self._claims.judge(group, claims, corpus.twins(self._keep.per_cluster, self._keep.by == "score"))
