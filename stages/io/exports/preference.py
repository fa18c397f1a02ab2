"""Preference pairs, as TRL's conversational preference type has them: with the prompt in a column, or in both sides."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

from config.schema import Output
from stages.core.record import Candidate, Group, Message
from stages.io.exports.format import Format, Made, Row
from stages.io.exports.pairs import Pair, pairs


class _Preference(Format):
    """A row per pair, both sides answers to one prompt. Beside TRL's columns: how the two differ, and their ids."""

    def __init__(self, output: Output) -> None:
        super().__init__(output)
        self._policy = output.pairs

    def rows(self, group: Group) -> Iterator[Made]:
        def same_prompt(one: Candidate, other: Candidate) -> bool:
            return self._turns.prompt(group, one) == self._turns.prompt(group, other)

        for pair in pairs(self._samples(group), group.candidates, self._policy, same_prompt):
            sides = self._sides(
                self._prompt(group, pair.chosen), self._turns.answer(pair.chosen), self._turns.answer(pair.rejected)
            )
            yield Made({**sides, **_difference(group, pair), **self._more(group)}, pair.chosen)

    @abstractmethod
    def _sides(self, prompt: list[Message], chosen: Message, rejected: Message) -> Row: ...


class Dpo(_Preference):
    """`prompt`, `chosen`, `rejected`: what TRL's DPOTrainer wants."""

    def _sides(self, prompt: list[Message], chosen: Message, rejected: Message) -> Row:
        return {"prompt": prompt, "chosen": [chosen], "rejected": [rejected]}


class Reward(_Preference):
    """`chosen`, `rejected`, each the whole conversation: what TRL's RewardTrainer wants. It reads `margin` too."""

    def _sides(self, prompt: list[Message], chosen: Message, rejected: Message) -> Row:
        return {"chosen": [*prompt, chosen], "rejected": [*prompt, rejected]}


def _difference(group: Group, pair: Pair) -> Row:
    return {
        "margin": pair.margin,
        "chosen_length": len(pair.chosen.text),
        "rejected_length": len(pair.rejected.text),
        "rejected_by": pair.by,
        "chosen_id": group.candidate_id(pair.chosen),
        "rejected_id": group.candidate_id(pair.rejected),
    }
