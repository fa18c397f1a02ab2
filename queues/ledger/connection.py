"""Opening the file: what a writer and a reader set up, and what they refuse."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from queues.ledger import schema
from queues.ledger.errors import LedgerCorrupt, LedgerMismatch, LedgerMissing

BUSY_S = 5.0
"""How long to wait for another process: a reader always, the writer while it opens its file."""


def wal_of(path: Path) -> Path:
    """Return the write-ahead log of a ledger: what is committed and not yet in the file itself."""
    return path.with_name(path.name + "-wal")


def connect_writer(path: Path) -> sqlite3.Connection:
    """Open a ledger for writing, making it when it is not there. Only the holder of its lock may.

    After an unclean end, which leaves a WAL behind, the whole file is checked: about 3 s a GB.
    """
    wal = wal_of(path)
    unclean = wal.exists() and wal.stat().st_size > 0

    with _opened(path, "mode=rwc") as connection:
        empty = is_empty(connection)
        if not empty:
            _validate(connection, path)  # before anything is changed: it may be somebody else's
        make_durable(connection)
        connection.execute("PRAGMA wal_autocheckpoint = 0")  # the commit thread does it, after the acknowledgement
        connection.execute("PRAGMA cache_size = -65536")  # KiB
        if empty:
            create(connection, path, schema.TABLES, schema.VERSION, schema.APPLICATION_ID)
        if unclean:
            _check(connection, path)
        connection.execute("PRAGMA busy_timeout = 250")  # ms; a checkpoint that readers hinder is tried again later
        return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """Open a ledger for reading beside its writer."""
    if not path.exists():
        raise LedgerMissing(f"there is no ledger at {path}")
    # a reader makes files beside the ledger; where it may not, nobody writes, and the file can be read as it stands
    still = not wal_of(path).exists() and not os.access(path.parent, os.W_OK)
    with _opened(path, "mode=ro&immutable=1" if still else "mode=ro") as connection:
        if is_empty(connection):  # its writer has just begun, or was killed there
            raise LedgerMissing(f"{path} is empty; no run has written to it yet")
        _validate(connection, path)
        return connection


@contextmanager
def _opened(path: Path, options: str) -> Iterator[sqlite3.Connection]:
    """Open the file; where the block fails, it is closed again."""
    if sqlite3.sqlite_version_info < (3, 38):
        raise LedgerMismatch(
            f"SQLite {sqlite3.sqlite_version} is too old for the ledger: it needs 3.38 or later; use a newer Python"
        )
    # no transactions of Python's own; threads take turns, which check_same_thread would forbid
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{options}", uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False
    )
    try:
        yield connection
    except BaseException:
        connection.close()
        raise


def is_empty(connection: sqlite3.Connection) -> bool:
    """Tell whether a file was just made: nothing is in it yet, and no format."""
    return bool(connection.execute("SELECT count(*) = 0 FROM sqlite_schema").fetchone()[0])


def make_durable(connection: sqlite3.Connection) -> None:
    """Have every commit survive a power cut, without keeping readers waiting."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


def create(
    connection: sqlite3.Connection, path: Path, tables: Iterable[str], version: int, application_id: int = 0
) -> None:
    """Make the tables of a new file, and see to it that its name is on disk as well."""
    connection.execute("BEGIN IMMEDIATE")
    for statement in tables:
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {application_id}")
    connection.execute(f"PRAGMA user_version = {version}")
    connection.execute("COMMIT")
    folder = os.open(path.parent, os.O_RDONLY)  # the file's name must survive a power cut as well as its content
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _validate(connection: sqlite3.Connection, path: Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != schema.APPLICATION_ID:
        raise LedgerMismatch(f"{path} is an SQLite file but no ledger of tamis; use another folder")
    if version != schema.VERSION:
        raise LedgerMismatch(
            f"{path} has ledger format {version}, this tamis reads {schema.VERSION}; use the tamis that wrote it"
        )


def _check(connection: sqlite3.Connection, path: Path) -> None:
    problems = [text for (text,) in connection.execute("PRAGMA quick_check(3)") if text != "ok"]
    if problems:
        raise LedgerCorrupt(path, "; ".join(problems))
