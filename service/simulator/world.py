"""What the simulated model knows and how it errs.

Each question has a chance of being answered right, a function of the simulator's seed and the question. At temperature
1 an answer is drawn from {right, the common wrong one, a few rarer wrong ones} with those chances; at temperature T the
chances are raised to the power 1/T, as a softmax would: cold answers settle on the likeliest, hot ones scatter.
"""

from __future__ import annotations

from service.simulator import arithmetic
from service.simulator.draws import Draws
from service.simulator.options import Options
from service.simulator.questions import KnownQuestions, Question
from service.simulator.slide import Slide

_COLDEST = 0.02
_OPENINGS = ("Let us work through this.", "Step by step:", "We can take it one step at a time.", "Here is my working.")
_FIRST = ("First, calculate", "First we find", "Start with", "To begin, work out")
_THEN = ("Then", "Next,", "After that,", "Now")
_CLOSINGS = ("The answer is", "So the answer is", "Therefore, the answer is", "Hence the answer is")
_REMARKS = (
    "That is an interesting request, and there is more than one good way to look at it.",
    "The main point can be said in a few words, and the rest follows from it.",
    "It helps to begin with what is known, and to add one thing at a time.",
    "There are exceptions to this, but they are rare enough to be left aside here.",
    "What matters most is that each part can be checked by the person who reads it.",
    "In practice people settle on whatever is simplest and still does the work.",
)


class World:
    """Finds questions, answers them, and knows the truth."""

    def __init__(self, options: Options, known: KnownQuestions) -> None:
        self._options, self._seed, self._known = options, options.seed, known
        self._slide = None if options.collapse is None else Slide(options.seed, options.collapse)

    def questions(self, text: str) -> list[Question]:
        """Return the questions of a text whose truth is known, in their order; given ones before arithmetic."""
        return list(self._known.find(text)) or list(arithmetic.questions(text))

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

    def solution(self, question: Question, temperature: float, draws: Draws) -> str:
        """Write the steps that lead to an answer, right or wrong, and end with it."""
        answer = self.answer(question, temperature, draws)
        steps = question.steps or ((f"the question about {' '.join(question.text.split()[:12])}", answer),)
        steps = (*steps[:-1], (steps[-1][0], answer))  # a wrong answer is a slip in the last step
        lines = [draws.pick("opening", _OPENINGS)]
        for number, (left, right) in enumerate(steps):
            lines.append(f"{draws.pick(f'step {number}', _THEN if number else _FIRST)} {left} = {right}.")
        return "\n".join([*lines, f"{draws.pick('closing', _CLOSINGS)} {answer}."])

    def talk(self, conversation: str, temperature: float, draws: Draws) -> str:
        """Say something where nothing is asked that has an answer."""
        if self._slide is not None:
            return self._slide.text(conversation, temperature, draws)
        return " ".join(draws.pick(f"remark {i}", _REMARKS) for i in range(2 + int(draws.uniform("length") * 4)))

    def hardness(self, question: Question) -> float:
        """Return the chance of a wrong answer, at temperature 1."""
        return 1 - self._chances(question, 2)[0]

    def _chances(self, question: Question, count: int) -> list[float]:
        right = self._options.accuracy
        if right is None:
            right = Draws(self._seed, "chance", question.text).source("right").betavariate(*self._options.beta)
        common = (1 - right) * (self._options.common_wrong if count > 2 else 1)
        rarer = (1 - right - common) / max(count - 2, 1)
        return [right, common] + [rarer] * (count - 2)

    def _wrong_answers(self, question: Question) -> list[str]:
        """Return the plausible wrong answers, in an order of this question's own: the first is the common one."""
        value = arithmetic.read(question.gold)
        wrong = arithmetic.near_misses(value) if value is not None else self._other_golds(question)
        return sorted(wrong, key=Draws(self._seed, "wrong", question.text).uniform)

    def _other_golds(self, question: Question) -> list[str]:
        golds = self._known.golds
        start = int(Draws(self._seed, "other", question.text).uniform("start") * len(golds))
        near = (golds[(start + i) % len(golds)] for i in range(min(8, len(golds))))
        return [gold for gold in near if gold != question.gold] or [f"not {question.gold}"]
