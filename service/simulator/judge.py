"""The simulated judge: it knows whether the response it is shown is right, and errs as often as it is told to.

It looks at the final answer only. A response without one is wrong; where the prompt holds no question that it knows,
it judges as if the response were right. The response is what stands in `<response>` tags, the question the last one
before them; in a prompt without such tags the first question is meant, and all that follows it is the response.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from service.simulator import figures
from service.simulator.draws import Draws
from service.simulator.options import JudgeSkill
from service.simulator.world import Question

_CUE = r"(?:\banswer(?:\s+is\s*:?|\s*[:=])|####|\\boxed\{|(?-i:\bA:)|=)"
_FINAL_NUMBER = re.compile(rf"{_CUE}[\s*$€£`(]{{0,4}}(-?\s?[$€£]?{figures.NUMBER})", re.IGNORECASE)
_TAGGED = re.compile(r"<(response|answer|candidate)>(.*?)</\1>", re.DOTALL)
_FINAL_TEXT = re.compile(rf"{_CUE}[\s*`\"']*([^\n]+)", re.IGNORECASE)


class Judge:
    """Gives verdicts of a set sensitivity and specificity."""

    def __init__(self, skill: JudgeSkill) -> None:
        self._skill = skill

    def verdict(self, prompt: str, questions: Sequence[Question], draws: Draws) -> bool:
        """Return whether the response in a prompt passes; `questions` are all those that the prompt holds."""
        question, response = _shown(prompt, questions)
        if question is None or is_right(response, question.gold):
            return draws.chance("verdict", self._skill.sensitivity)
        return not draws.chance("verdict", self._skill.specificity)


def _shown(prompt: str, questions: Sequence[Question]) -> tuple[Question | None, str]:
    """Return the question that a judge prompt is about, and the response to it."""
    if tagged := _TAGGED.search(prompt):
        before = [question for question in questions if question.end <= tagged.start()]
        return (before[-1] if before else None), tagged[2]
    return (questions[0], prompt[questions[0].end :]) if questions else (None, "")


def is_right(response: str, gold: str) -> bool:
    """Compare the last final answer that a text states with the true one."""
    value = figures.read(gold)
    if value is not None:
        stated = _FINAL_NUMBER.findall(response)
        return bool(stated) and figures.read(stated[-1]) == value
    said = _FINAL_TEXT.findall(response)
    return bool(said) and said[-1].casefold().startswith(gold.casefold())
