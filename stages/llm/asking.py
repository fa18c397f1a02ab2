"""Asking so that the reply can be read: once, and where it cannot, once more with a word about what was wanted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import orjson

from stages.core.base import Place, Stage
from stages.core.chance import sampling_seed
from stages.core.errors import CandidateError
from stages.core.record import Group
from stages.llm.formats import reply_format
from stages.llm.protocol import Call, Choice, Model
from stages.llm.reading import Reading, Worth, read, truth

T = TypeVar("T")

MOST_LOGPROBS = 20
"""As many alternatives to a token as servers give."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: a prompt that wants a JSON object with `keys`, the value of each being one of `options`.

    Left out, they are yes and no. `worth` is what reads them.

    Before them come `texts`, keys that the model writes freely, and one of the principles `named`, where there are any.
    `logprobs`: ask for log-probabilities where there are any; `keep`: it may be asked again in a later wave.
    """

    purpose: str
    prompt: str
    keys: tuple[str, ...]
    options: Sequence[int | str] = (True, False)
    worth: Worth = truth
    named: Sequence[str] = ()
    logprobs: bool = False
    keep: bool = False
    texts: Sequence[str] = ()

    @property
    def again(self) -> str:
        ends = (self.options[0], self.options[-1])
        shown = " or ".join(orjson.dumps(dict.fromkeys(self.keys, end)).decode() for end in ends)
        return f"That could not be read. Reply with the JSON object only, such as {shown}."

    @property
    def reply_format(self) -> dict[str, Any]:
        """The reply's JSON schema: flat, so that small models can keep to it, and what explains it comes first."""
        value: dict[str, Any] = {"type": "boolean"}
        if not isinstance(self.options[0], bool):
            value = {"type": "string" if isinstance(self.options[0], str) else "integer", "enum": list(self.options)}
        fields: dict[str, Any] = {text: {"type": "string"} for text in self.texts}
        if self.named:
            fields["principle"] = {"type": "string", "enum": list(self.named)}
        fields |= dict.fromkeys(self.keys, value)
        return reply_format("judgement", fields)


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks for a stage. `max_tokens` None: the server's own."""

    stage: Stage | Place
    run_seed: int
    temperature: float = 0.0
    max_tokens: int | None = 1024

    async def ask(self, model: Model, group: Group, question: Question, sample: int, part: str = "") -> Reading:
        """Return what the model said; `sample` and `part` tell the calls of one purpose apart.

        Raises CandidateError("unreadable") where neither the reply nor a second one can be read.
        """
        call = self.call(model, group, question.purpose, question.prompt, sample, part)
        call.keep = question.keep
        if question.logprobs and model.logprobs:
            call.body |= {"logprobs": True, "top_logprobs": min(max(len(question.options), 5), MOST_LOGPROBS)}
        reading = partial(read, keys=question.keys, worth=question.worth)
        return await ask_readable(model, call, reading, question.again, question.reply_format)

    def call(self, model: Model, group: Group, purpose: str, prompt: str, sample: int, part: str = "") -> Call:
        """Return the request for a reply of any form."""
        body: dict[str, Any] = {"messages": [{"role": "user", "content": prompt}], "temperature": self.temperature}
        if self.max_tokens is not None:
            body["max_tokens"] = self.max_tokens
        if self.temperature and model.sends_seed:
            body["seed"] = sampling_seed(self.run_seed, self.stage.name, group.seed.id, sample, part)
        return Call(self.stage.name, self.stage.depth, purpose, group, body, sample, part)


async def ask_readable(
    model: Model, call: Call, read: Callable[[Choice], T | None], again: str, form: dict[str, Any] | None = None
) -> T:
    """Return what `read` makes of the reply, or of a second one: what was said, then `again` as the user's turn.

    `form` is the reply's JSON schema as in formats.py, for servers that take one.
    Raises CandidateError("unreadable") where neither could be read: that is never a low score, and no wrong answer.
    """
    if form is not None and model.structured:
        call.body["response_format"] = form
    said = (await model.ask(call)).first
    found = read(said)
    if found is None:
        turns = ({"role": "assistant", "content": said.text or "..."}, {"role": "user", "content": again})
        body = {**call.body, "messages": [*call.body["messages"], *turns]}
        said = (await model.ask(replace(call, body=body, part=f"{call.part} reask".strip()))).first
        found = read(said)
    if found is None:
        raise CandidateError("unreadable", f'asked twice, {model.alias} last said "{said.text:.200}"')
    return found
