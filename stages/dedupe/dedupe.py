"""The dedupe stage: takes redundant prompts, responses or pairs out, and names the twin that stays for each.

Over a whole run it is a phase: every group is surveyed in canonical order, then all are decided at once; arrival
decides nothing. Within a seed it works on each group as it comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from config.schema import Dedupe
from stages.core.base import PhaseStage, Place, Stage
from stages.core.record import Candidate, Group, Verdict
from stages.core.task import task_text
from stages.dedupe.corpus import Corpus


def dedupe_stage(place: Place, config: Dedupe) -> Stage:
    """Return the stage that the configured scope needs."""
    return RunDedupe(place, config) if config.scope == "run" else SeedDedupe(place, config)


@dataclass(frozen=True, slots=True)
class Claim:
    """What counts as one document, and the candidates that stand or fall with it.

    That is one candidate; for `on: prompt` all of a group's, since answers to one question are not duplicates of it.
    """

    id: str
    candidates: Sequence[Candidate]


@dataclass(frozen=True, slots=True)
class Drop:
    """Why a claim goes: the id of its twin, and how alike they are."""

    twin: str
    similarity: float


class Claims:
    """Collects claims as documents of a corpus and decides which go. Keeps ids and hashes, no texts."""

    def __init__(self, stage: Stage, config: Dedupe) -> None:
        self._stage, self._config = stage, config
        self._corpus = self._empty()
        self._ids: list[str] = []

    def _empty(self) -> Corpus:
        return Corpus(self._config.exact, self._config.near.threshold if self._config.near else None)

    def of(self, group: Group) -> Iterator[Claim]:
        """Yield the claims that a group makes, the same whether it waits for this stage or was decided before.

        A decided candidate bears this stage's verdict; what later stages did to it does not count.
        """
        name = self._stage.name
        decided = [candidate for candidate in group.candidates if name in candidate.verdicts]
        candidates = decided or self._stage.chosen(group)
        if self._config.on != "prompt":
            yield from (Claim(group.candidate_id(candidate), (candidate,)) for candidate in candidates)
        elif candidates:
            yield Claim(group.seed.id, candidates)

    def take(self, group: Group) -> bool:
        """Take a group's claims in; return whether that took milliseconds."""
        slow = False
        prompt = () if self._config.on == "response" else (task_text(group),)
        for claim in self.of(group):
            self._ids.append(claim.id)
            parts, answer = prompt, ""
            if self._config.on != "prompt":
                (candidate,) = claim.candidates
                parts, answer = (*prompt, candidate.text), str(candidate.fields.get("answer") or "")
            slow |= self._corpus.add(parts, answer, self._score(claim))
        return slow

    def _score(self, claim: Claim) -> float | None:
        """Return the best score of a claim; of a decided candidate that which it was decided by."""
        if self._config.keep.by != "score":
            return None
        name = self._stage.name
        scores = [c.verdicts[name].score if name in c.verdicts else c.score for c in claim.candidates]
        return max((score for score in scores if score is not None), default=None)

    def drops(self) -> dict[str, Drop]:
        """Return the claims to drop, by id, and forget all of them. Takes seconds for a million documents."""
        keep, ids = self._config.keep, self._ids
        twins = self._corpus.twins(keep.per_cluster, by_score=keep.by == "score")
        self._corpus, self._ids = self._empty(), []
        return {ids[one]: Drop(ids[twin.leader], twin.similarity) for one, twin in twins.items()}

    def judge(self, group: Group, drops: dict[str, Drop]) -> None:
        """Give every candidate of a waiting group its verdict."""
        for claim in list(self.of(group)):
            score, drop = self._score(claim), drops.get(claim.id)
            for candidate in claim.candidates:
                self._stage.judge(group, candidate, _verdict(drop, score))


def _verdict(drop: Drop | None, score: float | None) -> Verdict:
    if drop is None:
        return Verdict(True, score)
    data = {"twin": drop.twin, "similarity": round(drop.similarity, 4)}
    return Verdict(False, score, "duplicate", f"of {drop.twin}, similarity {drop.similarity:.2f}", data)


class RunDedupe(PhaseStage):
    """Duplicates among all groups of a run."""

    passes = 2

    def __init__(self, place: Place, config: Dedupe) -> None:
        super().__init__(place)
        self._claims = Claims(self, config)
        self._drops: dict[str, Drop] | None = None

    async def survey(self, group: Group) -> None:
        if self._claims.take(group):
            await asyncio.sleep(0)

    async def process(self, group: Group) -> None:
        if self._drops is None:
            self._drops = await asyncio.to_thread(self._claims.drops)
        self._claims.judge(group, self._drops)


class SeedDedupe(Stage):
    """Duplicates among the candidates of one seed."""

    def __init__(self, place: Place, config: Dedupe) -> None:
        super().__init__(place)
        self._config = config

    async def process(self, group: Group) -> None:
        claims = Claims(self, self._config)
        claims.take(group)
        claims.judge(group, claims.drops())
