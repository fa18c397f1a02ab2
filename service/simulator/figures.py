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
    whole, dot, decimals = show(value).partition(".")
    digits = int(whole + decimals)  # in units of the last place
    guesses = [digits + step for step in (1, -1, 10, -10, 2, -2, 100)] + [2 * digits, _swapped(digits)]
    plausible = dict.fromkeys(guess for guess in guesses if guess != digits and (guess < 0) == (digits < 0))
    return [_scaled(guess, len(decimals)) if dot else str(guess) for guess in plausible]


def _scaled(digits: int, places: int) -> str:
    padded = f"{abs(digits):0{places + 1}}"
    return f"{'-' * (digits < 0)}{padded[:-places]}.{padded[-places:]}"


def _swapped(digits: int) -> int:
    """Swap the last two neighbouring digits that differ."""
    shown = str(digits)
    for i in range(len(shown) - 1, 0, -1):
        if shown[i - 1] not in ("-", shown[i]):
            return int(shown[: i - 1] + shown[i] + shown[i - 1] + shown[i + 1 :])
    return digits
