"""`check: math`: the answer equals the reference's answer as mathematics.

What two texts or two plain numbers can decide is decided here. The rest needs a library that may hang, and goes to
worker processes. The answer found becomes the candidate's field `answer`.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from stages.core.errors import InputError
from stages.core.record import Candidate, Verdict
from stages.verify.check import Check, bad_reference, lost, no_answer, right_or_wrong, shown
from stages.verify.extract import Answer, choice_of, find_answer, find_reference
from stages.verify.notation import same_words
from stages.verify.quantity import same
from stages.verify.workers import Lost, Workers

_LIMIT_S = 3.0
_PROCESSES = 2
_REMEDY = "python -m pip install 'math-verify[antlr4_13_2]>=0.8'"


def require_package() -> None:
    """Raise InputError where `math-verify` is not installed, with what to type."""
    if find_spec("math_verify") is None:
        raise InputError(f"`check: math` needs a package that is not installed. Type: {_REMEDY}")


class Maths(Check):
    """Mathematical equivalence by `math-verify`, one batch of pairs a group, each with a hard time-out."""

    def __init__(self, limit_s: float = _LIMIT_S) -> None:
        self._workers = Workers("stages.verify.equivalence:make", size=_PROCESSES, limit_s=limit_s)

    async def start(self) -> None:
        require_package()
        await self._workers.start()

    async def stop(self) -> None:
        await self._workers.stop()

    async def judge(self, candidates: Sequence[Candidate], reference: str) -> list[Verdict]:
        gold = find_reference(reference)
        if gold is None:
            return [bad_reference("the reference is empty") for _ in candidates]
        answers = [find_answer(candidate.text) for candidate in candidates]
        for candidate, answer in zip(candidates, answers, strict=True):
            if answer is not None:
                candidate.fields["answer"] = str(answer)
        equal: dict[Answer, bool | Lost | None] = {answer: compare(gold, answer) for answer in answers if answer}
        hard = [answer for answer, decided in equal.items() if decided is None]
        if hard:
            pairs = [{"gold": str(gold), "answer": str(answer)} for answer in hard]
            equal.update(zip(hard, await self._workers.ask(pairs), strict=True))
        return [no_answer(gold) if answer is None else self._verdict(equal[answer], answer, gold) for answer in answers]

    find = staticmethod(find_answer)

    async def same(self, one: Answer, other: Answer) -> bool:
        """Tell whether two answers are the same mathematics (see `stages.core.answers`)."""
        decided = compare(one, other)
        if decided is None:
            (decided,) = await self._workers.ask([{"gold": str(one), "answer": str(other)}])
        return decided is True

    def _verdict(self, equal: bool | Lost | None, answer: Answer, gold: Answer) -> Verdict:
        if isinstance(equal, Lost):
            return lost(equal, f"comparing {shown(answer)} with {shown(gold)}", self._workers.limit_s)
        return right_or_wrong(bool(equal), answer, gold)


def compare(gold: Answer, answer: Answer) -> bool | None:
    """Compare two answers by their words, as numbers or as choices; None where that is not enough."""
    if same_words(gold.stated, answer.stated) or same_words(gold.formula, answer.formula):
        return True
    if gold.quantity and answer.quantity:
        return same(gold.quantity, answer.quantity)
    one, other = choice_of(gold.stated), choice_of(answer.stated)
    return one == other if one and other else None
