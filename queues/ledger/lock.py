"""One writer at a time: an exclusive flock on a file beside the ledger, with the writer's pid inside.

The kernel drops the lock with the process, so a dead writer's lock needs no clearing; the file stays.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from queues.ledger.errors import LedgerLocked


class Lock:
    """The held lock of one ledger. Acquire with `Lock.acquire(path)`; it raises LedgerLocked with the holder's pid."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def acquire(cls, path: Path) -> Lock:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).strip()
            os.close(descriptor)
            raise LedgerLocked(path, int(holder) if holder.isdigit() else None) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return cls(descriptor)

    def release(self) -> None:
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)
