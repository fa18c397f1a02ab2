"""Marks on axes for a stage that is no judge: a score stage asks as a judge's rubric does, and decides by itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from config.schema import Judge, Score
from stages.core.base import Place
from stages.core.record import Candidate, Group
from stages.judge.constitution import Constitution
from stages.judge.examining import Questionnaire
from stages.llm.protocol import Model

Mark = Callable[[Model, Group, Candidate], Awaitable[tuple[float, dict[str, float]]]]
"""Has a model mark a candidate; returns the overall mark and the mark by axis. Raises CandidateError without any."""


def marker(place: Place, config: Score, constitution: Constitution | None, run_seed: int) -> Mark:
    """Return what has a model mark candidates on the axes of `config`, for the stage at `place`."""
    alike = Judge.model_fields.keys() & Score.model_fields.keys() - {"type", "axes"}
    axes = config.axes if isinstance(config.axes, dict) else {}
    asked = Judge.model_validate({key: getattr(config, key) for key in alike} | {"mode": "rubric", "axes": axes})
    questionnaire = Questionnaire(place, asked, constitution if config.axes == "constitution" else None, run_seed)

    async def mark(model: Model, group: Group, candidate: Candidate) -> tuple[float, dict[str, float]]:
        marks = await questionnaire.examine(model, group, candidate, reverse=False)
        return marks.score, marks.axes

    return mark


def axis_weights(config: Score, constitution: Constitution | None) -> dict[str, float]:
    """Return the axes of a score stage, with what each weighs."""
    found: dict[str, float] = {}
    if isinstance(config.axes, dict):
        found = dict.fromkeys(config.axes, 1.0)
    elif config.axes is not None and constitution is not None:
        found = {principle.id: principle.weight for principle in constitution.principles}
    return found | config.weights
