"""The gates of a transform: what must be true of the new text beside the old one. The first that fails says why.

| gate | reasons |
|---|---|
| max_length_ratio, min_length_ratio | too_long, too_short |
| keeps | numbers_lost, names_lost |
| language | other_language |
| same_answer | answer_lost, answer_changed; no_answer where the old text has none that could be kept |
| grounded, schema | those of `verify`: ungrounded; invalid_json, schema |
| equivalent | not_equivalent |

What cannot be told does not pass. Models are asked last, and only of what has passed everything else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from config.transforming import Gate
from stages.core.answers import Answers
from stages.core.base import Equipped, Tool
from stages.core.facts import missing_names, missing_numbers
from stages.core.record import Candidate, Group, Verdict
from stages.llm.asking import Asker, Question
from stages.llm.protocol import Model
from stages.prompts.builtin import builtin
from stages.prompts.template import Template
from stages.transform import language


class Check(Tool, Protocol):
    """A check by program of a text against a reference, as `verify` has them."""

    async def judge(self, candidate: Candidate, reference: str) -> Verdict: ...


class Gates(Equipped):
    """All gates of one stage.

    `answers`, `checks` and `judge` are lent by other rooms, each where a gate needs it. The old text is the checks'
    reference.
    """

    def __init__(
        self,
        config: Gate,
        asker: Asker,
        answers: Answers | None = None,
        checks: Sequence[Check] = (),
        judge: Model | None = None,
    ) -> None:
        self._config, self._asker, self._answers, self._checks, self._judge = config, asker, answers, checks, judge
        self._prompt = Template(builtin("same_meaning"))
        self.tools = checks if answers is None else (*checks, answers)

    async def start(self) -> None:
        await super().start()
        if self._config.language is not None:
            await asyncio.to_thread(language.load)

    async def failure(self, group: Group, before: str, after: Candidate) -> Verdict | None:
        """Return the verdict of the first gate that the text of `after` fails; None where it passes them all.

        Raises CandidateError where the model that is asked for equivalence cannot be heard.
        """
        for gate in (self._length, self._kept, self._language):
            if failed := gate(before, after.text):
                return failed
        if failed := await self._answer(before, after.text):
            return failed
        for check in self._checks:
            verdict = await check.judge(after, before)
            if not verdict.passed:
                return _failed(verdict.reason, verdict.detail)
        return await self._meaning(group, before, after)

    def _length(self, before: str, after: str) -> Verdict | None:
        ratio = len(after) / max(len(before), 1)
        most, least = self._config.max_length_ratio, self._config.min_length_ratio
        if most is not None and ratio > most:
            return _failed("too_long", f"{ratio:.2f} times as long, at most {most:g}")
        if least is not None and ratio < least:
            return _failed("too_short", f"{ratio:.2f} times as long, at least {least:g}")
        return None

    def _kept(self, before: str, after: str) -> Verdict | None:
        for what in self._config.keeps:
            if lost := _MISSING[what](before, after):
                return _failed(f"{what}_lost", f"not in it any more: {', '.join(lost):.200}")
        return None

    def _language(self, before: str, after: str) -> Verdict | None:
        if self._config.language is None or (found := language.other_language(before, after)) is None:
            return None
        return _failed("other_language", f'it is in "{found}" now')

    async def _answer(self, before: str, after: str) -> Verdict | None:
        answers = self._answers
        if answers is None:
            return None
        old, new = answers.find(before), answers.find(after)
        if old is None:
            return _failed("no_answer", "found no answer in the old text, so none can be kept")
        if new is None:
            return _failed("answer_lost", f"found no answer, {old!s:.80} before")
        if old != new and not await answers.same(old, new):
            return _failed("answer_changed", f"found {new!s:.80}, {old!s:.80} before")
        return None

    async def _meaning(self, group: Group, before: str, after: Candidate) -> Verdict | None:
        if self._judge is None:
            return None
        prompt = self._prompt.render({"first": before, "second": after.text})
        question = Question("same meaning", prompt, ("same",), texts=("reason",))
        reading = await self._asker.ask(self._judge, group, question, after.n)
        if reading.values["same"] > 0.5:
            return None
        return _failed(
            "not_equivalent", str(reading.said.get("reason", "")) or "the judge says it means something else"
        )


def _failed(reason: str, detail: str) -> Verdict:
    return Verdict(False, reason=reason, detail=detail)


_MISSING: dict[str, Callable[[str, str], list[str]]] = {"numbers": missing_numbers, "names": missing_names}
