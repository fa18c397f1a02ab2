"""What can go wrong with a ledger, in words for the person who runs it.

LedgerError
  LedgerMissing    there is no ledger at this path, or nothing in it yet
  LedgerLocked     another process writes it; `pid` is that process, None where it is not known
  LedgerMismatch   the file is something else, or was written by another version of the format
  LedgerCorrupt    the file is damaged
  LedgerFailed     reading or writing failed (full disk, I/O error); what was acknowledged before is safe
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class LedgerError(Exception):
    """The root of the ledger's errors. Its text is a sentence that names the file."""


class LedgerMissing(LedgerError):
    """There is no ledger at this path."""


class LedgerLocked(LedgerError):
    """Another process writes this ledger."""

    def __init__(self, path: Path, pid: int | None) -> None:
        self.pid = pid
        holder = f"process {pid}" if pid is not None else "another process"
        super().__init__(f"{holder} is writing {path}; wait until it has ended, or stop it")


class LedgerMismatch(LedgerError):
    """The file is no ledger of this version."""


class LedgerCorrupt(LedgerError):
    """The file is damaged; `finding` is what gave it away."""

    def __init__(self, path: Path, finding: str) -> None:
        super().__init__(
            f"{path} is damaged ({finding}). Put back a copy of its folder if there is one; else copy it as it is, "
            f"save what can be read with `sqlite3 {path.name} .recover`, and start a new run"
        )


class LedgerFailed(LedgerError):
    """Reading or writing failed; what was acknowledged before is safe."""


_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


@contextmanager
def explained(path: Path, doing: str) -> Iterator[None]:
    """Turn an error of SQLite inside the block into a LedgerError that says what was being done to which file."""
    try:
        yield
    except sqlite3.Error as error:
        name: str = getattr(error, "sqlite_errorname", type(error).__name__)
        code: int = getattr(error, "sqlite_errorcode", 0)
        if code & 0xFF in _DAMAGED:
            raise LedgerCorrupt(path, f"{error}, {name}") from error
        raise LedgerFailed(f"cannot {doing} {path}: {error} ({name})") from error
    except UnicodeDecodeError as error:  # SQLite quotes what it found in the file
        raise LedgerCorrupt(path, "it holds text that is none") from error
