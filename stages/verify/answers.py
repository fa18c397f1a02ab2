"""Answers of each kind that `extract` names: how they are found in a response, and when two of them are the same."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from config.stage import Extract
from stages.core.answers import Answers
from stages.core.base import Equipped
from stages.core.text import normal
from stages.verify.extract import choice_of, find_answer
from stages.verify.maths import Maths
from stages.verify.quantity import same


class PlainAnswers(Equipped):
    """Answers that a quick function finds and another one compares; without one, equal values alone are the same."""

    def __init__(
        self, find: Callable[[str], Hashable | None], same: Callable[[Any, Any], bool] = lambda one, other: False
    ) -> None:
        self.find, self._same = find, same

    async def same(self, one: Any, other: Any) -> bool:
        return self._same(one, other)


def answers(kind: Extract) -> Answers:
    """Return what finds and compares answers of this kind."""
    return _KINDS[kind]()


def _number(text: str) -> Hashable | None:
    answer = find_answer(text)
    return answer.number if answer else None


def _choice(text: str) -> Hashable | None:
    answer = find_answer(text)
    return choice_of(answer.stated) if answer else None


_KINDS: dict[Extract, Callable[[], Answers]] = {
    "math": Maths,
    "numeric": lambda: PlainAnswers(_number, same),
    "choice": lambda: PlainAnswers(_choice),
    "text": lambda: PlainAnswers(lambda text: normal(text.strip(" \t\n.,;:!?*_`\"'")) or None),
}
