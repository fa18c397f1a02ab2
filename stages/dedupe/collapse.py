"""Watches what one generate stage brings, tells when it begins to repeat itself, and steers it away from that.

An alarm takes the next step that there is. Steps add up; one under which plainly fewer outputs are accepted than before
is taken back. Every alarm and every step is committed before it is acted on, and a resumed run begins with the
steerings that its ledger has.

Only outputs of the steering in force count for the next alarm: what is still under way from before says nothing of it.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from itertools import zip_longest
from typing import Any

from config.schema import Collapse, Generate
from stages.core.base import Decisions, Place
from stages.core.events import Collapsing, DiversityMeasured
from stages.core.record import Candidate, Group, Seed
from stages.core.steering import Monitor, Steering, Step
from stages.core.text import normal
from stages.dedupe.change import Alarm, RepeatAlarm, upper_limit
from stages.dedupe.diversity import Figures, Recent, Windows
from stages.dedupe.words import spaced

ALARMS, FIGURES = "collapse", "diversity"
"""The kinds of the ledger's rows."""
EFFECT = 200
"""Outputs after which it is written down what a step has brought."""
_PATIENCE = 150
"""Outputs that a step is given before the next one is taken; by then its yield is known, too."""
_YIELD_FROM = 100
"""Outputs that must be done before their yield is compared."""
_FALL = 0.02
"""A yield that falls by less is worth the diversity."""
_SILENT = 5_000
"""Outputs after which an alarm that nothing answers is told again."""
_SHORT = 5
"""Words that an answer must have for its return to mean anything."""
_WARMER_AT_MOST = 3

PERSONAS = (
    "a teacher who explains with everyday objects",
    "an engineer who wants every number to have a unit",
    "a journalist who asks who, where and when",
    "a historian who starts from a concrete event",
    "a nurse with years on a busy ward",
    "a ten-year-old who asks why",
    "a sceptical scientist who looks for the exception",
    "a craftsman who thinks with the hands",
)
"""Who speaks where the pipeline names nobody."""


def steps(collapse: Collapse | None, stage: Generate) -> list[Step]:
    """Return the steps that a stage can take, in their order: one of each kind, then those that can go further."""
    most = {"temperature": _WARMER_AT_MOST, "prompt": len(stage.prompts) - 1, "persona": 1, "verbalized": 1}
    kinds = [[step] * most[step] for step in (collapse.respond if collapse else ())]
    return [step for each_kind in zip_longest(*kinds) for step in each_kind if step is not None]


@dataclass(slots=True)
class _Tally:
    """What came of the outputs of one steering. `left`: those whose groups are done, `passed` of these."""

    outputs: int = 0
    repeats: int = 0
    left: int = 0
    passed: int = 0

    def as_dict(self, otherwise: float | None) -> dict[str, float | None]:
        """Return the shares; that of passed ones may be known from earlier, as long as too few have left."""
        share = self.passed / self.left if self.left >= _YIELD_FROM else otherwise
        return {
            "repeated": round(self.repeats / self.outputs, 4) if self.outputs else None,
            "yield": None if share is None else round(share, 4),
        }


class CollapseMonitor(Monitor):
    """The monitor of one stage, the one at `place`.

    A repeat is a text that was there before. In answers (`emit: candidates`) one of few words is not, since short
    answers come again by nature, nor one given before to the same seed: that is agreement.
    """

    def __init__(
        self,
        place: Place,
        stage: Generate,
        collapse: Collapse | None,
        decisions: Decisions,
        at_once: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`at_once`: how many calls keep every place at the endpoints taken."""
        super().__init__()
        self._name, self._decisions, self._observe = place.name, decisions, place.observe
        self._emits = stage.emit == "seeds"
        self._steps = steps(collapse, stage)
        self._personas = (collapse and collapse.personas) or PERSONAS
        self.one_prompt = "prompt" in self._steps
        if self._steps:
            self.room = asyncio.Semaphore(at_once)
        self._windows, self._recent, self._alarm = Windows(clock), Recent(), RepeatAlarm()
        self._tallies = defaultdict[int, _Tally](_Tally)
        self._under: dict[tuple[int, int], int] = {}
        self._outputs = self._taken = self._silent_until = 0
        self._yield: float | None = None
        self._before: dict[str, float | None] | None = None
        self._fell = self._deciding = False

    async def start(self) -> None:
        for scope, body in self._decisions.made(FIGURES):
            if scope == self._name:
                self._outputs = body["at"]
                self._alarm = RepeatAlarm(usual=body["usual"])
        for scope, body in self._decisions.made(ALARMS):
            if scope == self._name:
                self._outputs = max(self._outputs, body["at"])
                self._act(body)

    async def saw(self, group: Group, candidate: Candidate, steering: Steering) -> None:
        self._under[group.seed.no, candidate.n] = steering.number
        if candidate.state != "live":
            return
        self._outputs += 1
        repeats = self._repeats(group, candidate)
        for figures in self._windows.add(candidate.text, group.seed.topic, repeats):
            await self._measured(figures)
        if steering.number == self.steerings[-1].number and not self._deciding:
            body = self._decide(repeats)
            if body is not None:
                await self._make(body)

    def became(self, group: Group, candidate: Candidate, seed: Seed) -> None:
        self._under[seed.no, -1] = self._under.pop((group.seed.no, candidate.n))

    def left(self, group: Group) -> None:
        no, stays = group.seed.no, ("live", "accepted")
        if (number := self._under.pop((no, -1), None)) is not None:
            self._count(number, any(candidate.state in stays for candidate in group.candidates))
        for candidate in group.candidates:
            if (number := self._under.pop((no, candidate.n), None)) is not None:
                self._count(number, candidate.state in stays)

    def _repeats(self, group: Group, candidate: Candidate) -> bool:
        text = normal(candidate.text)
        again = self._recent.repeats(text)
        if self._emits or not again:
            return again
        others = (other.text for other in group.candidates if other is not candidate)
        return spaced(text).count(" ") + 1 >= _SHORT and all(normal(other) != text for other in others)

    async def _measured(self, figures: Figures) -> None:
        values = asdict(figures)
        if self._observe is not None and figures.topic is None:
            self._observe(DiversityMeasured(self._name, *(values[name] for name in DiversityMeasured._fields[1:])))
        rounded = {key: round(value, 4) if isinstance(value, float) else value for key, value in values.items()}
        await self._decisions.make(FIGURES, self._name, {"at": self._outputs, **rounded, "usual": self._alarm.usual})

    def _count(self, number: int, passed: bool) -> None:
        """Count an output whose group is done, and see now and then whether a step has made the yield fall."""
        tally = self._tallies[number]
        tally.left += 1
        tally.passed += passed
        if self._before is None or self._yield is None or number != self.steerings[-1].number:
            return
        if tally.left in (_YIELD_FROM << n for n in range(8)):
            self._fell = upper_limit(tally.passed, tally.left) < self._yield - _FALL

    def _decide(self, repeats: bool) -> dict[str, Any] | None:
        """Take an output of the steering in force in; return what there is to commit."""
        tally = self._tallies[self.steerings[-1].number]
        tally.outputs += 1
        tally.repeats += repeats
        alarm = self._alarm.add(repeats)
        if self._fell:
            step = self._steps[self._taken - 1]
            return self._row(
                "undone", step=step, steering=asdict(replace(self.steerings[-2], number=len(self.steerings)))
            )
        patient = self._before is not None and tally.outputs < _PATIENCE
        if alarm is not None and not patient and self._outputs >= self._silent_until:
            return self._alarmed(alarm)
        if self._before is not None and tally.outputs == EFFECT:
            return self._row("effect")
        return None

    def _alarmed(self, alarm: Alarm) -> dict[str, Any]:
        row = self._row("alarm", began=self._outputs - (alarm.at - alarm.began), usual=round(alarm.usual, 4))
        row["now"]["repeated"] = round(alarm.share, 4)
        if self._taken < len(self._steps):
            step = self._steps[self._taken]
            row |= {"step": step, "steering": asdict(self.steerings[-1].after(step, self._personas))}
        return row

    def _row(self, what: str, **more: Any) -> dict[str, Any]:
        """Return the row of something that happened now: how it was before the last step, and how it is since then."""
        now = self._tallies[self.steerings[-1].number].as_dict(self._yield)
        return {"what": what, "at": self._outputs, **more, "before": self._before, "now": now}

    async def _make(self, body: dict[str, Any]) -> None:
        self._deciding = True
        try:
            await self._decisions.make(ALARMS, self._name, body)
        finally:
            self._deciding = False
        self._act(body)
        if self._observe is not None:
            self._observe(Collapsing(self._name, body["what"], body.get("step", "")))

    def _act(self, body: dict[str, Any]) -> None:
        """Do what was committed, now or by an earlier process."""
        if "steering" in body:
            self.steerings.append(Steering(**body["steering"]))
            self._alarm, self._fell = RepeatAlarm(usual=self._alarm.usual or body.get("usual", 0.0)), False
            forward = body["what"] == "alarm"
            self._before, self._yield = (body["now"], body["now"]["yield"]) if forward else (None, self._yield)
            self._taken += forward
        elif body["what"] == "alarm":
            self._silent_until = body["at"] + _SILENT
