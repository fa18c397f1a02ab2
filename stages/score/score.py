"""The score stage: one number per candidate, from axes that models judge and from features of its text.

A verdict of it holds

    score           the mean over what was asked for, by its weights: the panel's score, and what each feature earns;
                    also `scores[stage]`. It lies between 0 and 1 (with `normalise: per_seed` it does not)
    data.axes       the mean mark by axis, on the scale; gates look at these
    data.votes      every model's `judge` (its alias), `score` (null: not read, with `reason`, `detail`) and `axes`
    data.features   the raw counts, where any feature is asked for
    reason          `below_gate`, the only thing that it rejects for
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from config.schema import Score
from stages.core.base import Place, Stage, collect
from stages.core.errors import CandidateError
from stages.core.record import Candidate, Group, Verdict, plain
from stages.core.task import task_text
from stages.llm.protocol import Model
from stages.prompts.template import Template
from stages.score.features import earned, text_features
from stages.score.opinions import Mark, Opinion, combined, per_seed
from stages.score.steps import matched_steps


class ScoreStage(Stage):
    """Scores the chosen candidates; `mark` has one of the `models` mark a candidate.

    `weights` has the axes, empty where one overall mark is asked for.
    """

    def __init__(
        self,
        place: Place,
        config: Score,
        models: Sequence[Model] = (),
        mark: Mark | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__(place)
        self._config, self._models, self._mark, self._weights = config, models, mark, weights or {}
        partial = config.features.partial_credit
        self._reference = None if partial is None else Template(partial.reference)
        self._counts = any(value is not None for _, value in config.features)

    async def process(self, group: Group) -> None:
        chosen = self.chosen(group)

        async def panel(candidate: Candidate) -> list[Opinion]:
            return await collect(lambda model: self._opinion(group, candidate, model), self._models)

        panels = await collect(panel, chosen)
        if self._config.normalise == "per_seed":
            panels = per_seed(panels)
        for candidate, opinions in zip(chosen, panels, strict=True):
            try:
                verdict = self._verdict(group, candidate, opinions)
            except CandidateError as error:
                verdict = Verdict(None, reason=error.reason, detail=error.detail)
            if verdict.score is not None:
                candidate.scores[self.name] = verdict.score
            self.judge(group, candidate, verdict)

    async def _opinion(self, group: Group, candidate: Candidate, model: Model) -> Opinion:
        assert self._mark is not None  # noqa: S101  whoever hands in models hands in what asks them
        try:
            mark, axes = await self._mark(model, group, candidate)
        except CandidateError as error:
            return Opinion(model.alias, None, reason=error.reason, detail=error.detail)
        low, high = self._config.scale
        shares = {axis: (mark - low) / (high - low) for axis, mark in axes.items()}
        score = combined(shares, self._weights, self._config.combine) if axes else (mark - low) / (high - low)
        return Opinion(model.alias, score, axes)

    def _verdict(self, group: Group, candidate: Candidate, opinions: Sequence[Opinion]) -> Verdict:
        data: dict[str, Any] = {}
        parts: list[tuple[float, float]] = []
        if opinions:
            data["votes"] = [plain(one) for one in opinions]
            read = [one for one in opinions if one.score is not None]
            if not read:
                return Verdict(None, reason=opinions[0].reason, detail=opinions[0].detail, data=data)
            if read[0].axes:
                data["axes"] = {axis: fmean(one.axes[axis] for one in read) for axis in read[0].axes}
            parts.append((sum(self._weights.values()) or 1.0, fmean(one.score or 0.0 for one in read)))
        if self._counts:
            parts += self._features(group, candidate, data)
        weight = sum(abs(weight) for weight, _ in parts)
        score = sum(weight * share for weight, share in parts) / weight if weight else 0.0
        gates = self._config.gates.items()
        low = [(axis, data["axes"][axis], least) for axis, least in gates if data["axes"][axis] < least]
        detail = "; ".join(f"{axis} {mark:.3g}, {least:.3g} is needed" for axis, mark, least in low)
        return Verdict(False, score, "below_gate", detail, data) if low else Verdict(True, score, data=data)

    def _features(self, group: Group, candidate: Candidate, data: dict[str, Any]) -> list[tuple[float, float]]:
        """Return weight and credit of every feature, and note the raw counts."""
        found, matched = text_features(candidate.text), None
        counts = found._asdict()
        if self._reference is not None:
            reference = self._reference.render(group.scope())
            matched = matched_steps(candidate.text, reference, task_text(group, candidate))
            counts["partial_credit"] = matched._asdict()
        data["features"] = counts
        return list(earned(self._config.features, found, matched))
