"""The difficulty stage: how hard a seed is, by how often it is solved, by what a model says of it, or by both.

The bucket becomes the field `difficulty` of all candidates of the seed, those that fell too, so that a report knows the
unsolved. A verdict of it, on those that live, always passes and holds

    data.difficulty                 easy, moderate, hard, unsolved or unknown
    data.by                         what told it: pass_rate, model or both
    data.passed, samples            how many were right, of how many; with pass_rate, low, high: the rate, its interval
    data.rating                     the model's number, 1 (very easy) to 10; null with `unrated`, the reason
    data.by_pass_rate, by_model     with `both`, the two buckets, and `disagree`; null where one of them is unknown
    data.quota                      with `target`, whether the seed was drawn (see quota.py)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from config.schema import Difficulty
from config.scoring import Bucket
from stages.core.base import Place, Stage
from stages.core.errors import CandidateError
from stages.core.record import Group, Verdict
from stages.core.task import task_text
from stages.llm.asking import Asker, Question
from stages.llm.protocol import Model
from stages.llm.reading import grade
from stages.prompts.builtin import builtin
from stages.prompts.template import Template
from stages.score.draw import Draw
from stages.score.passrate import bucket_of, is_right, pass_rate

SCALE = range(1, 11)
_EASY_TO, _MODERATE_TO = 3.5, 7.5
"""Ratings: 1 to 3, 4 to 7, 8 to 10."""


class DifficultyStage(Stage):
    """Puts seeds into buckets, also those without a live candidate.

    `of` are the stages whose verdicts count, `adaptive` whether these decided on further samples. With `own` the
    model to be trained is asked in place of that; `rater` rates.
    """

    on_seeds = True

    def __init__(
        self,
        place: Place,
        config: Difficulty,
        of: Sequence[str],
        adaptive: bool,
        own: Draw | None,
        rater: Model | None,
        run_seed: int,
    ) -> None:
        super().__init__(place)
        self._config, self._of, self._adaptive, self._own, self._rater = config, of, adaptive, own, rater
        self._asker, self._rating = Asker(self, run_seed), Template(config.rating or builtin("difficulty_rating"))

    async def process(self, group: Group) -> None:
        chosen = self.chosen(group)
        if not group.candidates or (group.live and not chosen):
            return
        found = await self._found(group)
        for candidate in group.candidates:
            candidate.fields["difficulty"] = found["difficulty"]
        for candidate in chosen:
            self.judge(group, candidate, Verdict(True, data={**found}))

    async def _found(self, group: Group) -> dict[str, Any]:
        data: dict[str, Any] = {"difficulty": "unknown", "by": self._config.by}
        measured = rated = None
        if self._config.by != "model":
            measured = await self._measured(group, data)
        if self._rater is not None:
            rated = await self._rated(self._rater, group, data)
        if measured and rated:
            data |= {"by_pass_rate": measured, "by_model": rated, "disagree": _disagree(measured, rated)}
        data["difficulty"] = next((one for one in (measured, rated) if one not in (None, "unknown")), "unknown")
        return data

    async def _measured(self, group: Group, data: dict[str, Any]) -> Bucket:
        if self._own is None:
            outcomes = [is_right(candidate, self._of) for candidate in group.candidates]
        else:
            outcomes = await self._own.outcomes(group)
        found = pass_rate(outcomes, self._adaptive and self._own is None)
        data |= {} if found is None else found.as_dict()
        return bucket_of(found, self._config.min_samples)

    async def _rated(self, rater: Model, group: Group, data: dict[str, Any]) -> Bucket:
        try:
            prompt = self._rating.render(group.scope() | {"task": task_text(group)})
            worth = grade(SCALE[0], SCALE[-1])
            question = Question("difficulty", prompt, ("difficulty",), SCALE, worth, logprobs=True)
            rating = (await self._asker.ask(rater, group, question, 0)).values["difficulty"]
        except CandidateError as error:  # it says nothing about any candidate
            data |= {"rating": None, "unrated": error.reason}
            return "unknown"
        data["rating"] = round(rating, 2)
        return "easy" if rating < _EASY_TO else "moderate" if rating < _MODERATE_TO else "hard"


def _disagree(measured: Bucket, rated: Bucket) -> bool | None:
    """Tell whether two buckets differ; to a rater, what nothing solved is as hard as it gets."""
    if "unknown" in (measured, rated):
        return None
    return rated != ("hard" if measured == "unsolved" else measured)
