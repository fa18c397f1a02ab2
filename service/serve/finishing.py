"""The inside of the process that derives the files of jobs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from service.runs import rundir
from service.runs.finish import finish
from service.runs.lifecycle import collect_garbage_rarely
from stages.core.errors import RunStopped
from stages.io.manifest import Run


def make(_: object) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Return what answers the jobs of the process: `run_dir`, and in `run` what the ledger does not know."""
    collect_garbage_rarely()
    return _finished


def _finished(asked: dict[str, Any]) -> dict[str, Any]:
    run_dir = Path(asked["run_dir"])
    try:
        return {"defect": finish(run_dir, rundir.pipeline_of(run_dir), Run(**asked["run"])).defect}
    except RunStopped as error:
        return {"stopped": [error.cause, error.remedy]}
