"""The requests of one batch on their way: asked as a run's calls are, through the same gates, each reply in a ledger.

Invariants: a request whose reply or failure is committed is never asked again, in whatever process; of a file of any
length about as many requests are in memory as may be on the wire.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

from queues.adaptive import MOST
from queues.ledger import Ledger, Reader, ReplyRow
from queues.registry import Record
from service.runs.lifecycle import Activity, Drain, background, until_rest
from service.runs.rundir import open_ledger, open_reader
from service.serve.batches import requests
from service.serve.batches.requests import CHAT, Request
from service.serve.batches.results import counted, failure
from service.serve.batches.state import Expired
from service.serve.line import CANCEL_S, Surroundings
from service.serve.who import Caller
from stages.core.base import first_error
from stages.core.errors import CandidateError, RunStopped, TamisError
from stages.core.events import CallFinished, Event
from stages.core.record import Group, Seed
from stages.llm.endpoint import Endpoint, Hooks
from stages.llm.protocol import Call, Route

STAGE = "batch"
"""What the calls of batches are counted under."""


class _TokensSpent(RunStopped):
    """The tenant has no tokens left today."""


class Course:
    """One batch whose requests are asked, by `go`, of `endpoints`; `stop` and `counts` may be called at any time."""

    def __init__(self, around: Surroundings, record: Record, caller: Caller, input_path: Path) -> None:
        self._around, self._record, self._caller = around, record, caller
        self._input, self._folder = input_path, around.folder(record)
        self._route: Route = "generate" if record.body["endpoint"] == CHAT else "embeddings"
        self._drain, self._activity = Drain(), Activity()
        self._abort = asyncio.Event()
        self.endpoints: dict[str, Endpoint] = {}
        self._completed = self._failed = 0

    @property
    def counts(self) -> dict[str, int]:
        return {"total": self._record.body["seeds"], "completed": self._completed, "failed": self._failed}

    def stop(self, cause: TamisError, at_most_s: float = CANCEL_S) -> None:
        """Send nothing more; what is on the wire has so long to come home, and is paid for either way."""
        self._drain.begin(cause)
        asyncio.get_running_loop().call_later(at_most_s, self._abort.set)

    async def go(self) -> TamisError | None:
        """Ask all that has no answer yet, and return what stopped that; None: nothing did. Raises LedgerError."""
        async with AsyncExitStack() as stack:
            ledger = await asyncio.to_thread(open_ledger, self._folder, self._around.metrics.committed)
            stack.push_async_callback(ledger.close)
            reader = stack.enter_context(open_reader(self._folder))
            self._completed, self._failed = counted(reader)
            for alias in self._record.body["models"]:
                self.endpoints[alias] = await stack.enter_async_context(self._endpoint(alias, ledger))
            disk = self._around.guard_disk(self._caller, self.stop)
            work: dict[str, Coroutine[Any, Any, None]] = {"disk": disk, "window": self._expire()}
            work |= {f"watch {alias}": self._watch(endpoint) for alias, endpoint in self.endpoints.items()}
            await stack.enter_async_context(background(work))
            await until_rest(self._ask_all(ledger, reader), self._rest(), self._abort)
        return self._drain.cause

    def _endpoint(self, alias: str, ledger: Ledger) -> Endpoint:
        config, shared = self._caller.endpoints[alias], self._around.shared
        hooks = Hooks(partial(_commit, ledger), self._admit, None, self._observe, self._record.id)
        return Endpoint(alias, config, shared.gates[alias], shared.keys[alias], hooks)

    async def _rest(self) -> None:
        await self._drain.wait()
        await self._activity.quiet()

    async def _ask_all(self, ledger: Ledger, reader: Reader) -> None:
        failed, resumed = set(reader.numbers(("failed",))), reader.has_replies()
        gates = {id(gate): gate for gate in (self._around.shared.gates[alias] for alias in self.endpoints)}
        places = sum(gate.limits.max_concurrency or MOST for gate in gates.values())
        free = asyncio.Semaphore(places + places // 2 + 8)  # some wait for the disk, not for the wire
        try:
            async with asyncio.TaskGroup() as tasks:
                async for request in requests.read(self._input):
                    if request.number in failed or (resumed and reader.replies(request.number)):
                        continue
                    await free.acquire()
                    asked = tasks.create_task(self._ask(self.endpoints[request.alias], request, ledger))
                    asked.add_done_callback(lambda _: free.release())
        except BaseExceptionGroup as errors:
            raise first_error(errors) from None

    async def _ask(self, endpoint: Endpoint, request: Request, ledger: Ledger) -> None:
        group = Group(Seed(request.number, request.custom_id, {}))
        call = Call(STAGE, 0, "request", group, request.body, route=self._route)
        while True:
            try:
                await endpoint.ask(call)
            except CandidateError as error:
                words = self._around.shared.disguised(error.detail)
                await ledger.group(failure(request.number, request.custom_id, error, words), [])
                self._failed += 1
            except _TokensSpent:
                await asyncio.sleep(self._around.meter.renews_in_s())
                continue
            except RunStopped as cause:
                await self._drain.halt(self._disguised(cause))
            else:
                self._completed += 1
            return

    def _admit(self) -> None:
        if self._drain.cause is not None:
            raise self._drain.cause
        if self._around.meter.left(self._caller) == 0:
            raise _TokensSpent("the tokens of today are used up")

    def _observe(self, event: Event) -> None:
        self._activity(event)
        if isinstance(event, CallFinished) and (tokens := event.prompt_tokens + event.completion_tokens):
            self._around.meter.charge(self._caller.tenant, tokens)
        self._around.metrics(event)

    async def _watch(self, endpoint: Endpoint) -> None:
        try:
            await endpoint.watch()
        except RunStopped as cause:
            self._drain.begin(self._disguised(cause))

    def _disguised(self, cause: RunStopped) -> RunStopped:
        """Return a cause in words for the tenant; one that we made ourselves stays what it is."""
        if cause is self._drain.cause:
            return cause
        return RunStopped(self._around.shared.disguised(str(cause)), cause.remedy)

    async def _expire(self) -> None:
        await asyncio.sleep(max(0.0, self._record.body["expires_at"] - time.time()))
        self.stop(Expired("the completion window has ended"))


async def _commit(ledger: Ledger, _: Call, row: ReplyRow) -> None:
    await ledger.reply(row)
