"""Replies of an earlier run by call key, for a new run that numbers its seeds otherwise (`--reuse`)."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from queues.ledger.errors import explained
from queues.ledger.reader import Reader

_PAGE = 20_000


class ReplyIndex:
    """All replies of one ledger by call key, through a private index on disk that vanishes with this object.

    It takes about 100 bytes a reply where SQLite keeps temporary files: SQLITE_TMPDIR, TMPDIR, /var/tmp or /tmp.
    """

    def __init__(self, path: Path) -> None:
        """Read all keys of the ledger at `path`: blocks, some seconds per million replies. Raises as Reader does."""
        self.path = path
        Reader(path).close()  # says what is wrong with it
        with explained(path, "read"):
            self._connection = sqlite3.connect("", uri=True, isolation_level=None, check_same_thread=False)
            self._connection.execute("ATTACH ? AS old", (f"{path.absolute().as_uri()}?mode=ro",))
            self._copy_keys()

    def _copy_keys(self) -> None:
        execute = self._connection.execute
        execute("CREATE TABLE main.place (key TEXT, id INTEGER)")
        (last,) = execute("SELECT ifnull(max(id), 0) FROM old.reply").fetchone()
        for start in range(0, last, _PAGE):
            execute(
                "INSERT INTO main.place SELECT key, id FROM old.reply WHERE id > ? AND id <= ?", (start, start + _PAGE)
            )
        execute("CREATE INDEX main.place_key ON place (key, id)")

    def get(self, key: str) -> bytes | None:
        """Return the raw reply of this call, None where the earlier run has none."""
        with explained(self.path, "read"):
            row = self._connection.execute(
                "SELECT CAST(raw AS BLOB) FROM old.reply WHERE id = (SELECT min(id) FROM main.place WHERE key = ?)",
                (key,),
            ).fetchone()
        return None if row is None else bytes(row[0])

    def close(self) -> None:
        self._connection.close()
