"""Fixtures of the verify room: groups of candidates, and pools of worker processes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from stages.verify.workers import Workers

Pool = Callable[..., AbstractAsyncContextManager[Workers]]


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Pool:
    """Return a maker of started pools whose processes know the module `hostile`."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent / "jobs"))

    @asynccontextmanager
    async def started(size: int = 1, limit_s: float = 30.0, argument: Any = None) -> AsyncIterator[Workers]:
        workers = Workers("hostile:make", argument, size=size, limit_s=limit_s)
        try:
            await workers.start()
            yield workers
        finally:
            await workers.stop()

    return started
