"""The select stage: the best of a seed's candidates go on."""

from __future__ import annotations

import math

from config.schema import Select
from stages.core.base import Place, Stage
from stages.core.record import Candidate, Group, Verdict


class SelectStage(Stage):
    """Keeps the first `top` by the configured order; ties go to the earlier candidate, so they repeat."""

    def __init__(self, place: Place, config: Select) -> None:
        super().__init__(place)
        self._top, self._by = config.top, config.by

    async def process(self, group: Group) -> None:
        chosen = sorted(self.chosen(group), key=self._key)
        for place, candidate in enumerate(chosen, start=1):
            if place <= self._top:
                verdict = Verdict(True, data={"place": place})
            else:
                detail = f"place {place} of {len(chosen)} by {self._by}; the top {self._top} go on"
                verdict = Verdict(False, reason="not_selected", detail=detail, data={"place": place})
            self.judge(group, candidate, verdict)

    def _key(self, candidate: Candidate) -> tuple[float, int]:
        if self._by == "order":
            return 0.0, candidate.n
        return (math.inf if candidate.score is None else -candidate.score), candidate.n
