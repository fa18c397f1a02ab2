"""A stand-in for a tokenizer: pieces of about four characters, the same everywhere in the simulator."""

from __future__ import annotations

import math
import re
from typing import Any

from service.simulator.draws import Draws

_PIECE = re.compile(r" ?[A-Za-z]{1,8}|\d|\s+|.", re.DOTALL)
_OPPOSITE = {"true": "false", "pass": "fail", "yes": "no", "A": "B", "good": "bad", "right": "wrong"}
_OPPOSITE |= {wrong: right for right, wrong in _OPPOSITE.items()}
_COMMON = (" the", " of", ",", ".", " and", " is", "\n", " to", " that", " it", " we", " so")


def split(text: str) -> list[str]:
    """Cut a text into tokens; joined they are the text."""
    return _PIECE.findall(text)


def estimate(text: str) -> int:
    """Count a prompt's tokens at four characters each: prompts are counted and never cut, and this costs nothing."""
    return -(-len(text) // 4)


def logprobs(tokens: list[str], top: int, draws: Draws) -> list[dict[str, Any]]:
    """Return a plausible `logprobs.content` list: each token with its log-probability and `top` alternatives."""
    return [_entry(token, top, draws.uniform(f"logprob {place}")) for place, token in enumerate(tokens)]


def _entry(token: str, top: int, luck: float) -> dict[str, Any]:
    probability = 0.55 + 0.44 * luck
    entry = _one(token, probability)
    rest, ranked = 1 - probability, [_one(token, probability)]
    for other in _alternatives(token)[: max(top - 1, 0)]:
        rest *= 0.6
        ranked.append(_one(other, rest * 0.6))
    entry["top_logprobs"] = ranked[:top]
    return entry


def _one(token: str, probability: float) -> dict[str, Any]:
    return {"token": token, "logprob": math.log(probability), "bytes": list(token.encode())}


def _alternatives(token: str) -> list[str]:
    """Return what might have stood there: near digits for a digit, the opposite for a verdict, common words else."""
    if token.isdecimal() and token.isascii():
        return sorted((d for d in "0123456789" if d != token), key=lambda d: abs(int(d) - int(token)))
    bare = token.strip()
    first = [token.replace(bare, _OPPOSITE[bare])] if bare in _OPPOSITE else []
    return first + [word for word in _COMMON if word != token]
