r"""Bring mathematics as people type it to the LaTeX that the parser reads: `sqrt(2)`, `x**2`, `3 <= x`, `π`, `∞`.

Also tells mathematics from words: to a parser of formulas `blue` is b*l*u*e, and equal to `lube`.
"""

from __future__ import annotations

import re

from stages.verify.quantity import plain

_FUNCTIONS = "sin|cos|tan|cot|sec|csc|arcsin|arccos|arctan|sinh|cosh|tanh|log|ln|exp|det|gcd|max|min"
_NAMES = "pi|infty|alpha|beta|gamma|delta|theta|lambda|sigma|phi|omega"
_KNOWN_WORD = re.compile(
    rf"\b(?:or|and|infinity|sqrt|{_FUNCTIONS}|{_NAMES})\b|\\[a-zA-Z]+|\{{(?:[pbvB]?matrix|cases|array)\}}"
)
_WORD = re.compile(r"[a-zA-Z]{3,}|\b(?:by|he|is|it|of|so|to|we)\b", re.IGNORECASE)
_SYMBOLS = {
    **{"π": r"\pi ", "θ": r"\theta ", "∞": r"\infty ", "infinity": r"\infty ", "±": r"\pm ", "°": r"^{\circ}"},
    **{"≤": r"\le ", "<=": r"\le ", "≥": r"\ge ", ">=": r"\ge ", "≠": r"\neq ", "!=": r"\neq ", "∈": r"\in "},
    **{"∪": r"\cup ", "∩": r"\cap ", "∅": r"\emptyset", "{}": r"\emptyset", r"\{\}": r"\emptyset"},  # noqa: RUF001  the sign of a union is meant
    **{"ℝ": r"\mathbb{R}", "²": "^2", "³": "^3", "**": "^"},  # noqa: RUF001  the sign of the reals is meant
}
_SYMBOL = re.compile("|".join(map(re.escape, sorted(_SYMBOLS, key=len, reverse=True))))
_CALL = re.compile(rf"(?<![\\a-zA-Z])({_FUNCTIONS})(?![a-zA-Z])")
_NAME = re.compile(rf"(?<![\\a-zA-Z])({_NAMES})(?![a-zA-Z])")
_SQRT = re.compile(r"(?:\\|\b|(?<=\d))sqrt\s*\(([^()]*(?:\([^()]*\)[^()]*)*)\)|√\s*(?:\(([^()]*)\)|(\w+))")
_EMPTY_ROOT = re.compile(r"\\sqrt\s*(\d)(?!\d)")


def is_words(text: str) -> bool:
    """Tell whether a formula is really prose: it holds a word that is no function's or symbol's name."""
    return _WORD.search(_KNOWN_WORD.sub(" ", plain(text))) is not None


def same_words(one: str, other: str) -> bool:
    """Compare two texts by their words and signs: case, white space, mark-up and closing punctuation do not count."""
    return _folded(one) == _folded(other)


def _folded(text: str) -> str:
    return " ".join(plain(text).replace("$", "").casefold().split()).strip(" .,;!?\"'")


def to_latex(text: str) -> str:
    """Return `text` with typed mathematics written as LaTeX."""
    text = text.strip().strip("$")
    text = _SQRT.sub(lambda found: rf"\sqrt{{{found[1] or found[2] or found[3]}}}", text)
    text = _EMPTY_ROOT.sub(r"\\sqrt{\1}", text)
    text = _SYMBOL.sub(lambda found: _SYMBOLS[found[0]], text)
    text = _CALL.sub(r"\\\1 ", text)
    return _NAME.sub(r"\\\1 ", text)
