"""A Model that answers from a script, for tests of whatever asks models."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from stages.llm.protocol import Call, Choice, Reply

Answer = str | Choice | Reply | Exception
"""What a script gives: the text of one choice, a choice, a whole reply, or an error to raise."""


class ScriptedModel:
    """Answers calls in their order from a list, or each by a function of the call; `calls` keeps what was asked."""

    def __init__(
        self,
        script: Callable[[Call], Answer] | Iterable[Answer],
        alias: str = "scripted",
        *,
        name: str = "scripted-model",
        sends_seed: bool = True,
        structured: bool = True,
        logprobs: bool = False,
    ) -> None:
        self.alias, self.name, self.sends_seed = alias, name, sends_seed
        self.structured, self.logprobs = structured, logprobs
        self.calls: list[Call] = []
        if callable(script):
            self._answer = script
        else:
            answers = iter(script)
            self._answer = lambda _call: next(answers)

    def committed(self, call: Call) -> bool:
        """Return False: a script answers every call anew."""
        return False

    async def ask(self, call: Call) -> Reply:
        """Return the script's answer, or raise it. A script that has run out raises LookupError."""
        self.calls.append(call)
        try:
            answer = self._answer(call)
        except StopIteration:
            raise LookupError(f"the script has no answer for call {len(self.calls)}: {call.purpose}") from None
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Reply):
            return answer
        return Reply((answer if isinstance(answer, Choice) else Choice(answer),), model=self.name)
