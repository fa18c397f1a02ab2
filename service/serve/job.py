"""One job while it runs: looked over again, its run begun or gone on with, stopped by whoever may."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from config.load import read_pipeline
from config.schema import Pipeline, resolved
from queues.ledger import LedgerError
from queues.registry import Record
from service.runs.course import Course
from service.runs.finish import Finished
from service.runs.lifecycle import Drain, Interrupted, ending_of
from service.runs.plan import Plan
from service.runs.rundir import LEDGER
from service.runs.session import Around
from service.serve import state
from service.serve.examine import given_of
from service.serve.feed import Feed
from service.serve.funnel import settled
from service.serve.line import CANCEL_S, Live, Surroundings, size_of
from service.serve.uploads import asked_of
from service.serve.watching import JobWatch
from service.serve.who import Caller
from stages.core.errors import CandidateError, InputError, RunStopped, TamisError
from stages.io.sources import Scan, open_source


@dataclass(slots=True)
class LiveJob(Live):
    """A job that has not ended, who listens to it, and its run where it has one."""

    feed: Feed = field(default_factory=Feed)
    running: RunningJob | None = None


class RunningJob:
    """A job that has its place. `run` goes through it; everything else may be called at any time before it ends."""

    def __init__(self, around: Surroundings, live: LiveJob) -> None:
        self._around, self._live = around, live
        self._dir = around.folder(live.record)
        self._course: Course | None = None
        self._drain = Drain()
        self.watch: JobWatch | None = None

    def heed(self) -> None:
        """Drain towards what somebody asked for: being `paused` or `cancelled`; in the latter case not for long."""
        asked = self._live.record.body["stopping"]
        if asked:
            self.stop(state.Asked(asked))
        if asked == "cancelled":
            asyncio.get_running_loop().call_later(CANCEL_S, self.abort)

    def stop(self, cause: TamisError) -> None:
        """Drain; the first cause counts."""
        self._drain.begin(cause)
        if self._course is not None:
            self._course.stop(cause)

    def abort(self) -> None:
        """Stop at once."""
        if self._course is not None:
            self._course.abort()

    async def run(self) -> Record | None:
        """Run the job, and return what has become of it; None where the service ended first."""
        self.heed()
        caller = self._around.callers.get(self._live.record.tenant)
        if caller is None:
            return state.failed(self._live.record, "input", "its tenant is not in service.yaml any more")
        try:
            plan = await self._planned(caller)
            if plan is not None:
                return await self._through(plan, caller)
            if isinstance(self._drain.cause, Interrupted):
                return None
            return state.after(self._live.record, ending_of(self._drain.cause))
        except InputError as error:
            code, words = "input", str(error)
        except (RunStopped, CandidateError, LedgerError) as error:
            code, words = "stopped", str(error)
        except Exception as error:  # a defect of tamis ends this job, in words, and no other
            self._around.log.exception("defect", job=self._live.record.id)
            code, words = "defect", f"tamis has a defect: {type(error).__name__}; the operator's log has the details"
        return state.failed(self._live.record, code, self._around.shared.disguised(words))

    async def _planned(self, caller: Caller) -> Plan | None:
        """Look the job over as if it were new; None where it was stopped before it had a ledger."""
        preparing = asyncio.ensure_future(self._plan(caller))
        stopped = asyncio.ensure_future(self._drain.wait())
        try:
            await asyncio.wait({preparing, stopped}, return_when=asyncio.FIRST_COMPLETED)
            going_on = not isinstance(self._drain.cause, Interrupted) and self._has_begun()
            return await preparing if preparing.done() or going_on else None
        finally:
            for task in (preparing, stopped):
                task.cancel()
            await asyncio.gather(preparing, stopped, return_exceptions=True)

    async def _plan(self, caller: Caller) -> Plan:
        """Return what will run. Raises InputError with all that is wrong, CandidateError.

        Whose run has begun is not asked again whether its servers are there: one that is away is waited for as in the
        middle of a run, since it may well have been restarted together with this service.
        """
        body = self._live.record.body
        asked = await asked_of(self._around.files, caller, body["pipeline"])
        found = await self._around.aside.examine(caller.tenant, asked)
        if found["errors"]:
            raise InputError([f"{one['loc']}: {one['message']}".removeprefix(": ") for one in found["errors"]])
        pipeline = read_pipeline(body["pipeline"], env={}, given=given_of(asked)).pipeline
        assert pipeline is not None  # noqa: S101  it was found to be good
        keys = {alias: self._around.shared.keys[alias] for alias in pipeline.used}
        source, scan = open_source(pipeline.source), Scan(**found["scan"])
        plan = Plan(pipeline, source, scan, keys, found["fingerprint"], body["limit"])
        if not self._has_begun():
            await plan.preflight()
        return plan

    async def _through(self, plan: Plan, caller: Caller) -> Record | None:
        around, live = self._around, self._live
        charge, guard = partial(self._charge, caller), partial(around.guard_disk, caller, self.stop)
        self.watch = JobWatch(plan, around.metrics, live.feed, charge, guard)
        disclose = resolved if caller.is_operator else disclosed
        given = Around(gates=around.shared.groups, job=live.record.id, finish=around.aside.finish, disclose=disclose)
        async with Course(plan, self._dir, self.watch, given) as course:
            self._course = course
            stages = [(stage.name, str(stage.type)) for stage in plan.pipeline.stages]
            self.watch.before = await settled(self._dir, stages)
            if self._drain.cause is not None:
                course.stop(self._drain.cause)
            try:
                ending = await course.go()
            finally:
                self.watch.end()
            if isinstance(ending.cause, Interrupted):
                await course.note_time()
                return None
            finished = await course.end(ending)
        size = await asyncio.to_thread(size_of, self._dir)
        after = state.after(live.record, ending)
        if after.body["error"] is not None:
            after.body["error"]["message"] = around.shared.disguised(after.body["error"]["message"])
        return after.now(bytes=size, **_facts(finished, after))

    def _charge(self, caller: Caller, tokens: int) -> None:
        """Count tokens that the job took, and stop it with its tenant's last one."""
        self._around.meter.charge(caller.tenant, tokens)
        if self._around.meter.left(caller) == 0:
            self.stop(state.QuotaSpent("your tokens of today are used up", "resume the job tomorrow (UTC)"))

    def _has_begun(self) -> bool:
        return (self._dir / LEDGER).exists()


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
