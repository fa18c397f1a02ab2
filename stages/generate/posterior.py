"""How many more candidates a seed is worth: a Beta posterior of its pass rate, and what another acceptance would cost.

With p ~ Beta(a, b) the chance that m more candidates all fail is B(a, b + m) / B(a, b) (pass@k read backwards). Waves
stop when enough is there, when the cap is reached, or when the expected cost of another acceptance passes a limit. What
is freed so goes to the seeds where `cost` is lowest.

Pure functions of counts: a resumed run decides the same again.
"""

from __future__ import annotations

from collections.abc import Mapping

from config.schema import Until
from stages.core.estimates import PRIOR, Beta


def topic_prior(passed: Mapping[str, int], judged: Mapping[str, int], topic: str, base: Beta = PRIOR) -> Beta:
    """Return the prior of a topic's seeds: the base's shape, its mean drawn to what the run and the topic have shown.

    The counts, by topic, are of first waves only: later waves go to the seeds that fail, and would count these twice.
    The run's mean weighs as much as twenty candidates of the topic, the base's as much as twenty of the run.
    """
    overall = (sum(passed.values()) + 20 * base.mean) / (sum(judged.values()) + 20)
    mean = (passed.get(topic, 0) + 20 * overall) / (judged.get(topic, 0) + 20)
    strength = base.a + base.b
    return Beta(mean * strength, (1 - mean) * strength)


def next_wave(until: Until, passed: int, failed: int, prior: Beta = PRIOR, tried: int | None = None) -> int:
    """Return how many candidates the next wave has; 0 when the seed has enough or is given up.

    `passed` and `failed` are judged candidates, `tried` all of them (some could not be judged); left out: their sum.
    """
    left = until.max_candidates - (passed + failed if tried is None else tried)
    belief = prior.after(passed, failed)
    if passed < until.accepted:
        cost = belief.cost(until.wave)
    elif failed < until.rejected:
        cost = belief.failing.cost(until.wave)
    else:
        return 0
    given_up = until.give_up is not None and cost > until.give_up
    return 0 if given_up else max(0, min(until.wave, left))
