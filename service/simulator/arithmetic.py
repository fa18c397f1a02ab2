"""The arithmetic world: finds `What is A + B?`-like questions in a text and knows how to work them out."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from service.simulator import figures

_TERM = rf"\(*-?\(*{figures.NUMBER}\)*"
_TIMES, _MINUS = "\u00d7\u00b7", "\u2212"
_EXPRESSION = re.compile(rf"(?<![\w.]){_TERM}(?:[ \t]{{0,2}}[-+*/÷x{_TIMES}{_MINUS}][ \t]{{0,2}}{_TERM})+")
# An expression is a question only where something asks and nobody has answered: else every "48 / 2 = 24" would be one.
_ASKED_BEFORE = re.compile(
    r"(?:what(?:'s| is)|how much is|calculate|compute|evaluate|simplify|solve|work out|question:|problem:|q:)"
    r"[^.?!\n\d]{0,40}$",
    re.IGNORECASE,
)
_ASKED_AFTER = re.compile(r"[`*$\"')\s]{0,3}(?:=\s*)?\?")
_WORKED_OUT = re.compile(r"[`*$\"')\s]{0,3}=[\s$]*-?\d")
_SIGNS = str.maketrans({"x": "*", "÷": "/", _MINUS: "-", ",": None} | dict.fromkeys(_TIMES, "*"))
_OPERATIONS: dict[type[ast.operator], tuple[str, Callable[[Fraction, Fraction], Fraction]]] = {
    ast.Add: ("+", operator.add),
    ast.Sub: ("-", operator.sub),
    ast.Mult: ("*", operator.mul),
    ast.Div: ("/", operator.truediv),
}
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Problem:
    """An expression, its value, how to get there (pairs of what is calculated and what it gives), where it ends."""

    expression: str
    value: Fraction
    steps: tuple[tuple[str, str], ...]
    end: int


def problems(text: str) -> Iterator[Problem]:
    """Yield the problems that a text asks, in their order."""
    for found in _EXPRESSION.finditer(text):
        if _is_asked(text, found) and (problem := _work_out(found)):
            yield problem


def _is_asked(text: str, found: re.Match[str]) -> bool:
    if _WORKED_OUT.match(text, found.end()):
        return False
    before = text[max(found.start() - 60, 0) : found.start()]
    alone = text.strip().removesuffix("=").strip() == found[0]
    return alone or bool(_ASKED_BEFORE.search(before) or _ASKED_AFTER.match(text, found.end()))


def _work_out(found: re.Match[str]) -> Problem | None:
    expression = found[0]
    if expression.count("(") != expression.count(")"):
        expression = expression.strip("()")
    steps: list[tuple[str, str]] = []
    try:
        tree = ast.parse(expression[:_LONGEST].translate(_SIGNS), mode="eval")
        value = _evaluate(tree.body, steps)
    except (SyntaxError, ZeroDivisionError):  # "007 + 1", "3 / 0": no question with an answer
        return None
    return Problem(" ".join(expression.split()), value, tuple(steps), found.end())


def _evaluate(node: ast.expr, steps: list[tuple[str, str]]) -> Fraction:
    match node:
        case ast.Constant(value=int() | float() as number):
            return Fraction(str(number))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_evaluate(operand, steps)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATIONS:
            sign, operate = _OPERATIONS[type(op)]
            a, b = _evaluate(left, steps), _evaluate(right, steps)
            value = operate(a, b)
            steps.append((f"{figures.show(a)} {sign} {figures.show(b)}", figures.show(value)))
            return value
    raise SyntaxError("not arithmetic")
