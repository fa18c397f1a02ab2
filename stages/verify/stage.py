"""The verify stage: a check by program, one candidate at a time, against what is right for the seed."""

from __future__ import annotations

from collections.abc import Callable

from config.schema import Verify
from stages.core.base import Place, Stage
from stages.core.errors import CandidateError
from stages.core.record import Candidate, Group, Verdict
from stages.llm.protocol import Model
from stages.prompts.template import Template
from stages.verify.check import Check, bad_reference
from stages.verify.fallback import Fallback
from stages.verify.grounded import Grounded
from stages.verify.json_schema import JsonSchema
from stages.verify.maths import Maths
from stages.verify.pattern import Pattern
from stages.verify.plugin import ROW, Plugin
from stages.verify.python import PythonTests, tests_source
from stages.verify.quick import Exact, Numeric

_CHECKS: dict[str, Callable[[Verify], Check]] = {
    "numeric": lambda config: Numeric(),
    "exact": lambda config: Exact(),
    "regex": lambda config: Pattern(config.pattern or ""),
    "json_schema": lambda config: JsonSchema(config.schema_ or {}),
    "math": lambda config: Maths(),
    "python": lambda config: PythonTests(),
    "grounded": lambda config: Grounded(config.min_score),
    "plugin": lambda config: Plugin(config.function or "", config.timeout_s, config.min_score),
}


class VerifyStage(Stage):
    """Judges every chosen candidate by `config.check`; that the check has the keys it needs is proved before.

    What is right is rendered from the seed alone, not from the candidates' fields: an extracted `answer` must not stand
    in for the column `answer` that holds what is right.
    """

    def __init__(self, place: Place, config: Verify, model: Model | None = None, run_seed: int = 0) -> None:
        super().__init__(place)
        against = config.against or ""
        references = {"python": tests_source(config.tests or "", config.entry_point), "plugin": ROW}
        self._reference = Template(references.get(config.check, against))
        self._check = _CHECKS[config.check](config)
        self.tools = (self._check,)
        self._fallback = None
        if config.fallback is not None and model is not None:
            self._fallback = Fallback(self, config.fallback, against, model, run_seed)

    async def process(self, group: Group) -> None:
        await self.judge_each(group, self.verdict)

    async def verdict(self, group: Group, candidate: Candidate) -> Verdict:
        """Return the verdict on any candidate of the seed, its score and what was found noted on it.

        Raises CandidateError where it cannot be told.
        """
        try:
            reference = self._reference.render(group.scope())
        except CandidateError as error:
            raise bad_reference(error.detail) from None
        verdict = await self._check.judge(candidate, reference)
        if self._fallback is not None and verdict.passed is False:
            await self._fallback.review(group, candidate, verdict)
        if verdict.score is not None:
            candidate.scores[self.name] = verdict.score
        return verdict
