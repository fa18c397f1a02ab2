"""The requests of one batch while they are gathered: on disk as the provider wants them, in memory only whose they are.

The file has no name, so that it is gone with the process whatever happens: what was not sent is asked for again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson

from stages.core.errors import RunStopped

ASIDE = 128 * 1024
"""Bytes kept free below the size limit: a form's own lines are around the file."""


@dataclass(slots=True)
class Promised:
    """What requests may take whose replies are not there yet: the most, as far as it is known."""

    calls: int = 0
    tokens: int = 0
    cost_usd: float = 0.0

    def add(self, other: Promised, sign: int = 1) -> None:
        """Count in what another one promises, or with -1 take it out again."""
        self.calls += sign * other.calls
        self.tokens += sign * other.tokens
        self.cost_usd += sign * other.cost_usd


@dataclass(frozen=True, slots=True)
class Request:
    """A call that is to be made in a batch to a `path` of the API: its key and body, whose it is, what it may take."""

    path: str
    key: str
    seed: int
    stage: str
    body: bytes
    promised: Promised


class Spool:
    """Gathers requests to one `path` of the API, at most `most` of them and `max_bytes` together."""

    def __init__(self, folder: Path, path: str, most: int, max_bytes: int) -> None:
        self.path, self._most, self._max_bytes = path, most, max_bytes - ASIDE
        with _writing():
            self.file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  closed by whoever sent it
        self.asked: dict[str, tuple[int, str]] = {}
        self.promised = Promised()
        self._size = 0

    def takes(self, request: Request) -> bool:
        """Write a request down, and return whether there was room for it; the first one always has."""
        line = b'{"custom_id":"%b","method":"POST","url":%b,"body":%b}\n' % (
            request.key.encode(),
            orjson.dumps(self.path),
            request.body,
        )
        if self.asked and (len(self.asked) == self._most or self._size + len(line) > self._max_bytes):
            return False
        if request.key not in self.asked:
            with _writing():
                self.file.write(line)
                self.file.flush()
            self.asked[request.key] = (request.seed, request.stage)
            self.promised.add(request.promised)
            self._size += len(line)
        return True


@contextmanager
def _writing() -> Iterator[None]:
    """Say what a full disk means: the groups are in the store, and ask again."""
    try:
        yield
    except OSError as error:
        cause = f"cannot write the requests of a batch: {error.strerror}"
        raise RunStopped(cause, "Free some space or mend the disk") from error


@dataclass(slots=True)
class Sent:
    """A batch on its way. `asked` has key, seed and stage of each line, as JSON, which is a third of the objects."""

    id: str
    file: str
    at: float
    asked: bytes
    promised: Promised
    batch: str = ""

    @classmethod
    def read(cls, body: dict[str, Any]) -> Sent:
        return cls(body["batch"], body["file"], body["at"], orjson.dumps(body["asked"]), Promised(*body["promised"]))
