"""Numbers as people write them: value, percent sign and unit, and when two of them say the same.

A quantity is exact (a `Fraction`). Only what surely is one number is read as one: `3 * 5`, `2-3`, `5:30`, `2x` and
`2 pi` are not; they are left to whoever understands expressions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from stages.verify.units import Unit, unit_of

_MAX_DIGITS = 300  # what is longer is no answer, and exact arithmetic on it takes quadratic time
_MAX_PLACES = 25
_TOLERANCE = Fraction(1, 10**6)

_NUMBER = re.compile(
    r"""
    (?P<before>[-+])? (?:(?P<currency>[$€£¥])\s?)? (?P<sign>-)?
    (?: (?P<whole>\d+) [ ]+ (?P<part>\d+/\d+) (?![\d.])                  # 1 1/2
      | (?P<digits>(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)
        (?: e(?P<e>[-+]?\d+)(?!\w) | \s?\*\s?10\s?(?:\^|\*\*)\s?[{(]?(?P<power>[-+]?\d+)[})]? )?
        (?: \s?/\s?(?P<over>\d+)(?![\d.]) )?
    )
    (?P<percent> \s?% | [ ](?:percent|per\ cent|pct)\b )?
    """,
    re.VERBOSE | re.IGNORECASE,
)
# What follows a number and makes it part of something larger.
_GOES_ON = re.compile(
    r"""
      \s?[-+*/^]\s?[\d(\\$]        # an operator and another term
    | \s?[+*]\s?\w | \*\*\w | -[a-z]\b
    | \s?x\s?\d | [=<>(\\] | \s[=<>]
    | [:,.]\d                      # a time, a ratio, a list
    | [a-fi-kn-rt-z]\b | (?:st|nd|rd|th)\b   # a variable (m, g, s, h and l are units), an ordinal
    """,
    re.VERBOSE | re.IGNORECASE,
)
# What stands before a number (its sign included) and makes it part of something larger: a name, a list, an operator.
_GOES_BEFORE = re.compile(
    r"[\w^{\\][-+]?$|[a-z]\($|\d[:,.]$|(?:[\d)}%]|\b[a-z])\s*(?:[-+*/^]{1,2}|x)\s*$", re.IGNORECASE
)
_TEXT = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|mbox|operatorname)\s*\{([^{}]*)\}")
_FRACTION = re.compile(r"(\d)?\\[dtc]?frac\s*(?:\{\s*(-?\d+)\s*\}|(\d))\s*(?:\{\s*(\d+)\s*\}|(\d))")
_SPACING = re.compile(
    r"\\[,;:! ]|~|\\q?quad\b|\\left\b|\\right\b|\\displaystyle\b|(?<=\d)[\u00a0\u2009\u202f](?=\d{3})"
)
_BOLD = re.compile(r"(?<!\w)\*\*|\*\*(?!\w)")
_DEGREE = re.compile(r"\^?\{?\\(?:circ|degree)\b\}?")
_CHARACTERS = str.maketrans(
    {"−": "-", "–": "-", "×": "*", "·": "*", "\u00a0": " ", "\u2009": " ", "\u202f": " ", "⁄": "/"}  # noqa: RUF001  these look-alikes are meant
    | {"½": " 1/2", "⅓": " 1/3", "⅔": " 2/3", "¼": " 1/4", "¾": " 3/4", "⅕": " 1/5", "⅛": " 1/8"}
)
_NOT_UNITS = frozenset(("pi", "sqrt", "sin", "cos", "tan", "log", "exp", "theta", "alpha", "beta", "and", "mod"))


@dataclass(frozen=True, slots=True)
class Quantity:
    """An exact number, whether it was written as a percentage, and its unit where that is a known one."""

    value: Fraction
    percent: bool = False
    unit: Unit | None = None

    @property
    def share(self) -> Fraction:
        """The value, that of a percentage as a part of one."""
        return self.value / 100 if self.percent else self.value

    def __str__(self) -> str:
        return _written(self.value) + ("%" if self.percent else "")


def same(one: Quantity, other: Quantity) -> bool:
    """Tell whether two quantities agree: the same value after conversion. A missing unit or percent sign is fine."""
    if one.unit and other.unit:
        (dimension, factor), (other_dimension, other_factor) = one.unit, other.unit
        if dimension == other_dimension:
            return _close(one.value * factor, other.value * other_factor)
        if dimension.partition("/")[0] != other_dimension.partition("/")[0]:
            return False  # else one leaves out its `per hour`
    return _close(one.value, other.value) or (one.percent != other.percent and _close(one.share, other.share))


def whole_quantity(text: str) -> Quantity | None:
    """Return the quantity that `text` is, from its first to its last character; None where it is more or less."""
    text = plain(text).strip().rstrip(".")
    for number, start, end in _numbers(text):
        return _with_unit(number, text[end:].strip()) if start == 0 else None
    return None


def quantities(text: str) -> list[Quantity]:
    """Return the quantities that stand in `text`, in order. Parts of longer expressions are left out."""
    text = plain(text)
    found = []
    for number, _start, end in _numbers(text):
        words = text[end : end + 40].split()
        unit = next((unit for n in (3, 2, 1) if (unit := unit_of(" ".join(words[:n]).rstrip(".,;:!)")))), None)
        found.append(Quantity(number.value, number.percent, number.unit or unit))
    return found


def plain(text: str) -> str:
    """Write numbers the plain way: ASCII signs, `a/b` for simple LaTeX fractions, no mark-up or spacing."""
    text = _BOLD.sub("", _SPACING.sub("", text)).translate(_CHARACTERS)
    if "\\" in text or "{,}" in text:
        text = text.replace("{,}", ",").replace("\\$", "$").replace("\\%", "%")
        text = text.replace("\\times", "*").replace("\\cdot", "*")
        text = _DEGREE.sub("°", _TEXT.sub(r" \1", _FRACTION.sub(_plain_fraction, text)))
    return text


def _plain_fraction(found: re.Match[str]) -> str:
    whole, above, above_digit, below, below_digit = found.groups()
    return f"{whole + ' ' if whole else ''}{above or above_digit}/{below or below_digit}"


def _numbers(text: str) -> Iterator[tuple[Quantity, int, int]]:
    """Yield each number that stands for itself, with where it starts and ends."""
    position = 0
    while found := _NUMBER.search(text, position):
        position = found.end()
        value = _value(found)
        before = text[max(0, found.start() - 9) : found.end("before") if found["before"] else found.start()]
        if value is None or _GOES_ON.match(text, position) or _GOES_BEFORE.search(before):
            continue
        negative = (found["before"] == "-") != bool(found["sign"])
        unit = unit_of(found["currency"]) if found["currency"] else None
        yield Quantity(-value if negative else value, bool(found["percent"]), unit), found.start(), position


def _value(found: re.Match[str]) -> Fraction | None:
    if len(found[0]) > _MAX_DIGITS:
        return None
    if found["part"]:
        above, below = found["part"].split("/")
        return int(found["whole"]) + Fraction(int(above), int(below)) if int(below) else None
    value = Fraction(found["digits"].replace(",", ""))
    exponent = int(found["e"] or found["power"] or 0)
    if abs(exponent) > _MAX_DIGITS or (found["over"] and not int(found["over"])):
        return None
    return value * Fraction(10) ** exponent / int(found["over"] or 1)


def _with_unit(number: Quantity, rest: str) -> Quantity | None:
    """Return `number` with the unit that `rest` is: a known one, or words such as `apples`; None for anything else."""
    if not rest:
        return number
    if unit := unit_of(rest) or unit_of(number.unit[0] + rest if number.unit else ""):
        return Quantity(number.value, number.percent, unit)
    words = rest.lower().split()
    if all(word.isalpha() for word in words) and len(words[0]) >= 3 and not _NOT_UNITS & set(words):
        return number
    return None


def _close(one: Fraction, other: Fraction) -> bool:
    """Integers are equal or not; others agree to six significant digits, since decimals are cut somewhere."""
    if one == other or (one.denominator == 1 and other.denominator == 1):
        return one == other
    return abs(one - other) <= _TOLERANCE * max(abs(one), abs(other))


def _written(value: Fraction) -> str:
    """Write the value as a decimal where it is a short one, exactly; as a fraction where it is not."""
    for places in range(_MAX_PLACES + 1):
        scaled = value * 10**places
        if scaled.denominator == 1:
            return format(Decimal(f"{scaled.numerator}e-{places}"), "f")
    return str(value)
