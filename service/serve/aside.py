"""Work that takes long and needs no event loop, done in processes beside it: looking a job over, deriving its files."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from config.schema import Pipeline
from config.service import Service
from service.runs import rundir
from service.runs.finish import Finished, finish
from service.runs.lifecycle import collect_garbage_rarely
from stages.core.errors import RunStopped
from stages.io.manifest import Run
from stages.verify.workers import Workers

EXAMINE_S, FINISH_S = 600.0, 6 * 3600.0
EXAMINERS = 2
"""Processes that look jobs over; one tenant has one of them at a time, so that others need not wait for all of its."""


class Aside:
    """The processes beside the loop. They are started when they are first needed, and die with the service."""

    def __init__(self, config: Service) -> None:
        variables = [name for endpoint in config.endpoints.values() for name in endpoint.api_key_env]
        self._examiners = Workers("service.serve.examine:make", variables, size=EXAMINERS, limit_s=EXAMINE_S)
        each = 1 if config.tenants else EXAMINERS
        self._places = defaultdict[str, asyncio.Semaphore](lambda: asyncio.Semaphore(each))
        self._finishers = Workers("service.serve.aside:make_finisher", size=1, limit_s=FINISH_S, memory_bytes=None)

    async def stop(self) -> None:
        await self._examiners.stop()
        await self._finishers.stop()

    async def warm(self) -> None:
        """Start a process for what comes first, so that whoever asks first need not wait for it."""
        await self.examine("", {"pipeline": {}, "endpoints": {}, "uploads": {}, "alone": True})

    async def examine(self, tenant: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Return what `examine.examine` finds. Raises CandidateError where it takes too long or too much memory."""
        async with self._places[tenant]:
            found: dict[str, Any] = await self._examiners.ask(asked, "looking the pipeline over")
        return found

    async def finish(self, run_dir: Path, pipeline: Pipeline, run: Run) -> Finished:
        """Derive the files of a run as `finish.finish` does. Raises RunStopped, CandidateError."""
        answer = await self._finishers.ask({"run_dir": str(run_dir), "run": asdict(run)}, "making the job's files")
        if "stopped" in answer:
            raise RunStopped(*answer["stopped"])
        return Finished(rundir.manifest_of(run_dir), [], answer["defect"])


def make_finisher(_: object) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Return what answers the jobs of the process that derives files: `run_dir`, and in `run` what no ledger knows."""
    collect_garbage_rarely()
    return _finished


def _finished(asked: dict[str, Any]) -> dict[str, Any]:
    run_dir = Path(asked["run_dir"])
    try:
        return {"defect": finish(run_dir, rundir.pipeline_of(run_dir), Run(**asked["run"])).defect}
    except RunStopped as error:
        return {"stopped": [error.cause, error.remedy]}
