"""One process on one run directory, whoever asked for it: the ledger is held, the pipeline run, the files derived.

It needs an event loop and nothing of the process around it: signals, displays and other runs are its owner's.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, Self

import orjson

from config.yamlfile import write as to_yaml
from queues.ledger import Ledger, LedgerError, Reader
from service.observe.watch import Watch
from service.runs import rundir
from service.runs.fingerprint import differences
from service.runs.finish import Finished
from service.runs.lifecycle import Drain, Ending, Interrupted, RunState, background, ending_of, until_rest
from service.runs.plan import Plan
from service.runs.session import Around, Session
from service.runs.store import fresh_groups
from stages.core.errors import BudgetReached, InputError, RunStopped, TamisError
from stages.core.record import Group
from stages.io.atomic import replacing
from stages.io.manifest import Run, write_manifest

NOTE_S = 10.0


class Course:
    """A run, from its claim on the directory to its last file. An async context manager; `go`, then `end`."""

    def __init__(self, what: Plan, run_dir: Path, watch: Watch, around: Around) -> None:
        self._plan, self._dir, self._watch, self._around = what, run_dir, watch, around
        self._started, self._before_s = time.monotonic(), 0.0
        self._abort = asyncio.Event()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Open the ledger, and see that it is this run's. Raises InputError."""
        async with AsyncExitStack() as stack:
            reuse = None
            if self._around.reuse is not None:
                reuse = rundir.open_reuse(self._around.reuse)
                stack.callback(reuse.close)
            self._ledger = await asyncio.to_thread(rundir.open_ledger, self._dir, self._watch.metrics.committed)
            stack.push_async_callback(self._ledger.close)
            self.reader = stack.enter_context(rundir.open_reader(self._dir))
            self._before_s = _claim(self._ledger, self.reader, self._plan)
            seen = (self._watch.observe, self._watch.activity)
            self.session = Session(self._plan, self._around, self._ledger, self.reader, reuse, *seen)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def wall_s(self) -> float:
        return self._before_s + time.monotonic() - self._started

    @property
    def drain(self) -> Drain:
        return self.session.drain

    def stop(self, cause: TamisError) -> None:
        """Let no new call leave, let those in flight come home, and end."""
        self.drain.begin(cause)

    def abort(self) -> None:
        """End at once; what is committed is safe."""
        self.drain.begin(Interrupted("stopped at once"))
        self._abort.set()

    async def go(self) -> Ending:
        """Run the pipeline, and beside it what watches, until it is done, drained or broken."""
        session, watch = self.session, self._watch
        with replacing(self._dir / rundir.RESOLVED) as file:
            file.write(to_yaml(self._around.disclose(self._plan.pipeline)).encode())
        before = await asyncio.to_thread(write_manifest, self.reader, self._run("running"), self._dir / rundir.MANIFEST)
        groups = fresh_groups(self._seeds(), session.store, lambda: session.drain.begun)
        try:
            async with AsyncExitStack() as stack:
                for endpoint in session.endpoints.values():
                    await stack.enter_async_context(endpoint)
                watching = watch.begin(session, before, self.reader)
                work = {**watching, **session.background(), "wall": self._wall()}
                await stack.enter_async_context(background(work))
                await session.pipeline.run(groups, self._supervise)
        except (LedgerError, RunStopped) as error:
            session.drain.begin(error if isinstance(error, RunStopped) else rundir.stopped_by(error))
        watch.end()
        return ending_of(session.drain.cause)

    def _seeds(self) -> Iterator[Group]:
        """Yield the seeds that run; where the source has not as many any more as when it was looked over, drain."""
        missing, why = self._plan.read, "it has fewer rows"
        try:
            for group in self._plan.groups():
                missing -= 1
                yield group
        except InputError as error:
            why = str(error)
        if missing:
            remedy = "Put it back as it was"
            self.drain.begin(RunStopped(f"the source has changed since the run began: {why}", remedy))

    async def end(self, ending: Ending) -> Finished | None:
        """Commit what is pending and derive the files; None where the full disk that ended the run has no room."""
        await self.note_time()
        try:
            return await self._around.finish(self._dir, self._plan.pipeline, self._run(ending.state))
        except RunStopped:
            if ending.cause is None:
                raise
            return None  # resuming writes them

    async def note_time(self) -> None:
        """Commit how long the run has taken so far."""
        with suppress(LedgerError):  # what ended the run may be just this
            await self._ledger.set_meta("wall_s", f"{self.wall_s:.3f}")

    def _run(self, state: RunState) -> Run:
        what = self._plan
        return Run(what.pipeline.name, state, what.fingerprint, what.read, what.scan.skipped, self.wall_s)

    async def _wall(self) -> None:
        """Note now and then how long the run has taken, in case it is killed, and end it in time."""
        limit = self._plan.pipeline.budget.wall_s or math.inf
        while self.wall_s < limit:
            await asyncio.sleep(min(NOTE_S, limit - self.wall_s))
            await self.note_time()
        self.drain.begin(BudgetReached("wall_s", f"the budget of {limit:,.0f} s is spent"))

    async def _supervise(self, phase: Coroutine[Any, Any, None]) -> bool:
        """Run a phase to its end, or until the drain has come to rest; after a spent budget the next one may begin."""
        await until_rest(phase, self._rest(), self._abort)
        spent = isinstance(self.drain.cause, BudgetReached)
        return not self._abort.is_set() and (spent or not self.drain.begun)

    async def _rest(self) -> None:
        await self.drain.wait()
        if isinstance(self.drain.cause, BudgetReached) and self.drain.cause.which != "wall_s":
            await self.session.came_home()  # batches are paid for; after a signal they go on without us
        await self._watch.activity.quiet()


def _claim(ledger: Ledger, reader: Reader, what: Plan) -> float:
    """Make the ledger this run's, or see that it is; return the seconds that earlier processes took.

    Raises InputError naming what has changed its meaning since.
    """
    stored = ledger.meta("fingerprint")
    if stored is None or not rundir.begun(reader):
        ledger.set_meta("fingerprint", orjson.dumps(what.fingerprint).decode())
        return 0.0
    if changed := differences(orjson.loads(stored), what.fingerprint):
        held = ledger.path.parent
        raise InputError(
            f"--resume: this is another run than the one in {held}: {', '.join(changed)}; start it in another --out, "
            f"with --reuse {held} to take every reply it can"
        )
    return float(ledger.meta("wall_s") or 0)
