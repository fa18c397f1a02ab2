"""From what a few seeds took to what a whole run will take: calls, tokens, dollars, time, and where a budget ends it.

Pure arithmetic. A sum over the probed seeds grows to all by the mean of a seed; its interval holds 90 % of what the
same sum comes to when the probed seeds are drawn again with replacement (the percentile bootstrap, Efron 1979), so it
says how much seeds differ, and nothing of what no probed seed showed. What depends on other seeds, such as duplicates,
is taken to be as in the probe.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from config.schema import Pipeline
from queues.adaptive import MOST
from queues.gate import GateLimits

RESAMPLES, INTERVAL = 2_000, (5, 95)


class Paid(NamedTuple):
    """What one reply took. `root` is the id of the source's seed; `ended_s` stands on any clock that only goes on."""

    root: str
    stage: str
    endpoint: str
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None
    duration_s: float = 0.0
    ended_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Probe:
    """What was tried: `roots` are the seeds, of `seeds` in the run, `accepted` their samples by root.

    Not `measured`: nothing was sent, and `paid` is the most that could be, but for the completions of the `unlimited`
    stages, which set no `max_tokens`.
    """

    roots: Sequence[str]
    seeds: int
    paid: Sequence[Paid]
    accepted: Mapping[str, int]
    measured: bool = True
    unlimited: frozenset[str] = frozenset()


class Range(NamedTuple):
    """The bounds of an interval, and the estimate in it."""

    low: float
    mid: float
    high: float


class _Growth:
    """Grows sums over the probed seeds to the whole run; those that were probed are known."""

    def __init__(self, probe: Probe) -> None:
        self._roots, self._rest = list(probe.roots), probe.seeds - len(probe.roots)
        size = len(self._roots)
        self._drawn = np.random.default_rng(0).integers(0, size, (RESAMPLES, size))

    def of(self, amounts: Iterable[tuple[str, float]]) -> Range:
        """Return the sum of amounts, given by root, over all seeds."""
        by_root = dict.fromkeys(self._roots, 0.0)
        for root, amount in amounts:
            by_root[root] += amount
        values = np.array(list(by_root.values()))
        low, high = np.percentile(values[self._drawn].mean(axis=1), INTERVAL)
        return Range(*(float(values.sum() + self._rest * mean) for mean in (low, values.mean(), high)))


def forecast(
    probe: Probe, pipeline: Pipeline, limits: Mapping[str, tuple[GateLimits, Sequence[str]]]
) -> dict[str, Any]:
    """Return the estimate as plain data. `limits` has each limit group with its aliases.

    A cost that is not wholly known is null, and so is a time that nothing is known of.
    """
    grow = _Growth(probe)
    names = {stage.name: place for place, stage in enumerate(pipeline.stages)}
    kinds = sorted({(one.stage, one.endpoint) for one in probe.paid}, key=lambda kind: _order(names, kind))
    total = _sums(grow, probe.paid)
    time_s = _time(grow, probe, limits)
    found: dict[str, Any] = {
        "name": pipeline.name,
        "seeds": probe.seeds,
        "measured": probe.measured,
        "probe": {
            "seeds": len(probe.roots),
            "calls": len(probe.paid),
            "tokens": sum(one.prompt_tokens + one.completion_tokens for one in probe.paid),
        },
        "stages": [
            {"stage": stage, "endpoint": alias}
            | _sums(grow, [one for one in probe.paid if (one.stage, one.endpoint) == (stage, alias)])
            for stage, alias in kinds
        ],
        "total": total,
        "unlimited": sorted(probe.unlimited),
        "unpriced": sorted({one.endpoint for one in probe.paid if one.cost_usd is None}),
        "accepted": grow.of(probe.accepted.items())._asdict() if probe.measured else None,
        "time_s": None if time_s is None else time_s._asdict(),
    }
    return found | {"budget": list(_budget(found, pipeline))}


def _order(names: Mapping[str, int], kind: tuple[str, str]) -> tuple[int, str, str]:
    return (names.get(kind[0].removesuffix(".audit"), len(names)), *kind)


def _sums(grow: _Growth, paid: Sequence[Paid]) -> dict[str, Any]:
    measures: dict[str, Callable[[Paid], float]] = {
        "calls": lambda _: 1,
        "prompt_tokens": lambda one: one.prompt_tokens,
        "completion_tokens": lambda one: one.completion_tokens,
        "tokens": lambda one: one.prompt_tokens + one.completion_tokens,
        "cost_usd": lambda one: one.cost_usd or 0.0,
    }
    sums: dict[str, Any] = {
        name: grow.of((one.root, of(one)) for one in paid)._asdict() for name, of in measures.items()
    }
    return sums | ({"cost_usd": None} if any(one.cost_usd is None for one in paid) else {})


def _time(grow: _Growth, probe: Probe, limits: Mapping[str, tuple[GateLimits, Sequence[str]]]) -> Range | None:
    """Return the seconds that a run takes.

    At best every place at the endpoints is taken and each answers as fast as in the probe, all of them at once; at
    worst a server does no more at a time than it did in the probe, and one endpoint is asked after the other. Of a
    bound only the limits are known, and so the least time.
    """
    best, worst = 0.0, 0.0
    for limit, aliases in limits.values():
        paid = [one for one in probe.paid if one.endpoint in aliases]
        calls = grow.of((one.root, 1) for one in paid)
        tokens = grow.of((one.root, one.prompt_tokens + one.completion_tokens) for one in paid)
        busy = grow.of((one.root, one.duration_s) for one in paid)
        places, at_once = limit.max_concurrency or MOST, _at_once(paid)

        def paced(calls: float, tokens: float, limit: GateLimits = limit) -> float:
            per_minute = ((calls, limit.requests_per_minute), (tokens, limit.tokens_per_minute))
            return max(60 * amount / most if most else 0.0 for amount, most in per_minute)

        best = max(best, paced(calls.low, tokens.low), busy.low / places)
        worst += max(paced(calls.high, tokens.high), busy.high / min(places, at_once))
    return Range(best, (best * worst) ** 0.5, worst) if worst else None


def _at_once(paid: Sequence[Paid]) -> float:
    """Return how many calls were on the wire on average, while any was; at least 1."""
    on_the_wire, until = 0.0, float("-inf")
    for begun, ended in sorted((one.ended_s - one.duration_s, one.ended_s) for one in paid):
        on_the_wire += max(0.0, ended - max(begun, until))
        until = max(until, ended)
    return max(1.0, sum(one.duration_s for one in paid) / on_the_wire) if on_the_wire else 1.0


def _budget(found: Mapping[str, Any], pipeline: Pipeline) -> Iterable[dict[str, Any]]:
    """Yield, for each limit of the budget, after how many seeds it ends the run; `seeds` None: that is not known."""
    takes = {
        "usd": found["total"]["cost_usd"],
        "tokens": found["total"]["tokens"],
        "calls": found["total"]["calls"],
        "wall_s": found["time_s"],
    }
    for key, limit in pipeline.budget:
        if limit is None:
            continue
        need, seeds = takes[key], found["seeds"]
        reached = None
        if need is not None:
            ends = (limit * seeds / need[end] if need[end] else seeds for end in ("high", "mid", "low"))
            reached = Range(*(min(float(seeds), end) for end in ends))._asdict()
        yield {"key": key, "limit": limit, "seeds": reached, "need": need}
