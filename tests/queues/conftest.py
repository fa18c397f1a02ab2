"""What the queue tests share."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import asyncio_throttle.throttler
import pytest
from virtual_time import now


@pytest.fixture
def throttle_in_virtual_time() -> Iterator[None]:
    """asyncio-throttle reads the time itself, so it alone has to be patched to follow the virtual loop."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio_throttle.throttler, "time", SimpleNamespace(monotonic=now))
        yield
