"""Critique and revision by a constitution (Constitutional AI, arXiv 2212.08073, its supervised phase).

In each round principles are drawn, a model says where the response falls short of them, and then rewrites it so that
it does not. Two calls a round.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from config.schema import Transform
from stages.core.chance import draw, some
from stages.core.record import Candidate, Group
from stages.core.task import task_text
from stages.llm.asking import Asker
from stages.llm.protocol import Model
from stages.prompts.builtin import builtin
from stages.prompts.template import Template
from stages.transform.writing import write

Principle = Mapping[str, Any]
"""A constitution's principle as plain data: `id`, `text`, `applies_if`, the lists `critique` and `revise`."""


class Reviser:
    """Rewrites a response in `config.rounds` rounds; what was said in each stands in the verdict."""

    def __init__(self, config: Transform, principles: Sequence[Principle], model: Model, asker: Asker) -> None:
        self._config, self._principles, self._model, self._asker = config, principles, model, asker
        self._critique, self._revise = Template(builtin("critique")), Template(builtin("revise"))

    async def __call__(self, group: Group, candidate: Candidate) -> tuple[str, dict[str, Any]]:
        text, critiques = candidate.text, []
        task = task_text(group, candidate)
        for number in range(self._config.rounds):
            drawn = self._drawn(group, candidate, number)
            seen: dict[str, Any] = {"principles": drawn, "task": task, "response": text}
            seen["critique"] = await self._write(group, candidate, "critique", self._critique.render(seen), number)
            text = await self._write(group, candidate, "revise", self._revise.render(seen), number)
            critiques.append({"principles": [one["id"] for one in drawn], "critique": seen["critique"]})
        return text, {"critiques": critiques}

    def _drawn(self, group: Group, candidate: Candidate, number: int) -> Sequence[Principle]:
        """Return the principles of a round, in the constitution's order."""
        asker, principles = self._asker, self._config.principles
        count = None if principles is None else principles.sample
        about = (asker.run_seed, asker.stage.name, "principles", group.seed.id, candidate.n, number)
        return some(self._principles, count, lambda one: draw(*about, one["id"]))

    async def _write(self, group: Group, candidate: Candidate, purpose: str, prompt: str, number: int) -> str:
        call = self._asker.call(self._model, group, purpose, prompt, candidate.n, f"round {number}")
        return await write(self._model, call)
