"""`check: regex`: the pattern is found in the response. The pattern is the person's, the text a model's."""

from __future__ import annotations

import asyncio

import regex

from stages.core.errors import CandidateError, InputError
from stages.core.record import Candidate, Verdict
from stages.verify.check import Check

_QUICK_S = 0.005
_LIMIT_S = 2.0


class Pattern(Check):
    """Searches with a hard time-out. What takes long goes on in a thread, beside the loop, with the GIL released."""

    def __init__(self, pattern: str, limit_s: float = _LIMIT_S) -> None:
        self._limit_s = limit_s
        try:
            self._pattern = regex.compile(pattern)
        except regex.error as error:
            raise InputError(f"`pattern` {pattern!r} is not a regular expression: {error}") from None

    async def judge(self, candidate: Candidate, reference: str) -> Verdict:
        try:
            found = await self._search(candidate.text)
        except TimeoutError:
            words = f"`pattern` took longer than {self._limit_s:g} s on this text"
            raise CandidateError("timeout", words) from None
        if found is None:
            return Verdict(False, reason="no_match", detail=f"{self._pattern.pattern} is not in the text")
        return Verdict(True)

    async def _search(self, text: str) -> object:
        try:
            return self._pattern.search(text, timeout=_QUICK_S)
        except TimeoutError:
            return await asyncio.to_thread(self._pattern.search, text, concurrent=True, timeout=self._limit_s)
