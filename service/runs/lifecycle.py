"""How a run ends: it completes, it drains, or it is aborted.

Draining means: no new call leaves, calls in flight come home and are committed, call-free work may finish; then the
rest is cancelled, and stays pending in the ledger. The first signal, a budget and a dead key all drain; they differ in
the state and exit code that the run ends with. A second signal aborts at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import resource
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

from stages.core.base import first_error
from stages.core.errors import BudgetReached, RunStopped, TamisError
from stages.core.events import CallFinished, CallStarted, Event, InBatches

RunState = Literal["complete", "budget", "interrupted", "failed", "running"]

QUIET_S = 0.5

EXIT_COMPLETE, EXIT_DEFECT, EXIT_INPUT, EXIT_BUDGET, EXIT_STOPPED = 0, 1, 2, 3, 75
CODES: dict[RunState, int] = {"complete": EXIT_COMPLETE, "budget": EXIT_BUDGET, "interrupted": EXIT_STOPPED}
"""What the processes of runs in these states ended with."""


class Interrupted(RunStopped):
    """A signal asked the run to end."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What a run ended with: the state for the manifest, the exit code, and the cause if it is not complete."""

    state: RunState
    code: int
    cause: TamisError | None = None


def ending_of(cause: TamisError | None) -> Ending:
    """Classify the reason that a run stopped for (None: it did not stop)."""
    state: RunState = "interrupted"
    if cause is None or isinstance(cause, BudgetReached):
        state = "budget" if cause else "complete"
    return Ending(state, CODES[state], cause)


class Drain:
    """The one switch from running to draining. The first cause counts."""

    def __init__(self) -> None:
        self.cause: TamisError | None = None
        self._begun = asyncio.Event()

    def begin(self, cause: TamisError) -> None:
        if self.cause is None:
            self.cause = cause
            self._begun.set()

    @property
    def begun(self) -> bool:
        return self.cause is not None

    async def wait(self) -> None:
        await self._begun.wait()

    async def halt(self, cause: TamisError) -> NoReturn:
        """Begin draining and never return: the caller waits here until it is cancelled."""
        self.begin(cause)
        while True:
            await asyncio.get_running_loop().create_future()


class Activity:
    """Watches the events: how many calls are on the wire, and when all has become quiet."""

    def __init__(self) -> None:
        self.in_flight = 0
        self._events = 0
        self.idle = asyncio.Event()
        self.idle.set()

    def __call__(self, event: Event) -> None:
        if isinstance(event, InBatches):  # a provider at work, not this run
            return
        self._events += 1
        if isinstance(event, CallStarted):
            self.in_flight += 1
            self.idle.clear()
        elif isinstance(event, CallFinished):
            self.in_flight -= 1
            if not self.in_flight:
                self.idle.set()

    async def quiet(self) -> None:
        """Return when no call is in flight and, for a while, nothing happened: call-free work has come to its end."""
        seen = -1
        while seen != self._events:
            await self.idle.wait()
            seen = self._events
            await asyncio.sleep(QUIET_S)


async def until_rest(work: Coroutine[Any, Any, object], rest: Coroutine[Any, Any, None], abort: asyncio.Event) -> None:
    """Run `work` to its end, or until `rest` returns (a drain has come home) or `abort` is set; then it is cut off.

    Raises what `work` raises.
    """
    working, *_ = tasks = [asyncio.ensure_future(one) for one in (work, rest, abort.wait())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            await working
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def allow_many_connections() -> None:
    """Raise the soft limit of open files to the hard one: a call in flight is a descriptor, and there are thousands."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def collect_garbage_rarely() -> None:
    """Let the cycle collector run some hundred times less often, and never over what was loaded at the start.

    Calls make many objects and few cycles. The threshold stands above what the groups in flight add when many begin at
    once: at 70,000 the collector went through them again and again, for a sixth of the CPU of a run with several stages
    (`scripts/bench throughput --sieve`); a full collection stops the loop for a quarter of a second.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(300_000, 20, 20)


@contextlib.contextmanager
def signals(first: Callable[[str], None], second: Callable[[], None]) -> Iterator[None]:
    """Route SIGINT and SIGTERM: the first to `first` (with its name), any later one to `second`."""
    loop = asyncio.get_running_loop()
    seen = 0

    def on_signal(name: str) -> None:
        nonlocal seen
        seen += 1
        if seen == 1:
            first(name)
        else:
            second()

    routed = (signal.SIGINT, signal.SIGTERM)
    for number in routed:
        loop.add_signal_handler(number, on_signal, number.name)
    try:
        yield
    finally:
        for number in routed:
            loop.remove_signal_handler(number)


@contextlib.asynccontextmanager
async def background(work: dict[str, Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Run named tasks beside the block; their errors are the block's, and they end with it."""
    try:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(coroutine, name=name) for name, coroutine in work.items()]
            try:
                yield
            finally:
                for task in running:
                    task.cancel()
    except BaseExceptionGroup as errors:
        raise first_error(errors) from None
