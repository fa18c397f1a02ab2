"""The run directory: which folder a run gets, whether it may have it, and how the ledger in it is opened."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from config import yamlfile
from config.schema import Pipeline
from queues.ledger import Ledger, LedgerError, Reader, ReplyIndex
from queues.ledger.writer import OnCommit
from stages.core.errors import InputError, RunStopped

LEDGER, MANIFEST, RESOLVED = "ledger.sqlite", "manifest.json", "pipeline.resolved.yaml"


def choose(out: Path | None, name: str, resume: bool) -> Path:
    """Return the folder of a run. Raises InputError where it holds a run that was not asked for."""
    if out is None:
        if resume:
            raise InputError("--resume: say which run goes on, with --out RUN_DIR")
        out = Path("runs") / f"{name}-{time.strftime('%Y-%m-%dT%H-%M-%S')}"
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out}: this is a file; name a folder")
    if not resume and (out / LEDGER).exists() and _holds_run(out / LEDGER):
        raise InputError(f"--out {out}: this folder holds a run already; go on with --resume, or name another folder")
    return out


def _holds_run(ledger: Path) -> bool:
    """Tell whether a ledger must not be taken for another run; whose content cannot be read must not."""
    try:
        with Reader(ledger) as reader:
            return begun(reader)
    except LedgerError:
        return True


def begun(reader: Reader) -> bool:
    """Tell whether anything was paid for or decided: else the run was refused as it began, and left only its name."""
    return reader.has_replies() or bool(reader.seed_counts())


def pipeline_of(run_dir: Path) -> Pipeline:
    """Return what a run really ran. Raises InputError where there is none, or that is not written yet."""
    _ledger_of(run_dir)
    path = run_dir / RESOLVED
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file; without it nobody knows the stages") from None
    data, _, _ = yamlfile.read(text, str(path))
    return Pipeline.model_validate(data)


def manifest_of(run_dir: Path) -> dict[str, Any]:
    """Return the manifest as it was last written. Raises InputError where there is none yet."""
    path = run_dir / MANIFEST
    try:
        manifest: dict[str, Any] = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file; the run has hardly begun") from None
    return manifest


def open_ledger(run_dir: Path, on_commit: OnCommit | None) -> Ledger:
    """Open the ledger for writing, making folder and file as needed. Raises InputError."""
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {run_dir}: cannot make the folder: {error.strerror}") from None
    with refused():
        return Ledger.open(run_dir / LEDGER, on_commit=on_commit)


def open_reader(run_dir: Path) -> Reader:
    """Open the ledger for reading. Raises InputError."""
    with refused():
        return Reader(run_dir / LEDGER)


def open_reuse(path: Path) -> ReplyIndex:
    """Index the replies of an older run. Raises InputError."""
    with refused():
        return ReplyIndex(_ledger_of(path))


def _ledger_of(run_dir: Path) -> Path:
    if not (run_dir / LEDGER).exists():
        raise InputError(f"{run_dir}: there is no run here ({LEDGER} is missing)")
    return run_dir / LEDGER


@contextmanager
def refused() -> Iterator[None]:
    """Tell the person what is wrong with a ledger; its errors name the file and what to do."""
    try:
        yield
    except LedgerError as error:
        raise InputError(str(error)) from None


def stopped_by(error: LedgerError) -> RunStopped:
    """Return a failed ledger as the reason that a run stopped for."""
    return RunStopped(str(error), "Free some space or mend the disk")
