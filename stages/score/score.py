"""The score stage: one number per candidate, 0 to 1, from features of its text."""

from __future__ import annotations

from collections.abc import Iterator

from config.schema import Score
from stages.core.base import Place, Stage
from stages.core.record import Candidate, Group, Verdict
from stages.score.features import TextFeatures, partial_credit, text_features


class ScoreStage(Stage):
    """Gives `scores[stage]` and a verdict that holds the raw counts; it never rejects."""

    def __init__(self, place: Place, config: Score) -> None:
        super().__init__(place)
        self._config = config.features

    async def process(self, group: Group) -> None:
        for candidate in self.chosen(group):
            self._score(group, candidate)

    def _score(self, group: Group, candidate: Candidate) -> None:
        found = text_features(candidate.text)
        earned = list(self._earned(found))
        weight = sum(abs(weight) for weight, _ in earned)
        score = sum(weight * credit for weight, credit in earned) / weight if weight else 0.0
        candidate.scores[self.name] = score
        data = {"steps": found.steps, "explanation": found.explanation, "words": found.words}
        self.judge(group, candidate, Verdict(True, score, data=data))

    def _earned(self, found: TextFeatures) -> Iterator[tuple[float, float]]:
        """Yield weight and credit of each feature that is asked for."""
        steps, explanation = self._config.steps, self._config.explanation
        if steps is not None:
            kinds = steps.kinds or dict.fromkeys(found.steps, 1.0)
            count = sum(kinds.get(kind, 0.0) * number for kind, number in found.steps.items())
            yield steps.weight, partial_credit(count, steps.full_at)
        if explanation is not None:
            yield explanation.weight, partial_credit(found.explanation, explanation.full_at)
