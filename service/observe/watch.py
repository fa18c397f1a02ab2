"""Everything that watches a run: metrics, the live display, log lines. The run itself does not know who looks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from queues.ledger import Reader
from service.observe import logs
from service.observe.metrics import Metrics
from service.observe.progress import Progress, StageNow
from service.observe.sampled import Sample, of_budgets, of_gates, of_queues, of_servers
from service.observe.tally import Counts, Tally
from service.runs.lifecycle import Activity
from service.runs.plan import Plan
from service.runs.rundir import LEDGER
from service.runs.session import Session
from stages.core.events import Event, Observe

LogStyle = Literal["off", "console", "json"]


class Watch:
    """The observers of one run. `observe` hears of events, `metrics` of the ledger's commits; nobody else looks."""

    def __init__(self, what: Plan, metrics: Metrics) -> None:
        self.activity = Activity()
        self.metrics = metrics
        self._plan = what
        self._observers: list[Observe] = [self.activity]

    def observe(self, event: Event) -> None:
        for observer in self._observers:
            observer(event)

    def begin(
        self, session: Session, manifest: Mapping[str, Any], reader: Reader
    ) -> dict[str, Coroutine[Any, Any, None]]:
        """Start observing; return, by name, what must run beside the pipeline.

        `manifest` is what stood when the process began.
        """
        return {}

    def end(self) -> None:
        """Tell what was counted and not told yet."""

    def _tally(self, counts: Counts, manifest: Mapping[str, Any], reader: Reader) -> Tally:
        """Return what adds up the whole run, from now on."""
        parked: Counter[int] = Counter()
        for row in reader.seed_counts():
            if row.state == "parked":
                parked[row.phase] += row.total
        tally = Tally(counts, self._plan.read, manifest, parked)
        self._observers.append(tally)
        return tally


class ConsoleWatch(Watch):
    """A run watched by the person who started it: live display, log lines, metrics of its own."""

    def __init__(self, what: Plan, run_dir: Path, progress: bool, log: LogStyle) -> None:
        super().__init__(what, Metrics(what.pipeline))
        self.console = Console(stderr=True)
        self._dir, self._show = run_dir, progress
        self._log = None if log == "off" else logs.LogObserver(logs.configure(log))
        self._observers.append(self.metrics)

    def begin(
        self, session: Session, manifest: Mapping[str, Any], reader: Reader
    ) -> dict[str, Coroutine[Any, Any, None]]:
        self.metrics.sample(lambda: _samples(session))
        self.metrics.began()
        self.metrics.counts["jobs", "running"] = 1
        work = {"loop lag": self.metrics.measure_lag()}
        if self._log is not None:
            self._observers.append(self._log)
        if self._show:
            work["progress"] = self._progress(session, manifest, reader).run(self.console)
        return work

    def end(self) -> None:
        self.metrics.ended()
        self.metrics.counts["jobs", "running"] = 0
        if self._log is not None:
            self._log.close()

    def _progress(self, session: Session, manifest: Mapping[str, Any], reader: Reader) -> Progress:
        tally = self._tally(self.metrics.counts, manifest, reader)
        return Progress(
            self._plan.pipeline,
            self._dir / LEDGER,
            tally,
            lambda: stages_now(session),
            lambda: sum(gate.places for gate in session.gates.values()),
            phases=len(session.pipeline.flows),
            before_s=float(manifest["wall_s"]),
        )

    def say(self, text: str) -> None:
        """Tell the person something in mid-run, beside the live display."""
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)


def stages_now(session: Session) -> dict[str, StageNow]:
    """Look at the stages of a run that goes on, in their order."""
    return {
        workers.stage.name: StageNow(workers.inbox.statistics(), workers.busy, flow.phase)
        for flow in session.pipeline.flows
        for workers in flow.workers
    }


def _samples(session: Session) -> Iterator[Sample]:
    yield from of_queues({name: now.inbox for name, now in stages_now(session).items()})
    yield from of_gates(session.gate_of)
    yield from of_budgets([session])
    yield from of_servers(session.endpoints.values())
