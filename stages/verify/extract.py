r"""Find the final answer in a free text.

An answer is stated, in falling order of strength: in the last `\boxed{}`; after the last `####`; after the last label
(`The answer is`, `Final answer:`, `A:`, ...). A text without a statement answers with its last formula or number.
Every pattern is linear in the text, and only the end of a very long text is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import regex

from stages.verify.notation import is_words
from stages.verify.quantity import Quantity, plain, quantities, whole_quantity
from stages.verify.units import unit_of

_MAX_CHARS = 20_000
_MAX_ANSWER = 1_000
_MAX_PARTS = 50

_CALCULATION = re.compile(r"<<[^<>\n]*(?:>>|$)", re.MULTILINE)  # GSM8K's annotations, the last maybe cut
_RUN_ON = re.compile(r"\n\s*(?:Q|Question|Problem)\s*\d*\s*[:.]")  # the next question, which nobody asked
_HASHES = re.compile(r"^[ \t]*####[ \t]*(?=[^\sA-Za-z]|\S[^\n]*\s*\Z)", re.MULTILINE)  # not `#### Step 1`, a heading
_LABEL = re.compile(
    r"""
      ^[ \t>*_\#-]* (?:the[ ])? (?:(?:final|correct)[ ])? (?:answer|ans) [ \t*_]* (?:[:=]|$) [ \t*_]*
    | ^[ \t>*_]* A [*_]* : [ \t*_]*
    | \b(?:answer|option|choice)\b [^.:=\n]{0,80}? (?:\b(?:is|are)\b|:|=) [ \t:*_]*
    """,
    re.VERBOSE | re.IGNORECASE | re.MULTILINE,
)
_BOX = regex.compile(r"\\boxed\s*\{((?:[^\\{}]|\\.|\{(?1)(?:\}|\Z))*+)", regex.DOTALL)  # the last brace may be cut off
_SENTENCE_END = re.compile(r"[.!?]\s+(?=[A-Z])|\n")
_BLOCK = re.compile(r"\\\[(?:[^\\]|\\(?![\[\]]))*\\\]|\$\$[^$]*\$\$")
# Mathematics marked as such. `$5 and $6` is none: by pandoc's rule the signs stand close around a formula.
_FORMULA = re.compile(
    r"\$\$([^$]+)\$\$|\\\[((?:[^\\]|\\(?![\[\]]))+)\\\]|\\\(((?:[^\\]|\\(?![()]))+)\\\)"
    r"|(?<![\\$\d])\$(?=[^\s$])([^$\n]*[^\s$\\])\$(?!\d)"
)
_MATHS = re.compile(r"[\d\\]")
_CHOICE = re.compile(r"(?:(?:option|choice)\s+)?(?:\(([A-J])\)|([A-J])(?:[.):,]|(?=\s*$)))", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a text answers: the words it was stated with, the formula in them, and the quantity if that is all it is."""

    stated: str
    formula: str
    quantity: Quantity | None

    @property
    def number(self) -> Quantity | None:
        """The quantity, or the right-hand side of an equation that gives one."""
        return self.quantity or whole_quantity(self.formula.rpartition("=")[2])

    def __str__(self) -> str:
        return str(self.quantity) if self.quantity else self.formula


def find_answer(text: str) -> Answer | None:
    """Return the final answer of a response; None where it states none and has no line with a formula or number."""
    text = _readable(text)
    if stated := _stated(text):
        return _answer(stated)
    lines = text.strip().splitlines()
    last = next((line for line in reversed(lines) if _MATHS.search(line)), lines[0] if len(lines) == 1 else "")
    return _answer(_clean(last), in_passing=True) if last else None


@lru_cache(maxsize=256)  # one gold answer meets many candidates
def find_reference(text: str) -> Answer | None:
    """Return the answer that a gold text gives: what it states, or all of it. None where it is empty."""
    text = _readable(text)
    if stated := _stated(text):
        return _answer(stated)
    answer = _answer(text.strip()) if text.strip() else None
    if answer and is_words(answer.stated) and len(quantities(answer.stated)) > 1:
        return Answer(answer.stated, answer.stated, None)  # `12 apples and 3 pears` is not 12
    return answer


def choice_of(text: str) -> str | None:
    """Return the letter of a multiple-choice answer such as `B`, `(b)` or `B) 12 cm`, in upper case."""
    found = _CHOICE.match(text.strip())
    return (found[1] or found[2]).upper() if found else None


def _readable(text: str) -> str:
    text = text[-_MAX_CHARS:].rpartition("</think>")[2]
    text = _CALCULATION.sub("", text)
    text = _BLOCK.sub(lambda block: block[0].replace("\n", " "), text)
    question = _RUN_ON.search(text)
    if question and _stated(head := text[: question.start()]):
        return head
    return text


def _stated(text: str) -> str:
    """Return the strongest statement: among labels the last that holds a digit or a command, else the last."""
    statements = list(_statements(text))
    return next(filter(_MATHS.search, statements), statements[0] if statements else "")


def _statements(text: str) -> Iterator[str]:
    """Yield what the text states as its answer, the strongest first, the later before the earlier."""
    if boxed := _boxed(text):
        yield boxed
        return
    for pattern in (_HASHES, _LABEL):
        for found in reversed(list(pattern.finditer(text))[-_MAX_PARTS:]):
            if stated := _statement_at(text, found.end()):
                yield stated


def _boxed(text: str) -> str:
    r"""Return the content of the last `\boxed{}`; several on its line are joined, for they are one answer's parts."""
    line = text.rfind("\n", 0, max(text.rfind("\\boxed"), 0)) + 1
    return ", ".join(map(_clean, _BOX.findall(text, line)[-_MAX_PARTS:]))


def _statement_at(text: str, start: int) -> str:
    rest = text[start:].lstrip(" \t\n*_")
    end = _SENTENCE_END.search(rest)
    return _clean(rest[: end.start()] if end else rest)


def _clean(text: str) -> str:
    text = text.strip(" \t\n*_`\"'").rstrip(".,;!")
    return text.strip(" \t\n*_`\"'")[:_MAX_ANSWER]


def _formulas(text: str) -> list[str]:
    return [_clean(next(filter(None, found), "")) for found in _FORMULA.findall(text)]


def _answer(stated: str, in_passing: bool = False) -> Answer:
    """Find the formula in a statement: what is marked as one, or all of it, or the number in its prose.

    A statement begins with its answer; a sentence that answers `in_passing` ends with it.
    """
    formulas = _formulas(stated) or [stated]
    formula = _without_unit(formulas[-1] if in_passing else ", ".join(formulas))
    quantity = whole_quantity(formula)
    if quantity is None and is_words(formula) and not choice_of(formula):
        numbers = quantities(formula.rpartition("=")[2]) or quantities(formula)
        quantity = numbers[-1 if in_passing else 0] if numbers else None
        formula = str(quantity) if quantity else formula
    return Answer(stated, formula, quantity)


def _without_unit(formula: str) -> str:
    r"""Drop a unit behind an expression such as `5\pi \text{ cm}`; a plain number keeps its own."""
    if whole_quantity(formula):
        return formula
    words = plain(formula).split()
    for n in (3, 2, 1):
        if len(words) > n and len(words[-n]) > 1 and unit_of(" ".join(words[-n:])):
            return " ".join(words[:-n])
    return formula
