"""One job while it runs: looked over again, its run begun or gone on with, stopped by whoever may."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, get_args

from config.load import read_pipeline
from config.schema import Pipeline, resolved
from queues.ledger import LedgerError
from queues.registry import Record, Registry
from service.observe.logs import Log
from service.observe.metrics import Metrics
from service.observe.progress import StageNow
from service.runs.course import Around, Course
from service.runs.finish import Finished
from service.runs.lifecycle import Interrupted, ending_of
from service.runs.plan import Plan
from service.runs.rundir import LEDGER
from service.runs.session import Session
from service.serve import state
from service.serve.aside import Aside
from service.serve.examine import given_of
from service.serve.feed import Feed
from service.serve.funnel import settled
from service.serve.shapes import JobState, Progress
from service.serve.shared import Meter, Shared
from service.serve.uploads import Uploaded
from service.serve.watching import JobWatch
from service.serve.who import Caller
from stages.core.errors import CandidateError, InputError, RunStopped, TamisError
from stages.io.sources import Scan, open_source

CANCEL_S = 5.0
"""How long a cancelled job's calls in flight may take to come home; they are paid for either way."""
DISK_EVERY_S = 10.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What jobs need of the service around them."""

    registry: Registry
    shared: Shared
    meter: Meter
    aside: Aside
    metrics: Metrics
    uploaded: Uploaded
    callers: Mapping[str, Caller]
    log: Log
    jobs_dir: Path

    def folder(self, job_id: str) -> Path:
        """Return the run directory of a job; ids are made here and nowhere else."""
        return self.jobs_dir / job_id

    def count_jobs(self, states: Mapping[str, int]) -> None:
        """Tell the metrics how many jobs there are in each state."""
        self.metrics.counts |= {("jobs", name): states.get(name, 0) for name in get_args(JobState)}


class RunningJob:
    """A job that has its place. `run` goes through it; everything else may be called at any time before it ends."""

    def __init__(self, around: Surroundings, feed: Feed) -> None:
        self._around, self._feed = around, feed
        self._course: Course | None = None
        self._watch: JobWatch | None = None
        self._cause: TamisError | None = None
        self._stopped = asyncio.Event()

    def stop(self, asked: str) -> None:
        """Drain towards being `paused` or `cancelled`; in the latter case not for long."""
        self._end(state.Asked(asked))
        if asked == "cancelled":
            asyncio.get_running_loop().call_later(CANCEL_S, self.abort)

    def interrupt(self) -> None:
        """Drain: the service ends."""
        self._end(Interrupted("the service was told to stop"))

    def abort(self) -> None:
        """Stop at once."""
        if self._course is not None:
            self._course.abort()

    def progress(self) -> Progress | None:
        return None if self._watch is None else self._watch.progress()

    @property
    def session(self) -> Session | None:
        """What makes its calls, while it does."""
        return None if self._watch is None else self._watch.session

    def stages(self) -> Mapping[str, StageNow]:
        return {} if self._watch is None else self._watch.stages()

    async def run(self, now: Callable[[], Record]) -> Record | None:
        """Run the job, and return what has become of it; None where the service ended first.

        `now()` is what is registered of it at that moment.
        """
        record, log = now(), self._around.log
        caller = self._around.callers.get(record.tenant)
        if caller is None:
            return state.failed(record, "input", "its tenant is not in service.yaml any more")
        try:
            plan = await self._planned(record, caller)
            if plan is None:
                assert self._cause is not None  # noqa: S101  there is no plan only because it was stopped
                interrupted = isinstance(self._cause, Interrupted)
                return None if interrupted else state.after(now(), ending_of(self._cause))
            return await self._through(plan, caller, now)
        except InputError as error:
            code, words = "input", str(error)
        except (RunStopped, CandidateError, LedgerError) as error:
            code, words = "stopped", str(error)
        except Exception as error:  # a defect of tamis ends this job, in words, and no other
            log.exception("defect", job=record.id)
            code, words = "defect", f"tamis has a defect: {type(error).__name__}; the operator's log has the details"
        return state.failed(now(), code, self._around.shared.disguised(words))

    def _end(self, cause: TamisError) -> None:
        self._cause = self._cause or cause
        self._stopped.set()
        if self._course is not None:
            self._course.stop(cause)

    async def _planned(self, record: Record, caller: Caller) -> Plan | None:
        """Look the job over as if it were new; None where it was stopped before it had a ledger."""
        preparing = asyncio.ensure_future(self._plan(record, caller))
        stopped = asyncio.ensure_future(self._stopped.wait())
        try:
            await asyncio.wait({preparing, stopped}, return_when=asyncio.FIRST_COMPLETED)
            going_on = not isinstance(self._cause, Interrupted) and (self._dir(record) / LEDGER).exists()
            return await preparing if preparing.done() or going_on else None
        finally:
            for task in (preparing, stopped):
                task.cancel()
            await asyncio.gather(preparing, stopped, return_exceptions=True)

    async def _plan(self, record: Record, caller: Caller) -> Plan:
        """Return what will run. Raises InputError with all that is wrong, CandidateError.

        Whose run has begun is not asked again whether its servers are there: one that is away is waited for as in the
        middle of a run, since it may well have been restarted together with this service.
        """
        asked = await self._around.uploaded.asked(caller, record.body["pipeline"])
        found = await self._around.aside.examine(asked)
        if found["errors"]:
            raise InputError([f"{one['loc']}: {one['message']}".removeprefix(": ") for one in found["errors"]])
        pipeline = read_pipeline(record.body["pipeline"], env={}, given=given_of(asked)).pipeline
        assert pipeline is not None  # noqa: S101  it was found to be good
        used = sorted({alias for stage in pipeline.stages for _, alias in stage.aliases()})
        keys = {alias: self._around.shared.keys[alias] for alias in used}
        source, scan = open_source(pipeline.source), Scan(**found["scan"])
        plan = Plan(pipeline, source, scan, keys, found["fingerprint"], record.body["limit"])
        if not (self._dir(record) / LEDGER).exists():
            await plan.preflight()
        return plan

    async def _through(self, plan: Plan, caller: Caller, now: Callable[[], Record]) -> Record | None:
        record, around = now(), self._around
        owed = partial(self._charge, caller), lambda: self._guard_disk(now(), caller)
        self._watch = JobWatch(plan, around.metrics, self._feed, *owed)
        disclose = resolved if caller.is_operator else disclosed
        given = Around(None, None, around.shared.groups, record.id, around.aside.finish, disclose)
        async with Course(plan, self._dir(record), self._watch, given) as course:
            self._course = course
            stages = [(stage.name, str(stage.type)) for stage in plan.pipeline.stages]
            self._watch.before = await settled(self._dir(record), stages)
            if self._cause is not None:
                course.stop(self._cause)
            try:
                ending = await course.go()
            finally:
                self._watch.end()
            if isinstance(ending.cause, Interrupted):
                await course.note_time()
                return None
            finished = await course.end(ending)
        size = await asyncio.to_thread(size_of, self._dir(record))
        after = state.after(now(), ending)
        if after.body["error"] is not None:
            after.body["error"]["message"] = around.shared.disguised(after.body["error"]["message"])
        return after.now(bytes=size, **_facts(finished, after))

    def _charge(self, caller: Caller, tokens: int) -> None:
        """Count tokens that the job took, and stop it with its tenant's last one."""
        self._around.meter.charge(caller.tenant, tokens)
        if self._around.meter.left(caller) == 0:
            self._end(state.QuotaSpent("your tokens of today are used up; resume the job tomorrow (UTC)"))

    async def _guard_disk(self, record: Record, caller: Caller) -> None:
        """Stop the job when its tenant has no room left on the disk."""
        quota = caller.quotas.disk_mb
        while quota is not None:
            held = await self._around.registry.total(caller.tenant, "bytes") - record.body["bytes"]
            if held + await asyncio.to_thread(size_of, self._dir(record)) > quota * 10**6:
                self._end(state.QuotaSpent("your quota of disk is full; delete files or jobs, then resume this one"))
            await asyncio.sleep(DISK_EVERY_S)

    def _dir(self, record: Record) -> Path:
        return self._around.folder(record.id)


def _facts(finished: Finished | None, record: Record) -> dict[str, Any]:
    """Return what the manifest of a run tells of a job."""
    if finished is None:
        return {}
    warnings = list(record.body["warnings"])
    if finished.defect:
        warnings.append(f"no report: tamis has a defect ({finished.defect})")
    return {
        **{key: finished.manifest[key] for key in ("counts", "calls", "tokens", "cost_usd", "wall_s")},
        "warnings": warnings,
    }


def disclosed(pipeline: Pipeline) -> dict[str, Any]:
    """Return what really runs as plain data, without where the operator's endpoints are and how they are asked."""
    data = resolved(pipeline)
    hidden: dict[str, Any] = {"api_key_env": [], "api_key_file": [], "headers": {}, "query": {}}
    hidden |= {"proxy": None, "ca_file": None}
    for alias, endpoint in data["endpoints"].items():
        url = ["https://service.invalid"] if endpoint["base_url"] else []
        data["endpoints"][alias] = {**endpoint, **hidden, "base_url": url}
    return data


def size_of(folder: Path) -> int:
    """Return the bytes of all files below a folder; those that vanish meanwhile count nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total
