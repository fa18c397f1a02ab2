"""Prompts for reinforcement learning, one row per seed: TRL's prompt-only type with a ground truth, and verl's."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

from config.schema import Output
from stages.core.record import Candidate, Group, Message
from stages.io.exports.format import Format, Made, Row, rendered
from stages.prompts.template import Template


class _Prompts(Format):
    """A row per seed with an accepted sample, or with `include: all` per seed that was asked.

    `where` sees the candidates, or the seed alone where there are none; one that it lets in lets the seed in.
    """

    def __init__(self, output: Output) -> None:
        super().__init__(output)
        self._all = output.include == "all"
        self._ground_truth = None if output.ground_truth is None else Template(output.ground_truth)

    def rows(self, group: Group) -> Iterator[Made]:
        if self._all and group.live:
            return  # not done yet
        options: list[Candidate | None] = [c for c in group.candidates if c.state == "accepted"]
        if self._all:
            options += [c for c in group.candidates if c.state != "accepted"] or [None]
        for sample in options:
            if self._lets_in(group, sample):
                if not self._all or self._turns.prompt(group, sample):  # what was never asked has no prompt
                    yield Made(self._row(group, self._prompt(group, sample)), sample)
                return

    @abstractmethod
    def _row(self, group: Group, prompt: list[Message]) -> Row: ...

    def _truth(self, group: Group) -> Row:
        if self._ground_truth is None:
            return {}
        return {"ground_truth": rendered(self._ground_truth, group, "ground_truth").strip()}


class Grpo(_Prompts):
    """`prompt`, `ground_truth` and any extras: TRL's GRPOTrainer hands all columns to the reward functions."""

    def _row(self, group: Group, prompt: list[Message]) -> Row:
        return {"prompt": prompt, **self._truth(group), "id": group.seed.id, **self._more(group)}


class Verl(_Prompts):
    """The five columns that verl reads. More of them go into `extra_info`."""

    def _row(self, group: Group, prompt: list[Message]) -> Row:
        seed = group.seed
        return {
            "data_source": self._output.data_source,
            "prompt": prompt,
            "ability": seed.topic,
            "reward_model": {"style": "rule", **self._truth(group)},
            "extra_info": {"index": seed.no, "id": seed.id, **self._more(group)},
        }
