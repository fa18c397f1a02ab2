"""What a reply's `x-ratelimit-*` headers say about the limits that a gate keeps.

They are read for what was configured, and downward only. Providers mean different things by them, so this reading is
chosen: `limit` is per minute, unless what was used takes longer than a minute to come back; `remaining` is what the
server had when it answered, rounded down; `reset` is the time until all of it is back. So with `remaining: 0` the next
request is due a `limit`-th of `reset` later, which the pace keeps anyway; only where the limit is not told, or is one
of a day, does everybody rest until then. Zero and less as a limit, less than zero remaining, and what is no number say
nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from queues.gate import Gate, Kind

WINDOW_S = 60.0
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|$)")
_SECONDS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_KINDS: tuple[Kind, ...] = ("requests", "tokens")


def heed(headers: Mapping[str, str], gate: Gate, longest_s: float) -> None:
    """Lower the gate's limits, and what is left of them, to what the headers say. No rest is above `longest_s`."""
    for kind in _KINDS:
        if not gate.per_minute(kind):
            continue
        remaining = _number(headers.get(f"x-ratelimit-remaining-{kind}", ""))
        limit = _number(headers.get(f"x-ratelimit-limit-{kind}", "")) or math.nan
        if math.isnan(remaining) and math.isnan(limit):
            continue
        reset_s = duration(headers.get(f"x-ratelimit-reset-{kind}", ""))
        if limit > 0 and not reset_s > WINDOW_S:
            gate.lower(kind, limit)
        if remaining >= 0:
            gate.drain(kind, remaining + 1)
        if remaining == 0 and reset_s > 0 and (math.isnan(limit) or reset_s > WINDOW_S):
            gate.cool(min(reset_s, longest_s))


def _number(text: str) -> float:
    """Return the number that a text is, and nan where it is none, or none that can be meant."""
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if 0 <= value < math.inf else math.nan


def duration(text: str) -> float:
    """Return the seconds that `1m30s`, `12ms` or `7` stand for; nan where it is no time."""
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return math.nan
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)
