"""tamis from Python: run a pipeline, and read what came out.

    import tamis

    run = tamis.run("pipeline.yaml", out="runs/first")
    for sample in run.accepted():
        print(sample["messages"][-1]["content"])

Rows are those of the files in the run directory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

__all__ = ["Run", "run"]


@dataclass(frozen=True, slots=True)
class Run:
    """A run that ended. `code` is its exit code, `manifest` what manifest.json holds."""

    path: Path
    code: int
    manifest: dict[str, Any]

    def accepted(self) -> Iterator[dict[str, Any]]:
        """Yield the accepted samples, in canonical order."""
        return self._rows("accepted.jsonl")

    def rejected(self) -> Iterator[dict[str, Any]]:
        """Yield the rejected candidates, each with the stage, the reason and the words."""
        return self._rows("rejected.jsonl")

    def unsolved(self) -> Iterator[dict[str, Any]]:
        """Yield the seeds with nothing accepted, with what was tried."""
        return self._rows("unsolved.jsonl")

    def _rows(self, name: str) -> Iterator[dict[str, Any]]:
        with (self.path / name).open("rb") as file:
            yield from map(orjson.loads, file)


def run(
    pipeline: str | Path | Mapping[str, Any],
    out: str | Path | None = None,
    *,
    resume: bool = False,
    reuse: str | Path | None = None,
    limit: int | None = None,
    progress: bool = False,
) -> Run:
    """Run a pipeline (a file, or the same as a dict) and return it when it has ended.

    Raises config.problems.ConfigError or stages.core.errors.InputError where it could not start.
    """
    from service.runner import RunOptions, run_pipeline

    options = RunOptions(
        dict(pipeline) if isinstance(pipeline, Mapping) else Path(pipeline),
        None if out is None else Path(out),
        resume,
        None if reuse is None else Path(reuse),
        limit,
        progress=progress,
    )
    result = run_pipeline(options)
    return Run(result.run_dir, result.ending.code, result.manifest)
