"""What the simulated model knows and how it errs.

Each question has a chance of being answered right, a function of the simulator's seed and the question. At temperature
1 an answer is drawn from {right, the common wrong one, a few rarer wrong ones} with those chances; at temperature T the
chances are raised to the power 1/T, as a softmax would: cold answers settle on the likeliest, hot ones scatter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from service.simulator import arithmetic, figures
from service.simulator.draws import Draws
from service.simulator.options import Skill
from service.simulator.truth import KnownQuestions

_COLDEST = 0.02
_OPENINGS = ("Let us work through this.", "Step by step:", "We can take it one step at a time.", "Here is my working.")
_FIRST = ("First, calculate", "First we find", "Start with", "To begin, work out")
_THEN = ("Then", "Next,", "After that,", "Now")
_CLOSINGS = ("The answer is", "So the answer is", "Therefore, the answer is", "Hence the answer is")


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its truth. `steps` lead to it where they are known; `end` is where it ends in the prompt."""

    key: str
    gold: str
    end: int
    steps: tuple[tuple[str, str], ...] = ()


class World:
    """Finds questions, answers them, and knows the truth."""

    def __init__(self, seed: int, skill: Skill, known: KnownQuestions) -> None:
        self._seed, self._skill, self._known = seed, skill, known

    def questions(self, text: str) -> Iterator[Question]:
        """Yield the questions of a text whose truth is known, in their order; given ones before arithmetic."""
        found = False
        for known in self._known.find(text):
            found = True
            yield Question(known.question, known.gold, known.end)
        if not found:
            for problem in arithmetic.problems(text):
                yield Question(problem.expression, figures.show(problem.value), problem.end, problem.steps)

    def answer(self, question: Question, temperature: float, draws: Draws) -> str:
        """Draw the final answer that this reply gives."""
        answers = [question.gold, *self._wrong_answers(question)]
        chances = self._chances(question, len(answers))
        top, power = max(chances), 1 / max(temperature, _COLDEST)
        weights = [(chance / top) ** power for chance in chances]
        place = draws.uniform("answer") * sum(weights)
        for answer, weight in zip(answers, weights, strict=True):
            place -= weight
            if place < 0:
                return answer
        return answers[-1]

    def solution(self, question: Question, answer: str, draws: Draws) -> str:
        """Write the steps that lead to an answer, right or wrong, and end with it."""
        if question.steps:
            lines = self._worked(question, answer, draws)
        else:
            topic = " ".join(question.key.split()[:12])
            lines = [f"The question asks: {topic}.", f"{draws.pick('then', _THEN)} putting it together gives {answer}."]
        return "\n".join([draws.pick("opening", _OPENINGS), *lines, f"{draws.pick('closing', _CLOSINGS)} {answer}."])

    @staticmethod
    def _worked(question: Question, answer: str, draws: Draws) -> list[str]:
        *before, (last, _) = question.steps
        connectives = [draws.pick("first", _FIRST)] + [draws.pick(f"then {i}", _THEN) for i in range(len(before))]
        steps = [*before, (last, answer)]  # a wrong answer is a slip in the last step
        return [f"{word} {left} = {right}." for word, (left, right) in zip(connectives, steps, strict=True)]

    def _chances(self, question: Question, count: int) -> list[float]:
        skill = self._skill
        right = skill.accuracy
        if right is None:
            right = Draws(self._seed, "chance", question.key).beta("right", *skill.beta)
        common = (1 - right) * (skill.common_wrong if count > 2 else 1)
        rarer = (1 - right - common) / max(count - 2, 1)
        return [right, common] + [rarer] * (count - 2)

    def _wrong_answers(self, question: Question) -> list[str]:
        """Return the plausible wrong answers, in an order of this question's own: the first is the common one."""
        value = figures.read(question.gold)
        wrong = figures.near_misses(value) if value is not None else self._other_golds(question)
        own = Draws(self._seed, "wrong", question.key)
        return sorted(wrong, key=own.uniform)

    def _other_golds(self, question: Question) -> list[str]:
        golds = self._known.golds
        start = int(Draws(self._seed, "other", question.key).uniform("start") * len(golds))
        near = (golds[(start + i) % len(golds)] for i in range(min(8, len(golds))))
        others = [gold for gold in near if gold != question.gold]
        return others or [f"not {question.gold}"]
