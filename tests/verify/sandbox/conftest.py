"""Fixtures of the sandbox: one that is started, on machines that can have one."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator

import pytest
from needs import missing, need_program

from stages.verify.sandbox.sandbox import Limits, Sandbox


@pytest.fixture
def bubblewrap() -> str:
    """Return the path of bubblewrap, or skip."""
    if sys.platform != "linux":
        missing("Linux")
    return need_program("bwrap")


@pytest.fixture
async def sandbox(bubblewrap: str) -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(2, Limits(wall_s=30.0))
    await sandbox.start()
    yield sandbox
