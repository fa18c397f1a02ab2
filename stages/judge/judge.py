"""The judge stage: one model or a panel passes or rejects each candidate, or gives it a score.

What a verdict of it holds, for audits and reports:

    passed, score   the decision, and the mean score of the votes that made it; `eliminate` scores 1 and 0, or what the
                    log-probabilities say of a pass where they were asked for; `checklist` the weighted share of what is
                    met; `rubric` the weighted mean on its scale; `reward` the model's own number
    reason, detail  `eliminated` with the principle, or `low_score`; where nothing was decided, the first vote's
    data.votes      every judge's vote, in the order of the panel and the escalated one last, each with `judge` (its
                    alias), `passed` (null: failed, with `reason` and `detail`), `score`, `axes` (mark by axis) and, of
                    those that eliminate, `principle`; `escalated: true` marks the stronger judge's
    data.axes       the mean mark by axis of the votes that decided
    data.principle  the principle that was named by most who eliminated

All but `eliminate` also give the candidate the score by which it can be ranked, `scores[stage]`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from config.schema import Judge
from stages.core.base import Place, Stage, collect
from stages.core.errors import CandidateError
from stages.core.record import Candidate, Group, Verdict
from stages.judge.constitution import Constitution
from stages.judge.examining import Examiner, Questionnaire, RewardModel
from stages.judge.panel import Panel, Vote
from stages.llm.protocol import Model


class JudgeStage(Stage):
    """Judges each chosen candidate by `config.mode`. `stronger` is whom an unsure panel escalates to."""

    def __init__(
        self,
        place: Place,
        config: Judge,
        judges: Sequence[Model],
        stronger: Model | None,
        constitution: Constitution | None,
        run_seed: int,
    ) -> None:
        super().__init__(place)
        self._judges, self._stronger = judges, stronger
        self._eliminates = config.mode == "eliminate"
        self._principles = {one.id: one.text for one in constitution.principles} if constitution else {}
        self._examiner: Examiner = (
            RewardModel(self, config)
            if config.mode == "reward"
            else Questionnaire(self, config, constitution, run_seed)
        )
        self._panel = _panel(config)

    async def process(self, group: Group) -> None:
        await self.judge_each(group, self._judged)

    async def _judged(self, group: Group, candidate: Candidate) -> Verdict:
        verdict = await self.verdict(group, candidate)
        if verdict.score is not None and not self._eliminates:
            candidate.scores[self.name] = verdict.score
        return verdict

    async def verdict(self, group: Group, candidate: Candidate, reverse: bool = False) -> Verdict:
        """Return the verdict on any candidate, and change nothing; `reverse`: with the order of all things reversed."""

        async def vote(judge: Model, escalated: bool = False) -> Vote:
            return await self._vote(judge, group, candidate, reverse, escalated)

        votes = await collect(vote, self._judges)
        if self._stronger is not None and self._panel.unsure(votes):
            votes.append(await vote(self._stronger, escalated=True))
        verdict = self._panel.verdict(votes, "eliminated" if self._eliminates else "low_score")
        if verdict.passed is False and self._eliminates:
            broken = str(verdict.data.get("principle", ""))
            verdict.detail = f"{broken}: {self._principles[broken]}" if broken else "the judge named no principle"
        return verdict

    async def _vote(self, judge: Model, group: Group, candidate: Candidate, reverse: bool, escalated: bool) -> Vote:
        try:
            marks = await self._examiner.examine(judge, group, candidate, reverse)
        except CandidateError as error:
            return Vote(judge.alias, None, reason=error.reason, detail=error.detail, escalated=escalated)
        passed = marks.score >= self._panel.threshold
        return Vote(judge.alias, passed, marks.score, marks.axes, marks.principle, escalated=escalated)


def _panel(config: Judge) -> Panel:
    threshold = config.threshold
    if threshold is None:
        threshold = 0.5 if config.mode == "eliminate" else -math.inf
    near = None
    if config.escalate is not None and config.escalate.when == "unsure":
        low, high = config.scale if config.mode == "rubric" else (0, 1)
        near = config.escalate.margin * (high - low)
    return Panel(config.decide, threshold, near)
