"""The run directory: which folder a run gets, whether it may have it, and how the ledger in it is opened."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from queues.ledger import Ledger, LedgerError, LedgerLocked, Reader
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


def open_ledger(run_dir: RunDirectory, on_commit: OnCommit | None) -> Ledger:
    """Open the ledger for writing, making folder and file as needed. Raises InputError."""
    try:
        run_dir.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {run_dir.path}: cannot make the folder: {error.strerror}") from None
    try:
        return Ledger.open(run_dir.ledger, on_commit=on_commit)
    except LedgerLocked as error:
        raise InputError(f"{run_dir.path}: {error}; wait for it, or name another --out") from None
    except LedgerError as error:
        raise InputError(f"{run_dir.path}: {error}") from None


def open_reader(run_dir: RunDirectory) -> Reader:
    """Open the ledger for reading. Raises InputError."""
    try:
        return Reader(run_dir.ledger)
    except LedgerError as error:
        raise InputError(f"{run_dir.path}: {error}") from None


def stopped_by(error: LedgerError) -> RunStopped:
    """Return a failed ledger as the reason that a run stopped for."""
    return RunStopped(str(error), "Free some space or mend the disk")
