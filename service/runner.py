"""One local run: from a checked plan to the last derived file, on one event loop.

The order matters: what can be found wrong is found before the run directory is touched, the ledger is held before
anything is sent, and what is derived is written after the last commit.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import uvloop

from config.schema import resolved
from config.yamlfile import write as to_yaml
from queues.ledger import Ledger, LedgerError, Reader
from service import rundir
from service.alike import NearRows
from service.audit import Audit
from service.card import body, write_cards
from service.fingerprint import differences
from service.lifecycle import (
    Drain,
    Ending,
    Interrupted,
    RunState,
    allow_many_connections,
    background,
    collect_garbage_rarely,
    ending_of,
    signals,
)
from service.metrics import serve_metrics
from service.plan import Plan, plan
from service.report.report import Report, Spared
from service.session import OnReply, Session
from service.store import fresh_groups, made
from service.summary import Ended, stopped, summary
from service.watch import LogStyle, Watch
from stages.core.errors import BudgetReached, InputError, RunStopped
from stages.io.atomic import replacing
from stages.io.manifest import Run, write_manifest
from stages.io.outputs import derive


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the person asked for. `pipeline` is a file, or the same as plain data.

    `probe`: run only so many seeds, drawn evenly; `on_reply` hears of every reply.
    """

    pipeline: Path | dict[str, Any]
    out: Path | None = None
    resume: bool = False
    reuse: Path | None = None
    limit: int | None = None
    sets: tuple[str, ...] = ()
    metrics_port: int | None = None
    progress: bool = True
    log: LogStyle = "off"
    probe: int | None = None
    on_reply: OnReply | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """How a run ended, what ran, where it is, its manifest, and what to tell the person."""

    ending: Ending
    plan: Plan
    run_dir: Path
    manifest: dict[str, Any]
    told: str


def run_pipeline(options: RunOptions) -> Result:
    """Run to the end, whatever end that is. Raises ConfigError or InputError where it could not start."""
    try:
        what = plan(options.pipeline, options.sets, options.limit, options.probe)
        run_dir = rundir.choose(options.out, what.pipeline.name, options.resume)
        allow_many_connections()
        collect_garbage_rarely()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_run(what, run_dir, options))
    except KeyboardInterrupt:  # before the first call or after the last one; in between `signals` has the say
        raise Interrupted("interrupted; nothing was lost") from None


async def _run(what: Plan, run_dir: Path, options: RunOptions) -> Result:
    started = time.monotonic()
    await what.preflight()
    watch = Watch(what, run_dir, options.progress, options.log)
    for warning in what.warnings:
        watch.say(warning)
    async with AsyncExitStack() as stack:
        if options.metrics_port is not None:
            url = await stack.enter_async_context(serve_metrics(watch.metrics.registry, options.metrics_port))
            watch.say(f"metrics at {url}")
        reuse = None
        if options.reuse is not None:
            reuse = rundir.open_reuse(options.reuse)
            stack.callback(reuse.close)
        ledger = rundir.open_ledger(run_dir, watch.committed)
        stack.push_async_callback(ledger.close)
        reader = stack.enter_context(rundir.open_reader(run_dir))
        before_s = _claim(ledger, what)
        run = _Run(what, run_dir, ledger, reader, before_s, started)
        hears = (watch.observe, watch.activity)
        session = Session(what.pipeline, what.keys, ledger, reader, reuse, *hears, what.within, options.on_reply)
        ending = await run.go(session, watch)
        watch.end()
        manifest = await run.end(ending)
        collapse, failure = list(made(reader, "collapse")), reader.failure()
        ended = Ended(manifest, reader.candidate_counts(), what.pipeline, run_dir, run.audit.found, collapse, failure)
        told = _told(ending, ended, options)
        if run.defect:
            told += f"\nno report: tamis has a defect ({run.defect}); tamis report {run_dir} says where"
    return Result(ending, what, run_dir, manifest, told)


def _told(ending: Ending, ended: Ended, options: RunOptions) -> str:
    """Return what the person is told at the end."""
    again = f"tamis run {options.pipeline} --out {ended.run_dir} --resume"
    if isinstance(ending.cause, RunStopped):
        return stopped(ending.cause, ended.manifest, again)
    return summary(ended, str(ending.cause or ""), again)


def _claim(ledger: Ledger, what: Plan) -> float:
    """Make the ledger this run's, or see that it is; return the seconds that earlier processes took.

    Raises InputError naming what has changed its meaning since.
    """
    stored = ledger.meta("fingerprint")
    if stored is None:
        ledger.set_meta("fingerprint", orjson.dumps(what.fingerprint).decode())
        return 0.0
    if changed := differences(orjson.loads(stored), what.fingerprint):
        held = ledger.path.parent
        raise InputError(
            f"--resume: this is another run than the one in {held}: {', '.join(changed)}; start it in another --out, "
            f"with --reuse {held} to take every reply it can"
        )
    return float(ledger.meta("wall_s") or 0)


class _Run:
    """The course of one process on one run directory."""

    def __init__(
        self, what: Plan, run_dir: Path, ledger: Ledger, reader: Reader, before_s: float, started: float
    ) -> None:
        self._plan, self._dir, self._ledger, self._reader = what, run_dir, ledger, reader
        self._before_s, self._started = before_s, started
        self.audit = Audit(what.pipeline, reader, run_dir)
        self.defect = ""

    @property
    def wall_s(self) -> float:
        return self._before_s + time.monotonic() - self._started

    async def go(self, session: Session, watch: Watch) -> Ending:
        """Run the pipeline, and beside it what watches, until it is done, drained or broken."""
        with replacing(self._dir / rundir.RESOLVED) as file:
            file.write(to_yaml(resolved(self._plan.pipeline)).encode())
        before = self.write_manifest("running")
        stopping = _Stopping(session, watch)
        groups = fresh_groups(self._plan.groups(), session.store, lambda: session.drain.begun)
        try:
            async with AsyncExitStack() as stack:
                stack.enter_context(signals(stopping.first, stopping.second))
                for endpoint in session.endpoints.values():
                    await stack.enter_async_context(endpoint)
                watching = watch.begin(session, before, self._reader)
                wall = self._wall(session.drain)
                await stack.enter_async_context(background({**watching, **session.background(), "wall": wall}))
                await session.pipeline.run(groups, stopping.supervise)
        except LedgerError as error:
            session.drain.begin(rundir.stopped_by(error))
        return ending_of(session.drain.cause)

    async def _wall(self, drain: Drain) -> None:
        limit = self._plan.pipeline.budget.wall_s
        if limit is not None:
            await asyncio.sleep(max(0.0, limit - self.wall_s))
            drain.begin(BudgetReached("wall_s", f"the budget of {limit:,.0f} s is spent"))

    async def end(self, ending: Ending) -> dict[str, Any]:
        """Commit what is pending and derive the files."""
        with suppress(LedgerError):  # what ended the run may be just this; the manifest tells from what is there
            await self._ledger.set_meta("wall_s", f"{self.wall_s:.3f}")
        try:
            pipeline = self._plan.pipeline
            report = Spared(Report(pipeline, self._reader, self._dir))
            written = derive(self._reader, self._dir, pipeline.outputs, NearRows, [self.audit, report])
            manifest = self.write_manifest(ending.state)
            write_cards(self._dir, written, body(pipeline, manifest, self.audit.found))
            report.write(manifest, self.audit.found)
            self.defect = report.defect
        except RunStopped:
            if ending.cause is None:
                raise
            return {}  # a full disk that ended the run has no room for the files either; resuming writes them
        return manifest

    def write_manifest(self, state: RunState) -> dict[str, Any]:
        what = self._plan
        run = Run(what.pipeline.name, state, what.fingerprint, what.read, what.scan.skipped, self.wall_s)
        return write_manifest(self._reader, run, self._dir / rundir.MANIFEST)


class _Stopping:
    """What signals and drains do to the phase that runs."""

    def __init__(self, session: Session, watch: Watch) -> None:
        self._session, self._drain, self._watch = session, session.drain, watch
        self._abort = asyncio.Event()

    def first(self, name: str) -> None:
        self._watch.say(f"Draining: {self._watch.activity.in_flight} calls in flight. Press again to stop now.")
        self._drain.begin(Interrupted(f"interrupted by {name}"))

    def second(self) -> None:
        self._watch.say("Stopping now; what is committed is safe.")
        self._abort.set()

    async def supervise(self, phase: Coroutine[Any, Any, None]) -> bool:
        """Run a phase to its end, or until the drain has come to rest; after a spent budget the next one may begin."""
        work = asyncio.create_task(phase, name="phase")
        rest = asyncio.create_task(self._rest(), name="drain")
        abort = asyncio.create_task(self._abort.wait(), name="abort")
        try:
            await asyncio.wait({work, rest, abort}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                await work
        finally:
            for task in (work, rest, abort):
                task.cancel()
            await asyncio.gather(work, rest, abort, return_exceptions=True)
        spent = isinstance(self._drain.cause, BudgetReached)
        return not self._abort.is_set() and (spent or not self._drain.begun)

    async def _rest(self) -> None:
        await self._drain.wait()
        if isinstance(self._drain.cause, BudgetReached) and self._drain.cause.which != "wall_s":
            await self._session.came_home()  # batches are paid for; after a signal they go on without us
        await self._watch.activity.quiet()
