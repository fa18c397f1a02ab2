"""Numbers as people read them: thousands separated, time in two units, money to the digit that matters.

And texts as they may be printed: with nothing in them but text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

_INVISIBLE = {code: None for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}


def brief(count: float) -> str:
    """Return a count in three digits or so: 950, 18.2k, 240k, 1.3M."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            scaled = count / size
            return f"{scaled:,.0f}{unit}" if scaled >= 100 else f"{scaled:.1f}".removesuffix(".0") + unit
    return f"{count:,.0f}"


def duration(seconds: float) -> str:
    """Return a time in its two largest units: 0m 48s, 1m 02s, 2h 05m, 3d 04h."""
    minutes, rest = divmod(math.floor(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d {hours:02}h"
    return f"{hours}h {minutes:02}m" if hours else f"{minutes}m {rest:02}s"


def dollars(usd: float) -> str:
    """Return an amount with cents, or with two digits that are not zero where it is below a cent."""
    if 0 < usd < 0.01:
        return f"${usd:.{1 - math.floor(math.log10(usd))}f}"
    return f"${usd:,.2f}"


def rate(per_second: float) -> str:
    """Return a rate with as many digits as mean something: 0.4/s, 4.1/s, 1,204/s."""
    return f"{per_second:,.0f}/s" if per_second >= 100 else f"{per_second:.1f}/s"


def percent(part: float, whole: float) -> str:
    """Return a share in whole per cent, never 0 or 100 unless it is."""
    if not whole:
        return "none"
    share = 100 * part / whole
    shown = min(99, max(1, round(share))) if 0 < part < whole else round(share)
    return f"{shown} %"


def share(estimate: Mapping[str, float]) -> str:
    """Return a rate with the bounds of its interval: 81 % (74 to 87)."""
    value, low, high = (100 * estimate[end] for end in ("value", "low", "high"))
    return f"{value:.0f} % ({low:.0f} to {high:.0f})"


def visible(text: str) -> str:
    """Return a model's text without what could steer the terminal."""
    return text.translate(_INVISIBLE)
