"""The select stage: the best of a seed's candidates go on, perhaps only those that other orders place high as well."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf

from config.judging import SelectBy
from config.schema import Select
from stages.core.base import Place, Stage
from stages.core.record import Candidate, Group, Verdict


class SelectStage(Stage):
    """Keeps the first `top` by the configured order; ties go to the earlier candidate, so they repeat.

    With `agree`, whom another order does not have in its top `within_top` falls as `disagreed`, and the next ones move
    up. A verdict holds the candidate's `place`, and with `agree` its `places` in the other orders.
    """

    def __init__(self, place: Place, config: Select) -> None:
        super().__init__(place)
        self._top, self._by, agree = config.top, config.by, config.agree
        self._others, self._within = (agree.with_, agree.within_top) if agree else ((), 0)

    async def process(self, group: Group) -> None:
        chosen = self.chosen(group)
        others = {by: _places(chosen, by) for by in self._others}
        left = self._top
        for place, candidate in enumerate(sorted(chosen, key=lambda one: (_ORDERS[self._by](one), one.n)), start=1):
            places = {by: found[candidate.n] for by, found in others.items()}
            verdict = self._verdict(place, places, left, len(chosen))
            left -= verdict.passed is True
            self.judge(group, candidate, verdict)

    def _verdict(self, place: int, places: dict[SelectBy, int], left: int, of: int) -> Verdict:
        data = {"place": place, "places": places} if places else {"place": place}
        low = [f"place {found} by {by}" for by, found in places.items() if found > self._within]
        if low:
            detail = f"place {place} of {of} by {self._by}, but {', '.join(low)}; the top {self._within} agree"
            return Verdict(False, reason="disagreed", detail=detail, data=data)
        if left:
            return Verdict(True, data=data)
        detail = f"place {place} of {of} by {self._by}; the top {self._top} go on"
        return Verdict(False, reason="not_selected", detail=detail, data=data)


def _places(chosen: Sequence[Candidate], by: SelectBy) -> dict[int, int]:
    """Return the place of each candidate, by its number; equals share the better place."""
    keys = sorted(map(_ORDERS[by], chosen))
    return {candidate.n: keys.index(_ORDERS[by](candidate)) + 1 for candidate in chosen}


def _found(candidate: Candidate, name: str) -> float:
    """Return what the last stage that tells such a value said of the candidate, the worst where none did."""
    verdicts = reversed(candidate.verdicts.values())
    return next((verdict.data[name] for verdict in verdicts if name in verdict.data), inf if name == "rank" else -inf)


_ORDERS: dict[SelectBy, Callable[[Candidate], float]] = {
    "order": lambda candidate: candidate.n,
    "score": lambda candidate: inf if candidate.score is None else -candidate.score,
    "rank": lambda candidate: _found(candidate, "rank"),
    "vote": lambda candidate: -_found(candidate, "ballots"),
}
"""What a candidate is sorted by, the first one first."""
