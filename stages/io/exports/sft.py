"""Supervised fine-tuning: TRL's conversational language modelling, one column `messages`.

https://huggingface.co/docs/trl/dataset_formats
"""

from __future__ import annotations

from collections.abc import Iterator

from stages.core.record import Group
from stages.io.exports.format import Format, Row


class Sft(Format):
    """A row per accepted sample: `messages`, the last one the sample itself."""

    def rows(self, group: Group) -> Iterator[Row]:
        for sample in self._samples(group):
            yield {"messages": [*self._prompt(group, sample), self._turns.answer(sample)], **self._more(group)}
