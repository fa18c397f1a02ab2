"""Asking so that the reply can be read: once, and where it cannot, once more with a word about what was wanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from stages.core.errors import CandidateError
from stages.llm.protocol import Call, Choice, Model

T = TypeVar("T")


async def ask_readable(model: Model, call: Call, read: Callable[[Choice], T | None], again: str) -> T:
    """Return what `read` makes of the reply, or of a second one: what was said, then `again` as the user's turn.

    Raises CandidateError("unreadable") where neither could be read: that is never a low score, and no wrong answer.
    """
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
