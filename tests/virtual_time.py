"""An event loop whose clock jumps: an hour of waiting passes in microseconds, and nothing really sleeps."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Jump(selectors.DefaultSelector):  # type: ignore[misc, valid-type]  # chosen per platform at run time
    """Where the loop would sleep until its next timer, the clock moves there instead."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("every task waits for something that no timer will bring: a deadlock")
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Starts at 1,000 s, so that a zero taken for a time shows."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return 1000.0 + self._jump.now


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end on a loop of its own; `now()` is its clock."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


def now() -> float:
    return asyncio.get_running_loop().time()


async def idle() -> None:
    """Return when every other task has come to a wait."""
    for _ in range(20):
        await asyncio.sleep(0)
