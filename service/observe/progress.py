"""The display while a run goes on: a live one on a terminal, elsewhere a plain line every ten seconds.

What is shown is a function of the tally and of a look at the stages; only `run` touches a console, and only in the
task that its owner starts.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from config.schema import Pipeline
from queues.bounded import QueueStatistics
from service.human import brief, dollars, duration, rate
from service.observe.tally import Tally

LIVE_EVERY_S = 0.5
LINE_EVERY_S = 10.0
RATE_OVER_S = 10.0
LEFT_OVER_S = 60.0
BAR = 18

WORDS = {
    "generate": {"made": "candidates", "rejected": "rejected", "failed": "failed"},
    "verify": {
        "seen": "checked",
        "passed": "right",
        "rejected": "wrong",
        "failed": "not checkable",
        "marked": "marked",
    },
    "judge": {"seen": "judged", "rejected": "eliminated", "failed": "unreadable", "marked": "marked"},
    "select": {"seen": "seen", "passed": "selected", "failed": "failed"},
    "dedupe": {"seen": "seen", "rejected": "duplicates", "failed": "failed", "marked": "marked"},
}
"""What the counts of a stage of this type are called, in the order in which they are shown; the first two always."""
OTHERS = {"seen": "seen", "rejected": "rejected", "failed": "failed", "marked": "marked"}


class StageNow(NamedTuple):
    """A stage at one moment: its inbox, the groups it works on, and the phase it belongs to."""

    inbox: QueueStatistics
    busy: int
    phase: int


StagesNow = Callable[[], Mapping[str, StageNow]]
"""Looks at the stages, in the order of the pipeline; those that stand between two phases have no inbox."""


class Rate:
    """How fast a count grows, over the last `window` seconds in which it was noted."""

    def __init__(self, window: float) -> None:
        self._window = window
        self._noted: deque[tuple[float, float]] = deque()

    def note(self, now: float, count: float) -> None:
        self._noted.append((now, count))
        while len(self._noted) > 2 and self._noted[1][0] <= now - self._window:
            self._noted.popleft()

    @property
    def per_second(self) -> float:
        if len(self._noted) < 2 or self._noted[-1][0] <= self._noted[0][0]:
            return 0.0
        (start, before), (end, after) = self._noted[0], self._noted[-1]
        return (after - before) / (end - start)


class Progress:
    """The display of one run. `places`: looks how many calls may be on the wire now (0: none are made).

    `phases` the pipeline has; `before_s`: the wall time of earlier processes.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        ledger: Path,
        tally: Tally,
        stages: StagesNow,
        places: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
        *,
        phases: int,
        before_s: float = 0.0,
    ) -> None:
        self._pipeline, self._ledger, self._tally, self._phases = pipeline, ledger, tally, phases
        self._stages, self._places, self._clock = stages, places, clock
        self._started = clock() - before_s
        self._calls = Rate(RATE_OVER_S)
        self._made = {stage.name: Rate(RATE_OVER_S) for stage in pipeline.stages if stage.type == "generate"}
        self._left = Rate(LEFT_OVER_S)
        self._phase = tally.phase
        self.look()

    async def run(self, console: Console) -> None:
        """Show until cancelled; the owner runs this as a task."""
        if console.is_terminal and not console.is_dumb_terminal:
            with Live(console=console, auto_refresh=False, transient=True) as live:
                while True:
                    self.look()
                    live.update(self.screen(), refresh=True)
                    await asyncio.sleep(LIVE_EVERY_S)
        while True:
            await asyncio.sleep(LINE_EVERY_S)
            self.look()
            console.print(self.line(), soft_wrap=True, highlight=False, markup=False)

    def look(self) -> None:
        """Note the counts that rates are made of."""
        now, tally = self._clock(), self._tally
        if tally.phase != self._phase:
            self._phase, self._left = tally.phase, Rate(LEFT_OVER_S)
        self._calls.note(now, tally.total("calls", "ok"))
        self._left.note(now, tally.phase_left)
        for name, made in self._made.items():
            made.note(now, tally.found(name, "made"))

    def line(self) -> str:
        """Return everything in one line."""
        made = sum(self._tally.found(name, "made") for name in self._made)
        return " · ".join([f"{made:,} candidates", *self._outcomes(), *self._calls_and_cost()])

    def screen(self) -> RenderableType:
        """Return the whole display: a row per stage, what came out, what it takes."""
        title = f"{self._pipeline.name} · {self._tally.seeds:,} seeds · ledger {self._ledger}"
        table = Table.grid(padding=(0, 2, 0, 1))
        for row in self._rows():
            table.add_row(*row)
        below = (" " + "   ".join(self._outcomes()), " " + " · ".join(self._calls_and_cost()))
        return Group(Text(title, style="bold"), table, *map(Text, below))

    def _rows(self) -> Iterator[tuple[str, ...]]:
        now = self._stages()
        for stage in self._pipeline.stages:
            at = now.get(stage.name)
            place = ("", "") if at is None else (self._bar(stage.name, now), f"in {at.inbox.depth}/{at.inbox.capacity}")
            words = enumerate(WORDS.get(stage.type, OTHERS).items())
            counts = ((at, self._tally.found(stage.name, what), called) for at, (what, called) in words)
            facts = [f"{count:,} {called}" for at, count, called in counts if count or at < 2]
            if stage.name in self._made:
                facts.insert(1, rate(self._made[stage.name].per_second))
            yield (stage.name, *place, facts[0], "  ".join(facts[1:]))

    def _bar(self, name: str, now: Mapping[str, StageNow]) -> str:
        """Return how many of the phase's seeds are past a stage: those that left, and those at a later stage."""
        tally, names, own = self._tally, list(now), now[name].phase
        later = [now[other] for other in names[names.index(name) + 1 :] if now[other].phase == own]
        past = tally.phase_left + sum(stage.inbox.depth + stage.busy for stage in later)
        if own != tally.phase:
            past = tally.phase_seeds if own < tally.phase else 0
        filled = min(BAR, BAR * past // tally.phase_seeds) if tally.phase_seeds else BAR
        return "█" * filled + "░" * (BAR - filled)

    def _outcomes(self) -> list[str]:
        tally = self._tally
        solved = tally.total("seeds", "solved")
        parts = [
            f"accepted {tally.total('accepted'):,} ({solved:,} of {tally.seeds:,} seeds solved)",
            f"rejected {tally.total('candidates', 'rejected'):,}",
            f"failed {tally.total('candidates', 'failed'):,}",
        ]
        twins = [stage.name for stage in self._pipeline.stages if stage.type == "dedupe"]
        if twins:
            parts.append(f"duplicates {sum(tally.found(name, 'rejected') for name in twins):,}")
        return parts

    def _calls_and_cost(self) -> list[str]:
        tally, places = self._tally, self._places()
        usd, unpriced, accepted = tally.total("cost_usd"), tally.total("unpriced_calls"), tally.total("accepted")
        parts = [
            f"calls {rate(self._calls.per_second)}",
            f"in flight {tally.total('calls_in_flight'):,}" + (f"/{places:,}" if places else ""),
            f"429s {tally.total('rate_limited'):,}",
            f"tokens {brief(tally.total('tokens', 'prompt', 'completion'))}",
        ]
        if waiting := tally.total("in_batches"):
            parts.insert(2, f"in batches {waiting:,}")
        if unpriced:
            parts.append(f"{dollars(usd)} and {unpriced:,} calls of unknown price")
        else:
            parts.append(dollars(usd))
            if accepted:
                parts.append(f"{dollars(usd / accepted)} per accepted")
        return [*parts, self._time()]

    def _time(self) -> str:
        """Return the time that went, and about how much is left (of this phase, where there are several)."""
        took = duration(self._clock() - self._started)
        left, speed = self._tally.phase_seeds - self._tally.phase_left, self._left.per_second
        if not speed or left <= 0:
            return took
        where = " in this phase" if self._phases > 1 else ""
        return f"{took}, about {duration(left / speed)} left{where}"
