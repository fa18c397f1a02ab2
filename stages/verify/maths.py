"""`check: math`: the answer equals the reference's answer as mathematics.

What two texts or two plain numbers can decide is decided here. The rest needs a library that may hang, and goes to
worker processes. The answer found becomes the candidate's field `answer`.
"""

from __future__ import annotations

from importlib.util import find_spec

from stages.core.errors import CandidateError, InputError
from stages.core.record import Candidate, Verdict
from stages.verify.check import Check, bad_reference, no_answer, right_or_wrong, shown
from stages.verify.extract import Answer, choice_of, find_answer, find_reference
from stages.verify.notation import same_words
from stages.verify.quantity import same
from stages.verify.workers import Workers

_LIMIT_S = 3.0
_PROCESSES = 2
_REMEDY = "python -m pip install 'math-verify[antlr4_13_2]>=0.8'"


def require_package() -> None:
    """Raise InputError where `math-verify` is not installed, with what to type."""
    if find_spec("math_verify") is None:
        raise InputError(f"`check: math` needs a package that is not installed. Type: {_REMEDY}")


class Maths(Check):
    """Mathematical equivalence by `math-verify`, with a hard time-out per pair of answers."""

    def __init__(self, limit_s: float = _LIMIT_S) -> None:
        self._workers = Workers("stages.verify.equivalence:make", size=_PROCESSES, limit_s=limit_s)
        self.tools = (self._workers,)

    async def start(self) -> None:
        require_package()
        await super().start()

    async def judge(self, candidate: Candidate, reference: str) -> Verdict:
        gold = find_reference(reference)
        if gold is None:
            raise bad_reference("the reference is empty")
        answer = find_answer(candidate.text)
        if answer is None:
            return no_answer(gold)
        candidate.fields["answer"] = str(answer)
        return right_or_wrong(await self._equal(gold, answer), answer, gold)

    find = staticmethod(find_answer)

    async def same(self, one: Answer, other: Answer) -> bool:
        """Tell whether two answers are the same mathematics (see `stages.core.answers`)."""
        try:
            return await self._equal(one, other)
        except CandidateError:
            return False

    async def _equal(self, gold: Answer, answer: Answer) -> bool:
        decided = compare(gold, answer)
        if decided is None:
            doing = f"comparing {shown(answer)} with {shown(gold)}"
            decided = await self._workers.ask([str(gold), str(answer)], doing) is True
        return decided


def compare(gold: Answer, answer: Answer) -> bool | None:
    """Compare two answers by their words, as numbers or as choices; None where that is not enough."""
    if same_words(gold.stated, answer.stated) or same_words(gold.formula, answer.formula):
        return True
    if gold.quantity and answer.quantity:
        return same(gold.quantity, answer.quantity)
    one, other = choice_of(gold.stated), choice_of(answer.stated)
    return one == other if one and other else None
