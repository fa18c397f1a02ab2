"""`check: python`: the code in a response passes the seed's tests, run in a sandbox."""

from __future__ import annotations

import re

from stages.core.record import Candidate, Verdict
from stages.verify.check import Check, bad_reference
from stages.verify.sandbox.sandbox import Sandbox

_PYTHON = ("", "py", "python", "python3")
_DEFINES = re.compile(r"^(?:async def|def|class|import|from|@\w)", re.MULTILINE)
_FENCE = re.compile(r"^```[ \t]*(\w*)[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)


class PythonTests(Check):
    """Runs each candidate's code against the tests. `start` proves the sandbox, or refuses with InputError."""

    def __init__(self) -> None:
        self._sandbox = Sandbox()
        self.tools = (self._sandbox,)

    async def judge(self, candidate: Candidate, reference: str) -> Verdict:
        if not reference.strip():
            raise bad_reference("the tests are empty")
        return await self._sandbox.run(code_of(candidate.text), reference)


def tests_source(tests: str, entry_point: str | None) -> str:
    """Return the template of the tests: HumanEval's kind define a `check`, for the entry point to go through."""
    return f"{tests}\n\nif 'check' in globals():\n    check({entry_point})\n" if entry_point else tests


def code_of(text: str) -> str:
    """Return the code of a response: the fenced blocks that define or import something, else the last, else all of it.

    Examples of use, and what they print, stand in blocks of their own as a rule.
    """
    text = text.rpartition("</think>")[2]
    blocks = [block for language, block in _FENCE.findall(text) if language.lower() in _PYTHON]
    return "\n".join(filter(_DEFINES.search, blocks)) or (blocks[-1] if blocks else text)
