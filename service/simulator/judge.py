"""The simulated judge: it knows whether the response it is shown is right, and errs as often as it is told to.

It looks at the final answer only. A response without one is wrong; where the prompt holds no question that it knows,
it judges as if the response were right. Responses are what stands in tags such as `<response>` or `<response_a>`, the
question the last one before them; in a prompt without such tags the first question is meant, and all that follows it
is the response. Each response also has a quality of its own, which tells right ones apart, and wrong ones.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from service.simulator import arithmetic
from service.simulator.draws import Draws
from service.simulator.options import Options
from service.simulator.questions import Question

_CUE = r"(?:\banswer(?:\s+is\s*:?|\s*[:=])|####|\\boxed\{|(?-i:\bA:)|=)"
_FINAL_NUMBER = re.compile(rf"{_CUE}[\s*$€£`(]{{0,4}}(-?\s?[$€£]?{arithmetic.NUMBER})", re.IGNORECASE)
_FINAL_TEXT = re.compile(rf"{_CUE}[\s*`\"']*([^\n]+)", re.IGNORECASE)
_TAGGED = re.compile(r"<((?:response|answer|candidate|first|second)[\w-]*)(?:\s[^>]*)?>(.*?)</\1>", re.DOTALL)
_CONFIDENT = re.compile(
    r"\b(?:certain|certainly|clearly|confident|definitely|doubt|guarantee|obviously|sure|undoubtedly|verified)\b", re.I
)
_LONG = 500  # characters


@dataclass(frozen=True, slots=True)
class Opinion:
    """What the judge makes of a response (does it pass) or of two (which is preferred, do they answer alike)."""

    passes: bool
    prefers_first: bool
    same: bool
    merit: float
    draws: Draws

    def mark(self, about: str, good: bool) -> float:
        """Return a mark in [0, 1) for one thing: in the upper two fifths where it is good, else in the lower two."""
        return 0.6 * good + 0.4 * (self.merit + self.draws.uniform(about)) / 2


class Judge:
    """Forms opinions of a set sensitivity, specificity, position bias and weakness for canaries."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def opinion(self, prompt: str, questions: Sequence[Question], draws: Draws) -> Opinion:
        """Judge the responses in a prompt; `questions` are all those that the prompt holds."""
        question, responses = _shown(prompt, questions)
        marks = [self._judge(question, text, draws.under(f"shown {i}")) for i, text in enumerate(responses)]
        passes, merit = marks[0]
        prefers_first = draws.chance("position", self._options.position_bias) or marks[0] >= marks[-1]
        same = self._says(len({_number(text) or _words(text) for text in responses}) == 1, draws)
        return Opinion(passes, prefers_first, same, merit, draws)

    def _judge(self, question: Question | None, response: str, draws: Draws) -> tuple[bool, float]:
        """Return whether a response passes, and how it stands among those of which the same is true."""
        merit = (Draws(self._options.seed, "quality").uniform(response) + draws.uniform("merit")) / 2
        right = question is None or is_right(response, question.gold)
        taken_in = not right and _is_canary(response) and draws.chance("canary", self._options.canary_weakness)
        return taken_in or self._says(right, draws), merit

    def _says(self, truth: bool, draws: Draws) -> bool:
        if truth:
            return draws.chance("yes", self._options.sensitivity)
        return not draws.chance("no", self._options.specificity)


def _shown(prompt: str, questions: Sequence[Question]) -> tuple[Question | None, list[str]]:
    """Return the question that a judge prompt is about, and the responses to it: one or more."""
    if tagged := list(_TAGGED.finditer(prompt)):
        before = [question for question in questions if question.end <= tagged[0].start()]
        return (before[-1] if before else None), [found[2] for found in tagged]
    return (questions[0], [prompt[questions[0].end :]]) if questions else (None, [""])


def _is_canary(response: str) -> bool:
    """Tell whether a response is such as weak judges fall for: no answer at all, a long one, or a confident one."""
    return len(response) > _LONG or bool(_CONFIDENT.search(response)) or not re.search(r"\d", response)


def is_right(response: str, gold: str) -> bool:
    """Compare the last final answer that a text states with the true one."""
    if arithmetic.read(gold) is not None:
        return _number(response) == arithmetic.read(gold)
    return bool(_words(response)) and _words(response).startswith(gold.casefold())


def _number(response: str) -> Fraction | None:
    found = _FINAL_NUMBER.findall(response)
    return arithmetic.read(found[-1]) if found else None


def _words(response: str) -> str:
    found = _FINAL_TEXT.findall(response)
    return found[-1].casefold() if found else ""
