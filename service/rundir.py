"""The run directory: which folder a run gets, whether it may have it, and how the ledger in it is opened."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from config import yamlfile
from config.schema import Pipeline
from queues.ledger import Ledger, LedgerError, Reader, ReplyIndex
from queues.ledger.writer import OnCommit
from stages.core.errors import InputError, RunStopped

LEDGER = "ledger.sqlite"


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """A folder with a ledger, and what is derived from it."""

    path: Path

    @property
    def ledger(self) -> Path:
        return self.path / LEDGER

    @property
    def manifest(self) -> Path:
        return self.path / "manifest.json"

    @property
    def resolved(self) -> Path:
        return self.path / "pipeline.resolved.yaml"


def choose(out: Path | None, name: str, resume: bool) -> RunDirectory:
    """Return the folder of a run. Raises InputError where it holds a run that was not asked for."""
    if out is None:
        if resume:
            raise InputError("--resume: say which run goes on, with --out RUN_DIR")
        out = Path("runs") / f"{name}-{time.strftime('%Y-%m-%dT%H-%M-%S')}"
    run_dir = RunDirectory(out)
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out}: this is a file; name a folder")
    if run_dir.ledger.exists() and not resume:
        raise InputError(f"--out {out}: this folder holds a run already; go on with --resume, or name another folder")
    return run_dir


def existing(path: Path) -> RunDirectory:
    """Return the folder of a run that is there. Raises InputError."""
    run_dir = RunDirectory(path)
    if not run_dir.ledger.exists():
        raise InputError(f"{path}: there is no run here ({LEDGER} is missing)")
    return run_dir


def pipeline_of(run_dir: RunDirectory) -> Pipeline:
    """Return what a run really ran. Raises InputError where that is not written yet."""
    try:
        text = run_dir.resolved.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{run_dir.resolved}: there is no such file; without it nobody knows the stages") from None
    data, _, _ = yamlfile.read(text, str(run_dir.resolved))
    return Pipeline.model_validate(data)


def open_ledger(run_dir: RunDirectory, on_commit: OnCommit | None) -> Ledger:
    """Open the ledger for writing, making folder and file as needed. Raises InputError."""
    try:
        run_dir.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {run_dir.path}: cannot make the folder: {error.strerror}") from None
    with _refused():
        return Ledger.open(run_dir.ledger, on_commit=on_commit)


def open_reader(run_dir: RunDirectory) -> Reader:
    """Open the ledger for reading. Raises InputError."""
    with _refused():
        return Reader(run_dir.ledger)


def open_reuse(path: Path) -> ReplyIndex:
    """Index the replies of an older run. Raises InputError."""
    with _refused():
        return ReplyIndex(existing(path).ledger)


@contextmanager
def _refused() -> Iterator[None]:
    """Tell the person what is wrong with a ledger; its errors name the file and what to do."""
    try:
        yield
    except LedgerError as error:
        raise InputError(str(error)) from None


def stopped_by(error: LedgerError) -> RunStopped:
    """Return a failed ledger as the reason that a run stopped for."""
    return RunStopped(str(error), "Free some space or mend the disk")
