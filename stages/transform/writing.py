"""Texts that a model writes freely: asked for, and taken only where all of it came."""

from __future__ import annotations

import re

from stages.core.errors import CandidateError
from stages.llm.protocol import Call, Model

_WRAPPED = re.compile(r"<(response|document)>\s*(.*?)\s*</\1>", re.DOTALL)


async def write(model: Model, call: Call) -> str:
    """Return the text that the model writes, without the tags of the prompt where it repeats them around it.

    Raises CandidateError("truncated" or "empty"), or as the call does.
    """
    said = (await model.ask(call)).first
    if said.truncated:
        raise CandidateError("truncated", "the reply ended at max_tokens")
    text = said.text.strip()
    if wrapped := _WRAPPED.fullmatch(text):
        text = wrapped[2]
    if not text:
        raise CandidateError("empty", "the reply has no text")
    return text
