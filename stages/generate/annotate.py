"""The annotate stage: a model adds a column to each seed, for templates, expressions and coverage to see.

A label is never guessed. Where two replies could not be read, or the request failed, the column holds null, the seed
goes on, and the failure is counted by its reason.
"""

from __future__ import annotations

import re

import orjson

from config.schema import Annotate
from stages.core.base import Place, Stage
from stages.core.errors import CandidateError
from stages.core.record import Group
from stages.llm.asking import Asker, Question, ask_readable
from stages.llm.protocol import Choice, Model
from stages.llm.reading import read
from stages.prompts.builtin import builtin
from stages.prompts.template import Template


class AnnotateStage(Stage):
    """Asks once for every seed that `where` lets in; the others get null, unless they have the column."""

    on_seeds = True

    def __init__(self, place: Place, config: Annotate, model: Model, run_seed: int) -> None:
        super().__init__(place)
        self._column, self._choices, self._model = config.as_, config.choices, model
        self._prompt, self._frame = Template(config.prompt), Template(builtin("annotate"))
        self._asker = Asker(self, run_seed, config.temperature, config.max_tokens)
        longest_first = sorted(config.choices, key=len, reverse=True)
        self._mention = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)", re.IGNORECASE)

    async def process(self, group: Group) -> None:
        row = group.seed.row
        if not self.takes(group):
            row.setdefault(self._column, None)
            return
        try:
            row[self._column] = await (self._label(group) if self._choices else self._text(group))
        except CandidateError as error:
            row[self._column] = None
            self._tell("failed", error.reason)
        else:
            self._tell("passed")
        if self._column == "topic":
            group.seed.topic = row["topic"] or ""

    async def _text(self, group: Group) -> str:
        call = self._asker.call(self._model, group, "annotate", self._prompt.render(group.scope()), 0)
        again = "There was no whole answer. Reply with the answer only, and keep it short."
        return await ask_readable(self._model, call, _whole, again)

    async def _label(self, group: Group) -> str:
        choices = " or ".join(orjson.dumps({self._column: choice}).decode() for choice in self._choices)
        shown = {"prompt": self._prompt.render(group.scope()), "choices": choices}
        question = Question("annotate", self._frame.render(shown), (self._column,), self._choices, self._worth)
        call = self._asker.call(self._model, group, question.purpose, question.prompt, 0)
        return await ask_readable(self._model, call, self._read, question.again, question.reply_format)

    def _read(self, said: Choice) -> str | None:
        """Return the choice in a JSON object, else the only one that a reply mentions."""
        said = said._replace(logprobs=None)  # with them a value is a mean, and the mean of two places is no choice
        found = read(said, (self._column,), self._worth)
        if found is not None:
            return self._choices[int(found.values[self._column])]
        said_of = {mention.casefold() for mention in self._mention.findall(said.text)}
        mentioned = [choice for choice in self._choices if choice.casefold() in said_of]
        return mentioned[0] if len(mentioned) == 1 else None

    def _worth(self, value: object) -> float | None:
        """Return the place of a choice, whatever its case."""
        said = value.strip().casefold() if isinstance(value, str) else None
        return next((float(place) for place, one in enumerate(self._choices) if one.casefold() == said), None)


def _whole(said: Choice) -> str | None:
    return None if said.truncated else said.text.strip() or None
