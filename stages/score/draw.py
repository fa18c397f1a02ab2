"""An own draw: the model that is to be trained answers a seed, and each answer is checked as the candidates were.

What its data is worth to a model depends on that model's own pass rate, at temperature 1, and not on its teacher's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from config.schema import Difficulty
from stages.core.base import Place, collect
from stages.core.errors import CandidateError
from stages.core.record import Candidate, Group, Message, Verdict
from stages.llm.asking import Asker
from stages.llm.protocol import Model
from stages.prompts.template import Template

Check = Callable[[Group, Candidate], Awaitable[Verdict]]
"""Judges a text as a stage does, and changes nothing in the group."""


class Draw:
    """Asks `model` for `samples` answers to a seed, by the prompt that its candidates were made with or by an own one.

    The answers are counted and not kept; their replies are in the ledger as all others.
    """

    def __init__(self, place: Place, config: Difficulty, model: Model, check: Check, run_seed: int) -> None:
        self._asker = Asker(place, run_seed, config.temperature, config.max_tokens)
        self._model, self._check = model, check
        self._samples = range(config.samples or 0)
        self._prompt = None if config.prompt is None else Template(config.prompt)

    async def outcomes(self, group: Group) -> list[bool | None]:
        """Return whether each answer is right; None where there is none, or where it cannot be told."""
        try:
            messages = self._messages(group)
        except CandidateError:
            return []

        async def one(sample: int) -> bool | None:
            call = self._asker.call(self._model, group, "draw", "", sample)
            body = {**call.body, "messages": messages}
            if group.seed.tools:
                body["tools"] = group.seed.tools
            try:
                said = (await self._model.ask(replace(call, body=body))).first
                drawn = Candidate(-1 - sample, said.text, reasoning=said.reasoning, prompt=messages)
                return (await self._check(group, drawn)).passed
            except CandidateError:
                return None

        return await collect(one, self._samples)

    def _messages(self, group: Group) -> list[Message]:
        seed = group.seed
        if self._prompt is not None:
            turn = {"role": "user", "content": self._prompt.render(group.scope())}
            return [*(seed.messages or ()), turn]
        sent = [one for one in group.candidates if one.prompt]
        first = min(sent, key=lambda one: (one.lineage.get("steering", 0), one.lineage.get("prompt", 0)), default=None)
        messages = first.prompt if first else seed.messages
        if not messages:
            raise CandidateError("no_prompt", "no candidate was made by a prompt, and the seed has no messages")
        return messages
