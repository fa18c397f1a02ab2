"""Decide whether two mathematical answers are equal. Runs in a worker process: it may take for ever, or all memory.

Parsing and comparing are those of `math-verify` (sympy). Importing this module is quick; `make` loads the library.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from stages.verify.notation import is_words, same_words, to_latex

_NO_LIMIT = None  # the library's own is an alarm that C code does not hear, and a missed one reads as "not equal"


def make(_argument: None) -> Callable[[list[str]], bool]:
    """Load the library, compare once, so that the first real pair is not charged for it, and return `equal`."""
    logging.disable()  # it logs what it cannot parse, texts included
    equal("(a + b)^2", "a^2 + 2ab")  # symbols load more of it than numbers do
    return lambda pair: equal(*pair)


@lru_cache(maxsize=256)  # candidates of one seed give the same answer
def equal(gold: str, answer: str) -> bool:
    """Tell whether `answer` equals `gold`: the same words, or the same mathematics. Words never equal mathematics."""
    if same_words(gold, answer):
        return True
    if is_words(gold) or is_words(answer):
        return False
    from math_verify import verify

    parsed = _parse(gold), _parse(answer)
    return all(parsed) and bool(verify(*parsed, allow_set_relation_comp=True, timeout_seconds=_NO_LIMIT))


@lru_cache(maxsize=256)  # one gold answer meets many candidates
def _parse(text: str) -> list[Any]:
    r"""Parse the whole text as one formula; `\boxed` tells the library where it ends. Empty where it is none."""
    from math_verify import LatexExtractionConfig, parse

    config = [LatexExtractionConfig(boxed_match_priority=0)]
    boxed = rf"\boxed{{{to_latex(text)}}}"
    return list(parse(boxed, config, fallback_mode="no_fallback", parsing_timeout=_NO_LIMIT))
