"""How the service watches one job: what those who listen are told, and its share of the service's metrics.

A job's stages are called what its author likes; in metrics they go by their type, so that labels stay bounded.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from config.schema import Pipeline
from queues.ledger import Reader
from service.observe.metrics import Metrics
from service.observe.progress import RATE_OVER_S, Rate, StageNow
from service.observe.tally import Counts, Tally
from service.observe.watch import Watch, stages_now
from service.runs.plan import Plan
from service.runs.session import Session
from service.serve.feed import Feed
from service.serve.shapes import FunnelStage, Progress, StageProgress
from stages.core.events import CallFinished, Event
from stages.io.manifest import SEED_STATES

TELL_EVERY_S = 0.5
TELL_EACH_S = 0.003
"""At least so long for each listener: many of them are told more rarely, and cost the run no more than few."""
FOUND = ("made", "passed", "rejected", "failed", "marked")
HELD = ("calls_in_flight", "groups_in_flight")
"""Counts that go down again, and must when a job ends in the middle."""


class JobWatch(Watch):
    """The observers of one job. `charge` is told of tokens; `beside` is its owner's work that goes on with the job.

    `before`: what earlier processes have settled, by stage.
    """

    def __init__(
        self,
        what: Plan,
        metrics: Metrics,
        feed: Feed,
        charge: Callable[[int], None],
        beside: Callable[[], Coroutine[Any, Any, None]],
    ) -> None:
        super().__init__(what, metrics)
        self._charge, self._beside = charge, beside
        self.counts = Counts()
        self.before: dict[str, FunnelStage] = {}
        self.session: Session | None = None
        self.tally: Tally | None = None
        self._feed = feed
        self._types = {stage.name: str(stage.type) for stage in what.pipeline.stages}
        self._calls, self._accepted, self._left = Rate(RATE_OVER_S), Rate(RATE_OVER_S), Rate(RATE_OVER_S)
        self._found = {stage.name: Rate(RATE_OVER_S) for stage in what.pipeline.stages}
        self._observers += [self.counts, self._count]

    def begin(
        self, session: Session, manifest: Mapping[str, Any], reader: Reader
    ) -> dict[str, Coroutine[Any, Any, None]]:
        self.metrics.expect(_by_type(self._plan.pipeline))
        self.metrics.began()
        self.session, self.tally = session, self._tally(self.counts, manifest, reader)
        return {"progress": self._tell(self.tally), "beside": self._beside()}

    def end(self) -> None:
        """Take back from the metrics what the job holds no longer, once."""
        if self.session is None:
            return
        for (name, *labels), count in self.counts.items():
            if name in HELD:
                self.metrics.counts[(name, *labels)] -= count
        self.session = None
        self.metrics.ended()

    def stages(self) -> dict[str, StageNow]:
        """Look at the stages, by their types; of several of one type at any."""
        now = {} if self.session is None else stages_now(self.session)
        return {self._type(name): stage for name, stage in now.items()}

    def progress(self) -> Progress | None:
        """Return how far the job is; None where it has hardly begun."""
        session, tally = self.session, self.tally
        if session is None or tally is None:
            return None
        left = tally.phase_seeds - tally.phase_left
        now = stages_now(session)
        return Progress(
            seeds=self._plan.read,
            seeds_done=int(tally.total("seeds", *SEED_STATES)),
            seeds_solved=int(tally.total("seeds", "solved")),
            accepted=int(tally.total("accepted")),
            rejected=int(tally.total("candidates", "rejected")),
            failed=int(tally.total("candidates", "failed")),
            calls=int(tally.total("calls", "ok")),
            in_flight=self.activity.in_flight,
            refused=int(tally.total("rate_limited")),
            prompt_tokens=int(tally.total("tokens", "prompt")),
            completion_tokens=int(tally.total("tokens", "completion")),
            cost_usd=None if tally.total("unpriced_calls") else round(tally.total("cost_usd"), 6),
            phase=tally.phase,
            phases=len(session.pipeline.flows),
            phase_seeds=tally.phase_seeds,
            phase_done=tally.phase_left,
            calls_per_s=round(self._calls.per_second, 2),
            accepted_per_s=round(self._accepted.per_second, 3),
            eta_s=round(left / self._left.per_second, 1) if self._left.per_second and left > 0 else None,
            stages=[self._stage(tally, now.get(stage.name), stage.name) for stage in self._plan.pipeline.stages],
        )

    def _stage(self, tally: Tally, at: StageNow | None, name: str) -> StageProgress:
        """Return how far a stage is; one that stands between two phases has no queue, and is not `at` anything."""
        found = Counter({what: int(tally.found(name, what)) for what in FOUND})
        reasons = Counter({key[2]: int(n) for key, n in self.counts.items() if key[:2] == ("rejections", name)})
        came, before = _came(tally, name), self.before.get(name)
        if before is not None:
            came += before.came
            earlier = {"made": before.came} if self._types[name] == "generate" else {"passed": before.went}
            found += Counter({**earlier, "rejected": before.rejected, "failed": before.failed})
            reasons += Counter({one.reason: one.count for one in before.reasons if one.state == "rejected"})
        return StageProgress(
            name=name,
            type=self._types[name],
            phase=0 if at is None else at.phase,
            waiting=0 if at is None else at.inbox.depth,
            capacity=0 if at is None else at.inbox.capacity,
            busy=0 if at is None else at.busy,
            per_s=round(self._found[name].per_second, 2),
            came=came,
            went=max(0, came - found["rejected"] - found["failed"]),
            reasons=dict(reasons),
            **{what: found[what] for what in FOUND},
        )

    async def _tell(self, tally: Tally) -> None:
        told = None
        while True:
            now = time.monotonic()
            self._calls.note(now, tally.total("calls", "ok"))
            self._accepted.note(now, tally.total("accepted"))
            self._left.note(now, tally.phase_left)
            for name, found in self._found.items():
                found.note(now, _came(tally, name))
            if (progress := self.progress()) is not None and progress != told:
                self._feed.publish("progress", progress)
                told = progress
            await asyncio.sleep(max(TELL_EVERY_S, TELL_EACH_S * self._feed.listeners))

    def _count(self, event: Event) -> None:
        """Hand an event to the service's metrics, its stage by type, and tokens to whoever counts them."""
        if isinstance(event, CallFinished) and (tokens := event.prompt_tokens + event.completion_tokens):
            self._charge(tokens)
        stage = getattr(event, "stage", None)
        if stage is not None:
            event = event._replace(stage=self._type(stage))  # type: ignore[call-arg]  # it has one
        self.metrics(event)

    def _type(self, stage: str) -> str:
        """Return the type of a stage; one that another asks for is NAME.part, and goes by the other's type."""
        name, _, part = stage.rpartition(".")
        return self._types[stage] if stage in self._types else f"{self._types[name]}.{part}"


def _by_type(pipeline: Pipeline) -> Pipeline:
    """Return a pipeline whose stages are called as metrics call them."""
    stages = [stage.model_copy(update={"name": str(stage.type)}) for stage in pipeline.stages]
    return pipeline.model_copy(update={"stages": stages})


def _came(tally: Tally, stage: str) -> int:
    """Return the candidates that a stage made or was given; what it made it may have seen, too."""
    return int(max(tally.found(stage, "made"), tally.found(stage, "seen")))
