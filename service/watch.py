"""Everything that watches a run: metrics, the live display, log lines. The run itself does not know who looks."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from service.lifecycle import Activity, Ending
from service.plan import Plan
from service.rundir import RunDirectory
from service.session import Session
from stages.core.events import Event


class Watch:
    """The observers of one run."""

    def __init__(self, what: Plan, run_dir: RunDirectory, progress: bool, log: str) -> None:
        self.activity = Activity()
        self._observers = [self.activity]

    def observe(self, event: Event) -> None:
        for observer in self._observers:
            observer(event)

    def committed(self, rows: int, seconds: float) -> None:
        """Take note of a commit of the ledger."""

    @asynccontextmanager
    async def watching(self, session: Session, metrics_port: int | None) -> AsyncIterator[None]:
        yield

    def say(self, text: str) -> None:
        print(text, file=sys.stderr)  # noqa: T201

    def tell(self, ending: Ending, manifest: dict[str, Any]) -> None:
        self.say(f"{ending} {manifest}")
