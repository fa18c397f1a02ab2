"""Supervised fine-tuning: TRL's conversational language modelling, one column `messages`."""

from __future__ import annotations

from collections.abc import Iterator

from stages.core.record import Group
from stages.io.exports.format import Format, Made


class Sft(Format):
    """A row per accepted sample: `messages`, the last one the sample itself."""

    def rows(self, group: Group) -> Iterator[Made]:
        for sample in self._samples(group):
            messages = [*self._prompt(group, sample), self._turns.answer(sample)]
            yield Made({"messages": messages, **self._more(group)}, sample)
