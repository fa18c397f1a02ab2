"""A real ledger that holds the groups a test wants."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio
from stored_groups import LedgerOf

from queues.ledger import Ledger
from queues.ledger.reader import Reader
from stages.core.record import Group
from stages.io.store import pack


@pytest_asyncio.fixture
async def ledger_of(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LedgerOf]:
    """Return a function that commits groups with their states, in the order given, and opens a reader beside."""
    async with AsyncExitStack() as stack:

        async def make(groups: Iterable[tuple[Group, str]]) -> Reader:
            path = tmp_path_factory.mktemp("ledger") / "ledger.sqlite"
            ledger = Ledger.open(path)
            stack.push_async_callback(ledger.close)
            for group, state in groups:
                last = ledger.group(*pack(group, state, 0))
            await last
            return stack.enter_context(Reader(path))

        yield make
