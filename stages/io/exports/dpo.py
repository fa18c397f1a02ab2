"""Preference pairs: TRL's conversational preference type, columns `prompt`, `chosen`, `rejected`.

https://huggingface.co/docs/trl/dataset_formats
"""

from __future__ import annotations

from collections.abc import Iterator

from config.schema import Output
from stages.core.record import Candidate, Group
from stages.io.exports.format import Format, Row
from stages.io.exports.pairs import Pair, pairs


class Dpo(Format):
    """A row per pair, both sides answers to one prompt. Beside TRL's columns: how the two differ, and their ids."""

    def __init__(self, output: Output) -> None:
        super().__init__(output)
        self._policy = output.pairs

    def rows(self, group: Group) -> Iterator[Row]:
        def same_prompt(one: Candidate, other: Candidate) -> bool:
            return self._turns.prompt(group, one) == self._turns.prompt(group, other)

        for pair in pairs(self._samples(group), group.candidates, self._policy, same_prompt):
            yield self._row(group, pair)

    def _row(self, group: Group, pair: Pair) -> Row:
        return {
            "prompt": self._prompt(group, pair.chosen),
            "chosen": [self._turns.answer(pair.chosen)],
            "rejected": [self._turns.answer(pair.rejected)],
            "margin": pair.margin,
            "chosen_length": len(pair.chosen.text),
            "rejected_length": len(pair.rejected.text),
            "rejected_by": pair.stage,
            "chosen_id": group.candidate_id(pair.chosen),
            "rejected_id": group.candidate_id(pair.rejected),
            **self._more(group),
        }
