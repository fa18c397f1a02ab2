"""The audit inside a run: a slice of what a judge said is asked again turned round, and canaries are shown to it.

It changes nothing of what is accepted. Its calls go out under the stage name `<judge>.audit`, so that the ledger, the
cost and a resumed run know them. A verdict that was asked again holds

    data.reversed   {passed, score} with the order of options and criteria reversed

and what became of a canary is a decision of kind `canary`: {canary, passed, score}, its scope the judge's name.
"""

from __future__ import annotations

from functools import partial

from stages.core import chance
from stages.core.base import Decisions, Place, Stage, collect
from stages.core.record import Candidate, Group
from stages.judge.canaries import CANARIES
from stages.judge.judge import JudgeStage

PER_SEED = 2
"""Canaries that a seed is host to; the first seeds of the source are, whether or not their candidates get this far."""


class AuditedJudge(Stage):
    """A judge, and `trial`: the same once more under another name. `share` of the first waves' candidates are sliced.

    Who is sliced depends on the run's seed and the candidate's id alone, and so does not change on resume.
    """

    on_seeds = True

    def __init__(
        self, place: Place, judge: JudgeStage, trial: JudgeStage, share: float, decisions: Decisions, run_seed: int
    ) -> None:
        super().__init__(place)
        self._judge, self._trial, self._share = judge, trial, share
        self._decisions, self._run_seed = decisions, run_seed
        self._tried: set[str] = set()

    async def start(self) -> None:
        self._tried = {body["canary"] for scope, body in self._decisions.made("canary") if scope == self.name}

    async def process(self, group: Group) -> None:
        await self._judge.process(group)
        if group.wave == 0:
            sliced = [candidate for candidate in group.candidates if self._sliced(group, candidate)]
            await collect(partial(self._again, group), sliced)
            first = group.seed.no * PER_SEED
            await collect(partial(self._canary, group), range(len(CANARIES))[first : first + PER_SEED])

    def _sliced(self, group: Group, candidate: Candidate) -> bool:
        verdict = candidate.verdicts.get(self.name)
        if verdict is None or verdict.passed is None:
            return False
        return chance.uniform(self._run_seed, self.name, "audit", group.candidate_id(candidate)) < self._share

    async def _again(self, group: Group, candidate: Candidate) -> None:
        verdict = await self._trial.verdict(group, candidate, reverse=True)
        candidate.verdicts[self.name].data["reversed"] = {"passed": verdict.passed, "score": verdict.score}

    async def _canary(self, group: Group, at: int) -> None:
        name, text = list(CANARIES.items())[at]
        if name in self._tried:
            return
        prompt = next((candidate.prompt for candidate in group.candidates if candidate.prompt), None)
        shown = Candidate(-1 - at, text, prompt=prompt)
        verdict = await self._trial.verdict(Group(group.seed, [shown], group.replies), shown)
        body = {"canary": name, "passed": verdict.passed, "score": verdict.score}
        await self._decisions.make("canary", self.name, body)
        self._tried.add(name)
