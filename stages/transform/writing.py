"""Texts that a model writes freely: asked for, and taken only where all of it came."""

from __future__ import annotations

import re

from stages.core.errors import CandidateError
from stages.llm.protocol import Call, Choice, Model

_WRAPPED = re.compile(r"<(response|document)>\s*(.*?)\s*</\1>", re.DOTALL)


async def write(model: Model, call: Call) -> str:
    """Return the text that the model writes. Raises CandidateError("truncated" or "empty"), or as the call does."""
    return written((await model.ask(call)).first)


def written(said: Choice) -> str:
    """Return a reply's text, without the tags of the prompt where a model repeats them around it."""
    if said.truncated:
        raise CandidateError("truncated", "the reply ended at max_tokens")
    text = said.text.strip()
    if wrapped := _WRAPPED.fullmatch(text):
        text = wrapped[2]
    if not text:
        raise CandidateError("empty", "the reply has no text")
    return text
