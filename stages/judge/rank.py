"""The rank stage: candidates of a seed meet in pairs until the top is settled, and get their places.

A verdict of it always passes and holds, for `select` and for reports:

    data.rank       the place, 1 for the best; ties go to the earlier candidate
    data.strength   what Bradley and Terry's model gives it: P(a beats b) = a / (a + b)
    data.duels      its comparisons in their order, each with `with` (the other's number), `first` (whether this one was
                    shown first) and `won` (1, 0, 0.5 for a tie), or `failed` with the reason why that is not known

One call for a pair, in random order, turns a judge's position bias into noise at half the calls (arXiv 2605.14236).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from config.schema import Rank
from stages.core.base import Place, Stage, collect
from stages.core.chance import draw
from stages.core.errors import CandidateError
from stages.core.record import Candidate, Group, Verdict
from stages.core.task import task_text
from stages.judge.axes import principles_of
from stages.judge.constitution import Constitution
from stages.judge.ranking import Duel, Pair, next_round, ranked, strengths
from stages.llm.asking import Asker, Question
from stages.llm.protocol import Model
from stages.llm.reading import side
from stages.prompts.builtin import builtin
from stages.prompts.template import Template


class RankStage(Stage):
    """Ranks the chosen candidates; `top` is how many places must be settled, None: all of them."""

    def __init__(
        self,
        place: Place,
        config: Rank,
        model: Model,
        constitution: Constitution | None,
        top: int | None,
        run_seed: int,
    ) -> None:
        super().__init__(place)
        self._config, self._model, self._constitution = config, model, constitution
        self._top, self._run_seed = top, run_seed
        self._asker = Asker(self, run_seed, config.temperature, config.max_tokens)
        self._prompt = Template(config.prompt or builtin("rank"))

    async def process(self, group: Group) -> None:
        chosen = self.chosen(group)
        top = max(len(chosen) - 1, 1) if self._top is None else self._top
        met: list[tuple[Pair, float | CandidateError]] = []
        played = 0
        while pairs := next_round(self._config.method, len(chosen), played, _duels(met), top):
            shown = [order for pair in pairs for order in self._orders(group, chosen, pair)]
            said = await collect(partial(self._compare, group, chosen, played), shown)
            met += zip(shown, said, strict=True)
            played += 1
        for candidate, verdict in zip(chosen, _verdicts(chosen, met), strict=True):
            self.judge(group, candidate, verdict)

    def _orders(self, group: Group, chosen: Sequence[Candidate], pair: Pair) -> list[Pair]:
        """Return the pair as it is shown: one order drawn for it, or both."""
        one, other = pair
        if self._config.order == "both":
            return [(one, other), (other, one)]
        one, other = sorted(pair)
        drawn = draw(self._run_seed, self.name, "first", group.seed.id, chosen[one].n, chosen[other].n)
        return [(one, other) if drawn & 1 else (other, one)]

    async def _compare(
        self, group: Group, chosen: Sequence[Candidate], played: int, pair: Pair
    ) -> float | CandidateError:
        """Return 1 if the first one is better, 0 if the other is, 0.5 for a tie; or why that is not known."""
        first, second = (chosen[at] for at in pair)
        try:
            question = Question("compare", self._render(group, first, second), ("better",), ("A", "B", "tie"), side)
            reading = await self._asker.ask(self._model, group, question, 0, f"round {played}: {first.n} {second.n}")
        except CandidateError as error:
            return error
        return reading.values["better"]

    def _render(self, group: Group, first: Candidate, second: Candidate) -> str:
        used = principles_of(self._constitution, self._config.principles, self._run_seed, self.name, group.seed)
        shown = [one.model_dump() | {"comparisons": one.compare or (one.text,)} for one in used]
        seen = {"task": task_text(group, first), "response_a": first.text, "response_b": second.text}
        return self._prompt.render(group.scope() | seen | {"principles": shown})


def _duels(met: Sequence[tuple[Pair, float | CandidateError]]) -> list[Duel]:
    return [Duel(*pair, won) for pair, won in met if not isinstance(won, CandidateError)]


def _verdicts(chosen: Sequence[Candidate], met: Sequence[tuple[Pair, float | CandidateError]]) -> Iterator[Verdict]:
    """Yield each one's verdict; where no comparison succeeded nobody has a place."""
    duels = _duels(met)
    strength = strengths(len(chosen), duels)
    order = ranked(strength)
    for at in range(len(chosen)):
        notes = [_note(at, pair, said, chosen) for pair, said in met if at in pair]
        if met and not duels:
            error = next(said for _, said in met if isinstance(said, CandidateError))
            yield Verdict(None, reason=error.reason, detail=error.detail, data={"duels": notes})
        else:
            yield Verdict(True, data={"rank": order.index(at) + 1, "strength": strength[at], "duels": notes})


def _note(at: int, pair: Pair, said: float | CandidateError, chosen: Sequence[Candidate]) -> dict[str, Any]:
    first = pair[0] == at
    note: dict[str, Any] = {"with": chosen[pair[first]].n, "first": first}
    if isinstance(said, CandidateError):
        return note | {"failed": said.reason}
    return note | {"won": said if first else 1 - said}
