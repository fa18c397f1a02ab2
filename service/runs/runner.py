"""A run as the command line makes it: one in its process, stopped by signals, watched on a terminal.

The order matters: what can be found wrong is found before the run directory is touched, the ledger is held before
anything is sent, and what is derived is written after the last commit.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from service.observe.metrics import serve_metrics
from service.observe.summary import Ended, stopped, summary
from service.observe.watch import ConsoleWatch, LogStyle
from service.runs import rundir
from service.runs.course import Course
from service.runs.finish import Finished
from service.runs.lifecycle import Ending, Interrupted, allow_many_connections, collect_garbage_rarely, signals
from service.runs.plan import Plan, plan
from service.runs.session import Around, OnReply
from service.runs.store import made
from stages.core.errors import RunStopped


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
    watch = ConsoleWatch(what, run_dir, options.progress, options.log)
    around = Around(options.reuse, options.on_reply)
    course = Course(what, run_dir, watch, around)
    await what.preflight()
    for warning in what.warnings:
        watch.say(warning)
    async with AsyncExitStack() as stack:
        if options.metrics_port is not None:
            url = await stack.enter_async_context(serve_metrics(watch.metrics.registry, options.metrics_port))
            watch.say(f"metrics at {url}")
        await stack.enter_async_context(course)

        def first(name: str) -> None:
            watch.say(f"Draining: {watch.activity.in_flight} calls in flight. Press again to stop now.")
            course.stop(Interrupted(f"interrupted by {name}"))

        def second() -> None:
            watch.say("Stopping now; what is committed is safe.")
            course.abort()

        with signals(first, second):
            ending = await course.go()
        finished = await course.end(ending) or Finished({}, [])
        collapse, failure = list(made(course.reader, "collapse")), course.reader.failure()
        counts = course.reader.candidate_counts()
        ended = Ended(finished.manifest, counts, what.pipeline, run_dir, finished.audit, collapse, failure)
        told = _told(ending, ended, options)
        if finished.defect:
            told += f"\nno report: tamis has a defect ({finished.defect}); tamis report {run_dir} says where"
    return Result(ending, what, run_dir, finished.manifest, told)


def _told(ending: Ending, ended: Ended, options: RunOptions) -> str:
    """Return what the person is told at the end."""
    again = f"tamis run {options.pipeline} --out {ended.run_dir} --resume"
    if isinstance(ending.cause, RunStopped):
        return stopped(ending.cause, ended.manifest, again)
    return summary(ended, str(ending.cause or ""), again)
