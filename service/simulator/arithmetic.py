"""The arithmetic world: finds `What is A + B?`-like questions in a text and knows how to work them out.

And numbers as people write them: read, shown, and got wrong in the ways that people get them wrong.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterator
from fractions import Fraction

from service.simulator.questions import Question

NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?"
_ALONE = re.compile(rf"[\s$€£]*(-?)[\s$€£]*({NUMBER}|\.\d+)[\s%.]*")
_TERM = rf"\(*-?\(*{NUMBER}\)*"
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


def questions(text: str) -> Iterator[Question]:
    """Yield the questions that a text asks, in their order."""
    for found in _EXPRESSION.finditer(text):
        if _is_asked(text, found) and (question := _work_out(found)):
            yield question


def _is_asked(text: str, found: re.Match[str]) -> bool:
    if _WORKED_OUT.match(text, found.end()):
        return False
    before = text[max(found.start() - 60, 0) : found.start()]
    alone = text.strip().removesuffix("=").strip() == found[0]
    return alone or bool(_ASKED_BEFORE.search(before) or _ASKED_AFTER.match(text, found.end()))


def _work_out(found: re.Match[str]) -> Question | None:
    expression = found[0]
    if expression.count("(") != expression.count(")"):
        expression = expression.strip("()")
    steps: list[tuple[str, str]] = []
    try:
        tree = ast.parse(expression[:_LONGEST].translate(_SIGNS), mode="eval")
        value = _evaluate(tree.body, steps)
    except (SyntaxError, ZeroDivisionError):  # "007 + 1", "3 / 0": no question with an answer
        return None
    return Question(" ".join(expression.split()), show(value), found.end(), tuple(steps))


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
            steps.append((f"{show(a)} {sign} {show(b)}", show(value)))
            return value
    raise SyntaxError("not arithmetic")


def read(text: str) -> Fraction | None:
    """Return the number a text consists of (a currency sign, thousands and a percent sign may stand), else None."""
    found = _ALONE.fullmatch(text)
    return Fraction(found[1] + found[2].replace(",", "")) if found else None


def show(value: Fraction) -> str:
    """Write a number as a whole number or a decimal of at most six places."""
    if value.denominator == 1:
        return str(value.numerator)
    return f"{float(value):.6f}".rstrip("0").rstrip(".")


def near_misses(value: Fraction) -> list[str]:
    """Return at least three plausible wrong values: a little off in the last place shown, or doubled."""
    shown = show(value)
    last_place = Fraction(1, 10 ** len(shown.partition(".")[2]))
    guesses = [Fraction(shown) + step * last_place for step in (1, -1, 10, -10, 2, -2, 9, 100)] + [2 * value]
    return list(dict.fromkeys(show(guess) for guess in guesses if guess != value and (guess < 0) == (value < 0)))
