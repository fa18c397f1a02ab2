"""Numbers as people write them: read, shown, and got wrong in the ways that people get them wrong."""

from __future__ import annotations

import re
from fractions import Fraction

NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?"
_ALONE = re.compile(rf"[\s$€£]*(-?)[\s$€£]*({NUMBER}|\.\d+)[\s%.]*")


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
    """Return at least three plausible wrong values: one or ten off in the last place, doubled, digits swapped."""
    shown = show(value)
    place = Fraction(1, 10 ** len(shown.partition(".")[2]))
    guesses = [value + step * place for step in (1, -1, 10, -10, 2, -2, 100)] + [2 * value, _swapped(shown)]
    same_sign = (show(guess) for guess in guesses if (guess < 0) == (value < 0))
    return list(dict.fromkeys(guess for guess in same_sign if guess != shown))


def _swapped(shown: str) -> Fraction:
    """Swap the last two digits that differ and stand side by side."""
    pairs = [i for i in range(len(shown) - 1) if shown[i : i + 2].isdecimal() and shown[i] != shown[i + 1]]
    if not pairs:
        return Fraction(shown)
    i = pairs[-1]
    return Fraction(shown[:i] + shown[i + 1] + shown[i] + shown[i + 2 :])
