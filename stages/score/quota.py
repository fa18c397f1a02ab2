"""Quotas: of each bucket of difficulty, so many seeds go on, drawn by chance that repeats.

A phase of its own, behind the difficulty stage that has a `target`. What is remembered of a seed is a number, so that a
million of them take eight megabytes.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from math import floor

import numpy as np

from config.scoring import Bucket, is_shares
from stages.core.base import Decisions, PhaseStage, Place
from stages.core.chance import draw
from stages.core.record import Group

KIND = "quota"


def allotted(target: Mapping[Bucket, float], there: Mapping[Bucket, int]) -> dict[Bucket, int]:
    """Return how many seeds of each bucket are taken: as many as there are and shall be.

    By shares it is the largest total in which every bucket has its share, rounded down to whole seeds: the scarcest
    bucket is taken whole, and where it is empty nothing is.
    """
    total = 1.0
    if is_shares(target):
        total = min(there.get(bucket, 0) / share for bucket, share in target.items() if share)
    return {bucket: min(there.get(bucket, 0), floor(amount * total + 1e-9)) for bucket, amount in target.items()}


class QuotaStage(PhaseStage):
    """Lets the seeds with the lowest draws of each bucket through, up to the `target`.

    It stands behind a difficulty stage and bears its name, and what it decides becomes part of that stage's verdict:
    `data.quota`, true or false. What an earlier process let pass counts, and stays; what it rejected is gone. So a run
    that was interrupted in the middle goes on to the same seeds: nobody of the rejected was among the lowest. How many
    there were and were taken is a decision, which the manifest shows.
    """

    passes = 2

    def __init__(self, place: Place, target: Mapping[Bucket, float], decisions: Decisions, run_seed: int) -> None:
        super().__init__(place)
        self._target, self._decisions, self._run_seed = target, decisions, run_seed
        self._draws: defaultdict[Bucket, array[int]] = defaultdict(lambda: array("Q"))
        self._kept, self._gone = Counter[Bucket](), Counter[Bucket]()
        self._highest: dict[Bucket, int] | None = None

    async def survey(self, group: Group) -> None:
        verdicts = [found for candidate in group.candidates if (found := candidate.verdicts.get(self.name))]
        if not verdicts:  # it was not to look at this seed
            return
        bucket: Bucket = verdicts[0].data["difficulty"]
        decided = {verdict.data["quota"] for verdict in verdicts if "quota" in verdict.data}
        if decided:
            (self._kept if True in decided else self._gone)[bucket] += 1
        elif group.live:
            self._draws[bucket].append(self._drawn(group))

    async def process(self, group: Group) -> None:
        if self._highest is None:
            self._highest = await self._decided()
        drawn = self._drawn(group)
        for candidate in group.live:
            verdict = candidate.verdicts.get(self.name)
            if verdict is None:
                continue
            bucket: Bucket = verdict.data["difficulty"]
            passes = drawn <= self._highest.get(bucket, -1)
            verdict.data["quota"] = passes
            if not passes:
                over = replace(verdict, passed=False, reason="over_quota", detail=f"enough {bucket} ones")
                self.judge(group, candidate, over)

    def _drawn(self, group: Group) -> int:
        return draw(self._run_seed, self.name, "quota", group.seed.id)

    async def _decided(self) -> dict[Bucket, int]:
        """Return by bucket the highest draw that passes."""
        waiting = {bucket: len(draws) for bucket, draws in self._draws.items()}
        there = Counter(waiting) + self._kept
        taken = allotted(self._target, there)
        body = {"there": dict(there + self._gone), "taken": taken, "target": dict(self._target)}
        await self._decisions.make(KIND, self.name, body)
        highest = {}
        for bucket, draws in self._draws.items():
            if (places := taken.get(bucket, 0) - self._kept[bucket]) > 0:
                highest[bucket] = int(np.partition(np.frombuffer(draws, np.uint64), places - 1)[places - 1])
        self._draws.clear()
        return highest
