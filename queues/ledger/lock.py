"""One writer at a time: an exclusive flock on a file beside the ledger, with the writer's pid inside.

The kernel drops the lock with the process, so a dead writer's lock needs no clearing; the file stays. Programs that the
writer starts do not inherit it (O_CLOEXEC); children that it merely forks would.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from queues.ledger.errors import LedgerFailed, LedgerLocked


class Lock:
    """The held lock of one ledger."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def acquire(cls, path: Path) -> Lock:
        """Take the lock file at `path`, making it if needed. Raises LedgerLocked, LedgerFailed."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise LedgerFailed(f"cannot make the lock {path}: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).strip()
            os.close(descriptor)
            raise LedgerLocked(path, int(holder) if holder.isdigit() else None) from None
        except OSError as error:
            os.close(descriptor)
            raise LedgerFailed(f"cannot take the lock {path}: {error.strerror}") from error
        return cls(descriptor)

    def release(self) -> None:
        with suppress(OSError):  # a disk that failed; the pid in the file says nothing once the lock is gone
            os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)
