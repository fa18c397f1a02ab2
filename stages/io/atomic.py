"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from stages.core.errors import InputError, RunStopped

DISK_FAILS = {errno.ENOSPC, errno.EDQUOT, errno.EIO}


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Give a new file to write to; it takes the place of `path` when the block ends, and never if the block raises.

    Temporary file, fsync, rename, fsync of the folder. Raises RunStopped where the disk is full or fails, InputError
    where the path cannot be written to at all.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = temporary.open("wb", buffering=1 << 18)
        try:
            with file:
                yield file
                seal(file)
            temporary.replace(path)
            _sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        cause = f"cannot write {path}: {error.strerror}"
        if error.errno in DISK_FAILS:
            raise RunStopped(cause, "Make room; everything it is made of is safe in the ledger") from error
        raise InputError(cause) from error


def seal(file: BinaryIO) -> None:
    """Write a file through and close it: of many that are to appear together, few are open at a time."""
    if not file.closed:
        file.flush()
        os.fsync(file.fileno())
        file.close()


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
