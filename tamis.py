"""tamis from Python: run a pipeline, and read what came out.

    import tamis

    run = tamis.run("pipeline.yaml", out="runs/first")
    for sample in run.accepted():
        print(sample["messages"][-1]["content"])

    run = tamis.load("runs/first")      # later, or while it goes on
    data = run.dataset()                # a datasets.Dataset

Rows are those of the files in the run directory, read from its ledger, so they are there before the files are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasets import Dataset

__all__ = ["Run", "load", "run"]

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Run:
    """A run: one that ended, was interrupted, or still goes on.

    `manifest` is what manifest.json held when it was loaded; `code` the exit code that the run ended with, None where
    it has not ended.
    """

    path: Path
    code: int | None
    manifest: Row

    def accepted(self) -> Iterator[Row]:
        """Yield the accepted samples, in canonical order."""
        return self._rows("accepted")

    def rejected(self) -> Iterator[Row]:
        """Yield the rejected candidates, each with the stage, the reason and the words."""
        return self._rows("rejected")

    def failed(self) -> Iterator[Row]:
        """Yield the candidates that could not be made or judged, each with the stage, the reason and the words."""
        return self._rows("failed")

    def unsolved(self) -> Iterator[Row]:
        """Yield the seeds with nothing accepted, with what was tried."""
        return self._rows("unsolved")

    def candidates(self) -> Iterator[Row]:
        """Yield every candidate with all that is known of it: its prompt, verdicts, scores, state and seed's row."""
        return self._rows("candidates")

    def dataset(self) -> Dataset:
        """Return the accepted samples as a `datasets.Dataset`, in memory.

        What does not fit there is better read from an export, with `datasets.load_dataset(run.path)`. Raises
        stages.core.errors.InputError where the extra `huggingface` is not installed.
        """
        from stages.core.extras import require_extra

        require_extra("datasets", "huggingface", "dataset()")
        from datasets import Dataset

        return Dataset.from_list(list(self.accepted()))

    def export(
        self,
        format: str,  # noqa: A002  as the option of the command is called
        out: str | Path | None = None,
        *,
        file: str | None = None,
        where: str | None = None,
        thresholds: Sequence[str] = (),
    ) -> list[Path]:
        """Write the samples in another format, as `tamis export` does; return the files, or the patterns of shards.

        Raises stages.core.errors.InputError.
        """
        from service.exports.reexport import export_run

        to = None if out is None else Path(out)
        return list(export_run(self.path, format, to, file, where, thresholds=thresholds).files)

    def _rows(self, kind: str) -> Iterator[Row]:
        from service.runs import rundir
        from stages.io.outputs import rows

        outputs = rundir.pipeline_of(self.path).outputs
        with rundir.open_reader(self.path) as reader:
            yield from rows(reader, outputs, kind)


def load(run_dir: str | Path) -> Run:
    """Return the run in a folder, whether it has ended or not. Raises stages.core.errors.InputError.

    Its rows are read anew each time; those of a run that goes on are then more.
    """
    from service.runs import rundir
    from service.runs.lifecycle import CODES

    path = Path(run_dir)
    rundir.pipeline_of(path)
    manifest = rundir.manifest_of(path)
    return Run(path, CODES.get(manifest["state"]), manifest)


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
    from service.runs.runner import RunOptions, run_pipeline

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
