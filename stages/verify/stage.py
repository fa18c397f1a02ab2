"""The verify stage: a check by program, one candidate at a time, against what is right for the seed."""

from __future__ import annotations

from collections.abc import Callable

from config.schema import Verify
from stages.core.base import Place, Stage
from stages.core.errors import CandidateError, InputError
from stages.core.record import Group
from stages.prompts.template import Template
from stages.verify.check import Check, EachAlone, bad_reference
from stages.verify.exact import exact
from stages.verify.json_schema import JsonSchema
from stages.verify.maths import Maths
from stages.verify.numeric import numeric
from stages.verify.pattern import Pattern

_CHECKS: dict[str, Callable[[Verify], Check]] = {
    "numeric": lambda config: EachAlone(numeric),
    "exact": lambda config: EachAlone(exact),
    "regex": lambda config: Pattern(config.pattern or ""),
    "json_schema": lambda config: JsonSchema(config.schema_ or {}),
    "math": lambda config: Maths(),
}
_NEEDS_REFERENCE = ("numeric", "exact", "math")


class VerifyStage(Stage):
    """Judges every chosen candidate by `config.check`.

    `against` sees the seed alone, and not the candidates' fields: an extracted `answer` must not stand in for the
    column `answer` that holds what is right.
    """

    def __init__(self, place: Place, config: Verify) -> None:
        super().__init__(place)
        if config.check in _NEEDS_REFERENCE and config.against is None:
            raise InputError(f"stage {place.name}: `check: {config.check}` needs `against`, what is right")
        self._against = Template(config.against or "")
        self._check = _CHECKS[config.check](config)

    async def start(self) -> None:
        await self._check.start()

    async def stop(self) -> None:
        await self._check.stop()

    async def process(self, group: Group) -> None:
        candidates = self.chosen(group)
        if not candidates:
            return
        try:
            reference = self._against.render(group.scope())
        except CandidateError as error:
            verdicts = [bad_reference(error.detail) for _ in candidates]
        else:
            verdicts = await self._check.judge(candidates, reference)
        for candidate, verdict in zip(candidates, verdicts, strict=True):
            self.judge(group, candidate, verdict)
