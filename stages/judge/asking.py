"""One question to one model, with a few options to choose from: the request, and the reading of the reply."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson

from stages.core.base import Stage, each
from stages.core.chance import sampling_seed
from stages.core.record import Group
from stages.llm.asking import ask_readable
from stages.llm.protocol import Call, Model
from stages.llm.reading import Reading, Worth, read

T = TypeVar("T")
R = TypeVar("R")

MOST_LOGPROBS = 20
"""As many alternatives to a token as servers give."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: a prompt that wants a JSON object with `keys`, the value of each being one of `options`.

    `named`: the principles of which the reply names one; `logprobs`: ask for log-probabilities where there are any;
    `keep`: it may be asked again in a later wave.
    """

    purpose: str
    prompt: str
    keys: tuple[str, ...]
    options: Sequence[int | str]
    worth: Worth
    named: Sequence[str] = ()
    logprobs: bool = False
    keep: bool = False

    @property
    def again(self) -> str:
        ends = (self.options[0], self.options[-1])
        shown = " or ".join(orjson.dumps(dict.fromkeys(self.keys, end)).decode() for end in ends)
        return f"That could not be read. Reply with the JSON object only, such as {shown}."

    @property
    def reply_format(self) -> dict[str, Any]:
        """The reply's JSON schema: flat, so that small models can keep to it, and a name before what it explains."""
        value: dict[str, Any] = {"type": "boolean"}
        if not isinstance(self.options[0], bool):
            value = {"type": "string" if isinstance(self.options[0], str) else "integer", "enum": list(self.options)}
        fields: dict[str, Any] = {"principle": {"type": "string", "enum": list(self.named)}} if self.named else {}
        fields |= dict.fromkeys(self.keys, value)
        schema = {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}
        return {"type": "json_schema", "json_schema": {"name": "judgement", "strict": True, "schema": schema}}


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks for a stage. `max_tokens` None: the server's own."""

    stage: Stage
    run_seed: int
    temperature: float = 0.0
    max_tokens: int | None = 1024

    async def ask(self, model: Model, group: Group, question: Question, sample: int, part: str = "") -> Reading:
        """Return what the model said; `sample` and `part` tell the calls of one purpose apart.

        Raises CandidateError("unreadable") where neither the reply nor a second one can be read.
        """
        body: dict[str, Any] = {"messages": [{"role": "user", "content": question.prompt}]}
        body["temperature"] = self.temperature
        if self.max_tokens is not None:
            body["max_tokens"] = self.max_tokens
        if model.structured:
            body["response_format"] = question.reply_format
        if question.logprobs and model.logprobs:
            body |= {"logprobs": True, "top_logprobs": min(len(question.options), MOST_LOGPROBS)}
        if self.temperature and model.sends_seed:
            body["seed"] = sampling_seed(self.run_seed, self.stage.name, group.seed.id, sample, part)
        call = Call(self.stage.name, self.stage.depth, question.purpose, group, body, sample, part, keep=question.keep)
        return await ask_readable(model, call, lambda said: read(said, question.keys, question.worth), question.again)


async def collect(work: Callable[[T], Coroutine[Any, Any, R]], items: Iterable[T]) -> list[R]:
    """Return the results of `work` on every item, in order, done concurrently; the first error ends them all."""
    items = list(items)
    results: dict[int, R] = {}

    async def one(at: int) -> None:
        results[at] = await work(items[at])

    await each(one, range(len(items)))
    return [results[at] for at in range(len(items))]
