"""Units of measure as people write them after a number: a dimension, and a factor to its base unit.

Only units that convert exactly and are not ambiguous have an entry; any other word after a number is no unit to us.
"""

from __future__ import annotations

import re
from fractions import Fraction

Unit = tuple[str, Fraction]

_BASE: dict[str, tuple[str, str]] = {
    # names, each with its plural: (dimension, factor)
    "mm millimeter millimetre": ("length", "1/1000"),
    "cm centimeter centimetre": ("length", "1/100"),
    "m meter metre": ("length", "1"),
    "km kilometer kilometre": ("length", "1000"),
    "in inch inches": ("length", "0.0254"),
    "ft foot feet": ("length", "0.3048"),
    "yd yard": ("length", "0.9144"),
    "mi mile": ("length", "1609.344"),
    "mg milligram": ("mass", "1/1000"),
    "g gram": ("mass", "1"),
    "kg kilogram": ("mass", "1000"),
    "oz ounce": ("mass", "28.349523125"),
    "lb pound": ("mass", "453.59237"),
    "s sec second": ("time", "1"),
    "min minute": ("time", "60"),
    "h hr hour": ("time", "3600"),
    "day": ("time", "86400"),
    "week": ("time", "604800"),
    "ml milliliter millilitre": ("length3", "1/1000000"),
    "l liter litre": ("length3", "1/1000"),
    "$ dollar usd": ("dollar", "1"),
    "cent ¢": ("dollar", "1/100"),
    "€ euro eur": ("euro", "1"),
    "£ gbp": ("sterling", "1"),
    "¥ yen": ("yen", "1"),
    "° degree deg": ("angle", "1"),
    "°c celsius": ("celsius", "1"),
    "°f fahrenheit": ("fahrenheit", "1"),
}
_UNITS: dict[str, Unit] = {
    spelling: (dimension, Fraction(factor))
    for names, (dimension, factor) in _BASE.items()
    for name in names.split()
    for spelling in (name, name + "s")
}
_POWERS = {"square": 2, "sq": 2, "cubic": 3, "cu": 3, "^2": 2, "²": 2, "^{2}": 2, "^3": 3, "³": 3, "^{3}": 3}
_SIMPLE = re.compile(r"(?:(square|sq|cubic|cu)\.?\s+)?([a-z]+|[$€£¥¢]|°[cf]?)\.?(\^?[23²³]|\^\{[23]\})?")


def unit_of(text: str) -> Unit | None:
    """Return dimension and factor of a written unit such as `cm`, `square feet`, `m^2` or `miles per hour`."""
    above, *below = re.split(r"\s*/\s*|\s+per\s+|\s+an?\s+", text.strip().lower(), maxsplit=1)
    unit = _simple(above)
    if unit is None or not below:
        return unit
    divisor = _simple(below[0])
    return divisor and (f"{unit[0]}/{divisor[0]}", unit[1] / divisor[1])


def _simple(text: str) -> Unit | None:
    found = _SIMPLE.fullmatch(text)
    unit = _UNITS.get(found[2]) if found else None
    if found is None or unit is None:
        return None
    power = _POWERS.get(found[1] or found[3] or "", 1)
    dimension, factor = unit
    return (dimension if power == 1 else f"{dimension}{power}", factor**power)
