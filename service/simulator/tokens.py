"""A stand-in for a tokenizer: pieces of about four characters, the same everywhere in the simulator."""

from __future__ import annotations

import math
import re
from typing import Any

from service.simulator.draws import Draws

_PIECE = re.compile(r" ?[A-Za-z]{1,8}|\d{1,3}|\s+|.", re.DOTALL)
_PAIRS = (("true", "false"), ("pass", "fail"), ("yes", "no"), ("A", "B"), ("good", "bad"), ("right", "wrong"))
_OPPOSITE = dict(_PAIRS) | {wrong: right for right, wrong in _PAIRS}
_COMMON = (" the", " of", ",", ".", " and", " is", "\n", " to", " that", " it", " we", " so")


def split(text: str) -> list[str]:
    """Cut a text into tokens; joined they are the text."""
    return _PIECE.findall(text)


def estimate(text: str) -> int:
    """Count a prompt's tokens at four characters each: prompts are counted and never cut, and this costs nothing."""
    return -(-len(text) // 4)


def logprobs(tokens: list[str], top: int, draws: Draws) -> list[dict[str, Any]]:
    """Return a plausible `logprobs.content` list: each token with its log-probability and `top` alternatives."""
    return [_entry(token, top, 0.55 + 0.44 * draws.uniform(f"logprob {at}")) for at, token in enumerate(tokens)]


def _entry(token: str, top: int, probability: float) -> dict[str, Any]:
    ranked, rest = [_one(token, probability)], 1 - probability
    for other in _alternatives(token)[: max(top - 1, 0)]:
        rest *= 0.6
        ranked.append(_one(other, rest * 0.6))
    return {**ranked[0], "top_logprobs": ranked[:top]}


def _one(token: str, probability: float) -> dict[str, Any]:
    return {"token": token, "logprob": math.log(probability), "bytes": list(token.encode())}


def _alternatives(token: str) -> list[str]:
    """Return what might have stood there: near numbers for a number, the opposite for a verdict, common words else."""
    if token.isdecimal() and token.isascii():
        value = int(token)
        return [str(value + step) for step in (-1, 1, -2, 2, -3, 3, -4, 4) if value + step >= 0]
    bare = token.strip()
    first = [token.replace(bare, _OPPOSITE[bare])] if bare in _OPPOSITE else []
    return first + [word for word in _COMMON if word != token]
