"""A second look at rejects: programs that verify reject right answers too, and a sample asked of a model measures it.

Over a third of what such programs rejected of Big-Math was right (arXiv 2505.14625). What the model says stands in the
verdict as `fallback`: equivalent, different, or why it is not known.
"""

from __future__ import annotations

from config.sieving import Fallback as FallbackConfig
from stages.core.base import Stage
from stages.core.chance import uniform
from stages.core.errors import CandidateError
from stages.core.record import Candidate, Group, Verdict
from stages.core.task import task_text
from stages.llm.asking import Asker, Question
from stages.llm.protocol import Model
from stages.prompts.builtin import builtin
from stages.prompts.template import Template


class Fallback:
    """Asks about a repeatable share of a stage's rejects. The model's yes revives one only where `revive` says so.

    A prompt of the person's own sees the columns, `response`, `task` and `reference`, and must ask for `pass`.
    """

    def __init__(self, stage: Stage, config: FallbackConfig, against: str, model: Model, run_seed: int) -> None:
        self._config, self._model = config, model
        self._asker = Asker(stage, run_seed)
        self._against, self._prompt = Template(against), Template(config.prompt or builtin("equivalent"))

    async def review(self, group: Group, candidate: Candidate, verdict: Verdict) -> None:
        """Look once more at a rejected candidate, if it is drawn, and note in the verdict what was found."""
        if not self._drawn(group, candidate):
            return
        try:
            same = await self._same(group, candidate)
        except CandidateError as error:
            verdict.data["fallback"] = error.reason
            return
        verdict.data["fallback"] = "equivalent" if same else "different"
        verdict.passed = same and self._config.revive

    def _drawn(self, group: Group, candidate: Candidate) -> bool:
        about = (self._asker.stage.name, "fallback", group.seed.id, candidate.n)
        return uniform(self._asker.run_seed, *about) < self._config.share

    async def _same(self, group: Group, candidate: Candidate) -> bool:
        shown = {"task": task_text(group, candidate), "reference": self._against.render(group.scope())}
        prompt = self._prompt.render(group.scope(candidate) | shown)
        question = Question("fallback", prompt, ("pass",), texts=("reason",))
        return (await self._asker.ask(self._model, group, question, candidate.n)).values["pass"] > 0.5
