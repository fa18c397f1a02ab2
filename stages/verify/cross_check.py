"""The cross_check stage: a candidate passes where independent methods agree with its answer.

`sees: question`: a model solves the task again without seeing any response, `samples` times, and so may a program of
the person's own; the answers are drawn once per seed, and every candidate's is compared with them. `sees: response`:
they check the response itself. Each draw, and the program, has one voice; a voice that could not be heard is neither
for nor against, and where it could have decided, the verdict is not known.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import replace
from functools import partial
from typing import Generic, NamedTuple, TypeVar

from config.schema import CrossCheck
from stages.core.base import Place, Stage, collect
from stages.core.errors import CandidateError
from stages.core.record import Candidate, Group, Verdict
from stages.core.task import task_text
from stages.llm.asking import Asker, Question, ask_readable
from stages.llm.protocol import Choice, Model
from stages.prompts.builtin import builtin
from stages.prompts.template import Template
from stages.verify.answers import answers
from stages.verify.check import shown
from stages.verify.plugin import Function, understood

T = TypeVar("T")

_AGAIN = 'Give the final answer only, in one line that begins with "The answer is".'


class Voice(NamedTuple, Generic[T]):
    """What one draw of the `model`, or the `program`, said (None: it could not be heard), and its words."""

    method: str
    said: T | None
    words: str


class _CrossCheck(Stage, ABC, Generic[T]):
    """What both ways to look share; `T` is what a voice says."""

    def __init__(self, place: Place, config: CrossCheck, model: Model | None, run_seed: int) -> None:
        super().__init__(place)
        self._config, self._model = config, model
        self._asker = Asker(self, run_seed, config.temperature, config.max_tokens)
        self._prompt = Template(config.prompt or builtin(f"cross_check_{config.sees}"))
        self._function = None if config.function is None else Function(config.function, config.timeout_s)
        self.tools = () if self._function is None else (self._function,)

    @abstractmethod
    async def _draw(self, model: Model, group: Group, candidate: Candidate, sample: int) -> tuple[T, str]:
        """Return what the model says, and its words. Raises CandidateError where it could not be heard."""

    @abstractmethod
    async def _run(self, function: Function, group: Group, candidate: Candidate) -> tuple[T, str]:
        """Return what the program says, and its words. Raises CandidateError where it could not be heard."""

    async def _hear(self, group: Group, candidate: Candidate) -> list[Voice[T]]:
        """Ask the model as often as it shall be asked, and run the program, all at once."""
        methods: list[tuple[str, Callable[[], Awaitable[tuple[T, str]]]]] = []
        if self._model is not None:
            draw = partial(self._draw, self._model, group, candidate)
            methods += [("model", partial(draw, sample)) for sample in range(self._config.samples)]
        if self._function is not None:
            methods.append(("program", partial(self._run, self._function, group, candidate)))

        async def heard(method: tuple[str, Callable[[], Awaitable[tuple[T, str]]]]) -> Voice[T]:
            name, hear = method
            try:
                return Voice(name, *await hear())
            except CandidateError as error:
                return Voice(name, None, error.detail)

        return await collect(heard, methods)

    def _count(self, votes: Sequence[Voice[bool]], found: str = "") -> Verdict:
        """Return the verdict of these votes on a candidate whose answer is `found`."""
        agree, unheard = (sum(vote.said is said for vote in votes) for said in (True, None))
        methods: dict[str, list[bool | None]] = {}
        for vote in votes:
            methods.setdefault(vote.method, []).append(vote.said)
        verdict = Verdict(True, agree / len(votes), data={"methods": methods})
        needed = self._config.min_agree
        if agree < needed:
            others = "; ".join(dict.fromkeys(vote.words for vote in votes if not vote.said and vote.words))
            verdict.passed, verdict.reason = (None, "undecided") if agree + unheard >= needed else (False, "disagrees")
            verdict.detail = f"{found}{agree} of {len(votes)} agree, {needed} must: {others}"
        return verdict


class SolveAgainStage(_CrossCheck[Hashable]):
    """Compares each candidate's answer with answers that were found without seeing it.

    A prompt of the person's own sees the columns and `task`; a function is called with the row, and returns its answer.
    """

    def __init__(self, place: Place, config: CrossCheck, model: Model | None, run_seed: int) -> None:
        super().__init__(place, config, model, run_seed)
        self._answers = answers(config.extract)
        self.tools = (*self.tools, self._answers)

    async def process(self, group: Group) -> None:
        candidates = self.chosen(group)
        found = [self._answers.find(candidate.text) for candidate in candidates]
        if any(answer is not None for answer in found):
            # the first candidate's task, in later waves too: the same request is not sent twice
            voices = await self._hear(group, group.candidates[0])
        for candidate, answer in zip(candidates, found, strict=True):
            if answer is None:
                verdict = Verdict(False, reason="no_answer", detail="found no answer")
            else:
                votes = [await self._vote(answer, voice) for voice in voices]
                verdict = self._count(votes, f"found {shown(answer)}; ")
            self.judge(group, candidate, verdict)

    async def _draw(self, model: Model, group: Group, candidate: Candidate, sample: int) -> tuple[Hashable, str]:
        prompt = self._prompt.render(group.scope() | {"task": task_text(group, candidate)})
        call = replace(self._asker.call(model, group, "solve", prompt, sample), keep=True)
        answer = await ask_readable(model, call, self._read, _AGAIN)
        return answer, f"the model found {shown(answer)}"

    def _read(self, choice: Choice) -> Hashable | None:
        return None if choice.truncated else self._answers.find(choice.text)

    async def _run(self, function: Function, group: Group, candidate: Candidate) -> tuple[Hashable, str]:
        returned = await function.call(group.seed.row)
        plain = isinstance(returned, str | int | float) and not isinstance(returned, bool)
        answer = self._answers.find(str(returned)) if plain else None
        if answer is None:
            raise CandidateError("plugin_error", f"the function returned {shown(repr(returned))}, which is no answer")
        return answer, f"the program found {shown(answer)}"

    async def _vote(self, answer: Hashable, voice: Voice[Hashable]) -> Voice[bool]:
        agrees = None if voice.said is None else answer == voice.said or await self._answers.same(answer, voice.said)
        return Voice(voice.method, agrees, voice.words)


class RecheckStage(_CrossCheck[bool]):
    """Has each response checked, step by step.

    A prompt of the person's own sees the columns, `response` and `task`, and must ask for `pass`; a function is called
    as that of `check: plugin`.
    """

    async def process(self, group: Group) -> None:
        await self.judge_each(group, self._verdict)

    async def _verdict(self, group: Group, candidate: Candidate) -> Verdict:
        return self._count(await self._hear(group, candidate))

    async def _draw(self, model: Model, group: Group, candidate: Candidate, sample: int) -> tuple[bool, str]:
        prompt = self._prompt.render(group.scope(candidate) | {"task": task_text(group, candidate)})
        question = Question("recheck", prompt, ("pass",), texts=("work", "reason"))
        reading = await self._asker.ask(model, group, question, candidate.n, f"draw {sample}")
        return reading.values["pass"] > 0.5, str(reading.said.get("reason", ""))

    async def _run(self, function: Function, group: Group, candidate: Candidate) -> tuple[bool, str]:
        verdict, _ = understood(await function.call(candidate.text, group.seed.row, candidate.fields))
        return bool(verdict.passed), verdict.detail
