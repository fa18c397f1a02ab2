"""What the simulated model says to a request: a worked answer, a filled schema, or a little prose.

A function of the seed and the request alone, and of the number of the choice where several are asked for.
"""

from __future__ import annotations

import orjson

from service.simulator.asked import Asked
from service.simulator.draws import Draws
from service.simulator.judge import Judge
from service.simulator.schema import Filling, Schema, from_example
from service.simulator.world import Question, World

_REMARKS = (
    "That is an interesting request, and there is more than one good way to look at it.",
    "The main point can be said in a few words, and the rest follows from it.",
    "It helps to begin with what is known, and to add one thing at a time.",
    "A short example makes this plain, and a longer one would not add much.",
    "There are exceptions to this, but they are rare enough to be left aside here.",
    "What matters most is that each part can be checked by the person who reads it.",
    "Seen from the other side, the same facts would support a more careful claim.",
    "In practice people settle on whatever is simplest and still does the work.",
)


class Speaker:
    """Says something to every request: as a judge where a verdict is asked for, else as whoever is asked."""

    def __init__(self, world: World, judge: Judge) -> None:
        self._world, self._judge = world, judge

    def say(self, asked: Asked, draws: Draws) -> str:
        """Return the text of one choice, uncut."""
        text, questions = self._read(asked)
        wanted = asked.schema or from_example(asked.prompt)
        if wanted:
            return self._fill(wanted, asked, text, questions, draws)
        return self._answer(asked, questions, draws)

    def _read(self, asked: Asked) -> tuple[str, list[Question]]:
        """Return the text that holds the questions, and them: the last user message, or all messages together."""
        for text in (asked.prompt, asked.conversation):
            if questions := list(self._world.questions(text)):
                return text, questions
        return asked.prompt, []

    def _answer(self, asked: Asked, questions: list[Question], draws: Draws) -> str:
        """Answer the last question: examples stand before it. Without one, make conversation."""
        if not questions:
            return " ".join(draws.pick(f"remark {i}", _REMARKS) for i in range(2 + int(draws.uniform("length") * 4)))
        answer = self._world.answer(questions[-1], asked.temperature, draws)
        return self._world.solution(questions[-1], answer, draws)

    def _fill(self, wanted: Schema, asked: Asked, text: str, questions: list[Question], draws: Draws) -> str:
        def answer(own: Draws) -> str:
            if not questions:
                return self._answer(asked, [], own)
            return self._world.answer(questions[-1], asked.temperature, own)

        verdict = self._judge.verdict(text, questions, draws)
        return orjson.dumps(Filling(verdict, answer, draws, wanted).fill(wanted)).decode()
