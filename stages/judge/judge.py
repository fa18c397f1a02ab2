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

All but `eliminate` also give the candidate the score by which it can be ranked, `scores[stage]`. A vote that could not
be read counts for nobody. Small judges of different families beat one large one (arXiv 2404.18796), and a strong one is
needed only where they are not sure (arXiv 2407.18370).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from config.schema import Judge
from stages.core.base import Place, Stage, collect
from stages.core.errors import CandidateError
from stages.core.record import Candidate, Group, Verdict, plain
from stages.judge.axes import means
from stages.judge.constitution import Constitution
from stages.judge.examining import Questionnaire, RewardModel
from stages.llm.protocol import Model


@dataclass(frozen=True, slots=True)
class Vote:
    """What one judge of a panel said. `passed` None: nothing that counts, for this `reason`."""

    judge: str
    passed: bool | None
    score: float | None = None
    axes: dict[str, float] = field(default_factory=dict)
    principle: str = ""
    reason: str = ""
    detail: str = ""
    escalated: bool = False


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
        self._config, self._judges, self._stronger = config, judges, stronger
        self._eliminates = config.mode == "eliminate"
        self._principles = {one.id: one.text for one in constitution.principles} if constitution else {}
        self._examiner: RewardModel | Questionnaire = (
            RewardModel(place, config)
            if config.mode == "reward"
            else Questionnaire(place, config, constitution, run_seed)
        )
        otherwise = 0.5 if self._eliminates else -math.inf
        self._threshold = otherwise if config.threshold is None else config.threshold

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
            try:
                marks = await self._examiner.examine(judge, group, candidate, reverse)
            except CandidateError as error:
                return Vote(judge.alias, None, reason=error.reason, detail=error.detail, escalated=escalated)
            passed = marks.score >= self._threshold
            return Vote(judge.alias, passed, marks.score, marks.axes, marks.principle, escalated=escalated)

        votes = await collect(vote, self._judges)
        if self._stronger is not None and self._unsure(votes):
            votes.append(await vote(self._stronger, escalated=True))
        return self._decide(votes)

    def _unsure(self, votes: Sequence[Vote]) -> bool:
        """Return whether to ask the stronger judge: not all say the same, or the score is near the threshold."""
        if len({vote.passed for vote in votes}) > 1 or votes[0].passed is None:
            return True
        escalate = self._config.escalate
        if escalate is None or escalate.when != "unsure":
            return False
        low, high = self._config.scale if self._config.mode == "rubric" else (0, 1)
        return abs(_score(votes) - self._threshold) < escalate.margin * (high - low)

    def _decide(self, votes: Sequence[Vote]) -> Verdict:
        """Return the verdict of the votes that can be read; without any, it is open.

        An escalated one decides alone; else more than half must be in favour, or the mean must reach the threshold.
        """
        readable = [vote for vote in votes if vote.passed is not None]
        deciding = [vote for vote in readable if vote.escalated] or readable
        data: dict[str, Any] = {"votes": [plain(vote) for vote in votes]}
        if not deciding:
            return Verdict(None, reason=votes[0].reason, detail=votes[0].detail, data=data)
        score = _score(deciding)
        if axes := means(mark for vote in deciding for mark in vote.axes.items()):
            data["axes"] = axes
        passed = score >= self._threshold
        if self._config.decide == "majority":
            passed = 2 * sum(vote.passed is True for vote in deciding) > len(deciding)
        if passed:
            return Verdict(True, score, data=data)
        if not self._eliminates:
            detail = f"score {score:.3g}, {self._threshold:.3g} is needed"
            if axes:
                worst = min(axes, key=lambda axis: axes[axis])
                detail += f"; lowest: {worst} {axes[worst]:.3g}"
            return Verdict(False, score, "low_score", detail, data)
        detail = "the judge named no principle"
        named = Counter(vote.principle for vote in deciding if vote.passed is False and vote.principle)
        for principle, _ in named.most_common(1):
            data["principle"], detail = principle, f"{principle}: {self._principles[principle]}"
        return Verdict(False, score, "eliminated", detail, data)


def _score(votes: Sequence[Vote]) -> float:
    return fmean(vote.score or 0.0 for vote in votes)
