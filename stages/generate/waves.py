"""Adaptive rejection sampling: stands after the last stage that judges, and asks for another wave or lets a seed go.

What it decides looks across seeds (the pass rates of topics, the candidates that other seeds left over), so every
decision is committed before it is acted on, and a resumed run repeats its own decisions instead of taking new ones.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from config.schema import Until
from stages.core.base import Again, Decisions, Outcome, Place, Stage
from stages.core.record import Group
from stages.generate.posterior import next_wave, topic_prior

KIND = "wave"


class WaveStage(Stage):
    """Asks for candidates until `until` is met, the cap is reached, or another acceptance would cost too much.

    With `mean_candidates`, a seed may take more than that mean only from what finished seeds left of theirs.
    """

    on_seeds = True

    def __init__(self, place: Place, until: Until, decisions: Decisions) -> None:
        super().__init__(place)
        self._until, self._mean, self._decisions = until, until.mean_candidates, decisions
        self._passed, self._judged = Counter[str](), Counter[str]()
        self._left_over = 0.0
        self._made: defaultdict[str, list[int]] = defaultdict(list)

    async def start(self) -> None:
        """Take up what earlier processes decided."""
        for scope, body in self._decisions.made(KIND):
            name, _, seed_id = scope.partition(":")
            if name == self.name:
                self._made[seed_id].append(body["more"])
                self._learn(**body)

    async def process(self, group: Group) -> Outcome:
        made = self._made.get(group.seed.id, ())
        if group.wave < len(made):
            more = made[group.wave]
        else:
            body = self._decide(group)
            more = body["more"]
            self._learn(**body)
            await self._decisions.make(KIND, f"{self.name}:{group.seed.id}", body)
        return Again(more) if more else None

    def _decide(self, group: Group) -> dict[str, Any]:
        states = Counter(candidate.state for candidate in group.candidates)
        tried, passed, failed = len(group.candidates), states["live"], states["rejected"]
        topic = group.seed.topic
        more = next_wave(self._until, passed, failed, topic_prior(self._passed, self._judged, topic), tried)
        if not tried:  # nothing was made for it, and asking again would change nothing
            more = 0
        if self._mean is not None and tried + more > max(self._mean, tried) + max(self._left_over, 0):
            more = 0
        return {"wave": group.wave, "topic": topic, "passed": passed, "failed": failed, "tried": tried, "more": more}

    def _learn(self, wave: int, topic: str, passed: int, failed: int, tried: int, more: int) -> None:
        if wave == 0:
            self._passed[topic] += passed
            self._judged[topic] += passed + failed
        if self._mean is not None:
            # A seed brings its mean with it, and gives back what it does not use.
            over = max(0, tried + more - self._mean) - max(0, tried - self._mean)
            self._left_over += (0 if more else max(0, self._mean - tried)) - over
