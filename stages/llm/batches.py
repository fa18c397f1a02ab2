"""The batches of one endpoint: gathered, sent, followed, and taken home, by whatever process there is at the time.

A batch is two decisions of the ledger. The first, before the provider is told to begin, names it and its requests; the
name stands in the batch's metadata too, so that a process that finds a batch without its end looks for it there, and
never sends it again. The second, when every reply is committed, says what became of the rest.

Invariants: a request is sent only when its group waits in the store, and its group walks only when no batch is under
way, so none is sent twice; a reply is committed once, however often its file is read; no file is ever in memory.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import orjson

from config.schema import Endpoint as EndpointConfig
from queues.ledger import ReplyRow
from stages.core.base import Decisions, first_error
from stages.core.errors import CandidateError, RunStopped
from stages.core.events import InBatches, Observe
from stages.llm.batch_api import ENDED, BatchApi, moment_of
from stages.llm.batch_faults import Faults, Outcome
from stages.llm.failures import Failure, Kind
from stages.llm.protocol import Reply
from stages.llm.retries import Retries, RetryPolicy
from stages.llm.spool import Promised, Request, Sent, Spool

if TYPE_CHECKING:
    from openai.types import Batch

T = TypeVar("T")

KIND = "batch"
SETTLE_S = 10.0
"""A provider may still be creating a batch whose creator is gone: only after this is it looked for."""
SKEW_S = 24 * 3600.0
"""How far the provider's clock may be from ours."""
COMMITS = 500
"""Replies that are on their way to the disk at once."""


@dataclass(frozen=True, slots=True)
class BatchHooks:
    """What batches need of the run around them.

    `commit(row)` returns what resolves when a reply that came home is durable; `committed(seeds)` returns the keys of
    the replies that these have; `folder` is where requests may be gathered.
    """

    commit: Callable[[ReplyRow], asyncio.Future[None]]
    decisions: Decisions
    committed: Callable[[Sequence[int]], set[str]]
    folder: Path
    run_id: str


class Batches:
    """Gathers by `add`, sends by `flush`; `run` is a task of the owner. `take` commits a reply that came home."""

    def __init__(
        self,
        alias: str,
        config: EndpointConfig,
        api: BatchApi,
        hooks: BatchHooks,
        policy: RetryPolicy,
        take: Callable[[ReplyRow, Reply], asyncio.Future[None]],
        observe: Observe | None = None,
    ) -> None:
        self._alias, self._config, self._api, self._hooks = alias, config, api, hooks
        self._policy, self._take, self._observe = policy, take, observe
        self._left = Counter[str]()
        self.faults = Faults(alias, config.reasoning, policy)
        self.promised = Promised()
        """What all requests may take that are asked for and have not ended."""
        self._gathering: dict[str, Spool] = {}
        self._unsent: set[Spool] = set()
        self._full: asyncio.Queue[Spool] = asyncio.Queue()
        self._recalled: list[Sent] = []
        self.under_way = 0
        self.home = asyncio.Event()
        """Set while no batch is under way."""
        self._uploading = asyncio.Lock()

    def recall(self) -> None:
        """Take up what earlier processes have sent and not taken home, and what they gave up."""
        self._recalled = under_way(self._alias, self._hooks.decisions, self.faults)
        for one in self._recalled:
            self.promised.add(one.promised)
        self._count(len(self._recalled))

    def add(self, request: Request) -> None:
        """Put a request into the next batch to its path; its group must be in the store, and `promised` tell of it."""
        spool = self._gathering.get(request.path)
        if spool is None or not spool.takes(request):
            self._send(request.path)
            limits = self._config.batch
            spool = Spool(self._hooks.folder, request.path, limits.max_requests, int(limits.max_mb * 1e6))
            self._gathering[request.path] = spool
            self._unsent.add(spool)
            spool.takes(request)

    def flush(self) -> None:
        """Send what is gathered, however little it is."""
        for path in list(self._gathering):
            self._send(path)

    def close(self) -> None:
        """Drop what was not sent; its groups ask again. What is at the provider is nothing of this process any more."""
        for spool in self._unsent:
            with suppress(OSError):  # a full disk, of which the run was told
                spool.file.close()
        for batch in self._left:
            self._tell(batch, 0)

    async def run(self) -> None:
        """Send and follow batches until cancelled; they go on at the provider. Raises RunStopped."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._adopt(tasks), name=f"batches of before {self._alias}")
                while True:
                    spool = await self._full.get()
                    tasks.create_task(self._carry(spool), name=f"batch {self._alias}")
        except BaseExceptionGroup as errors:
            raise first_error(errors) from None

    def _send(self, path: str) -> None:
        if (spool := self._gathering.pop(path, None)) is not None:
            self._count(1)
            self._full.put_nowait(spool)

    def _count(self, batches: int) -> None:
        self.under_way += batches
        (self.home.clear if self.under_way else self.home.set)()

    async def _carry(self, spool: Spool) -> None:
        """Send a batch and take it home. One upload at a time: the line is shared anyway."""
        async with self._uploading:
            id_ = uuid.uuid4().hex
            file = await self._patiently(lambda: self._api.upload(f"tamis-{id_}.jsonl", spool.file))
            spool.file.close()
            self._unsent.discard(spool)
            asked = [(key, *whose) for key, whose in spool.asked.items()]
            body = {"batch": id_, "file": file, "at": time.time(), "asked": asked, "promised": astuple(spool.promised)}
            await self._hooks.decisions.make(KIND, self._alias, body)
            sent = Sent.read(body)
            await self._create(sent, spool.path)
        await self._follow(sent)

    async def _create(self, sent: Sent, path: str) -> None:
        """Have the provider begin, exactly once: where its answer is lost the batch is looked for first."""
        retries = Retries(self._policy, self._alias)
        marks = {"tamis_run": self._hooks.run_id, "tamis_endpoint": self._alias, "tamis_batch": sent.id}
        while not sent.batch:
            made = await self._api.create(path, sent.file, marks)
            if not isinstance(made, Failure):
                sent.batch = made.id
                return
            await self._policy.sleep(max(self._delay(retries, made), SETTLE_S))
            await self._find([sent])

    async def _adopt(self, tasks: asyncio.TaskGroup) -> None:
        """Go on with the batches of earlier processes. One that was never created holds nothing, and is ended."""
        if not self._recalled:
            return
        since = max(0.0, time.time() - self._recalled[-1].at)  # less than nothing where the clock was set back
        await self._policy.sleep(max(0.0, SETTLE_S - since))
        await self._find(self._recalled)
        for sent in self._recalled:
            if sent.batch:
                tasks.create_task(self._follow(sent), name=f"batch {sent.batch}")
            else:
                await self._end(sent, "never created", Outcome())
        self._recalled = []

    async def _find(self, wanted: Sequence[Sent]) -> None:
        """Look for batches by their names, or by their files where a provider keeps no metadata."""
        oldest = min(sent.at for sent in wanted)
        for batch in await self._patiently(lambda: self._api.since(oldest - SKEW_S)):
            marks = batch.metadata if isinstance(batch.metadata, dict) else {}
            for sent in wanted:
                if marks.get("tamis_batch") == sent.id or batch.input_file_id == sent.file:
                    sent.batch = batch.id

    async def _follow(self, sent: Sent) -> None:
        """Wait for a batch's end, and commit what it brought."""
        while (batch := await self._patiently(lambda: self._api.retrieve(sent.batch))).status not in ENDED:
            counts = batch.request_counts
            self._tell(sent.id, counts.total - counts.completed - counts.failed if counts else sent.promised.calls)
            await self._policy.sleep(self._config.batch.poll_s)
        asked = {key: (seed, stage) for key, seed, stage in orjson.loads(sent.asked)}
        if batch.status == "failed" and not batch.output_file_id:
            outcome = self.faults.refused(batch, list(asked), alone=self.under_way == 1)
        else:
            outcome = await self._collect(batch, asked)
        await self._end(sent, batch.status, outcome)
        if outcome.stop is not None:
            raise outcome.stop

    async def _collect(self, batch: Batch, asked: dict[str, tuple[int, str]]) -> Outcome:
        """Commit the replies that are not, and judge all other requests."""
        for key in self._hooks.committed(list(dict.fromkeys(seed for seed, _ in asked.values()))):
            asked.pop(key, None)
        failures: dict[str, Failure] = {}
        commits: list[asyncio.Future[None]] = []
        began = moment_of(batch.created_at, 0.0)
        took_s = moment_of(batch.completed_at or batch.expired_at or batch.cancelled_at, began) - began

        async def take(key: str, said: bytes | Failure) -> None:
            if key not in asked:  # committed already, or nothing of ours
                return
            if isinstance(said, bytes):
                reply = self.faults.read(said)
                if isinstance(reply, Reply):
                    row = ReplyRow(asked[key][0], key, asked[key][1], self._alias, said, *reply.usage, wait_s=took_s)
                    del asked[key]
                    commits.append(self._take(row, reply))
                    if len(commits) == COMMITS:
                        await _all(commits)
                    return
                said = reply
            failures[key] = said

        for file in filter(None, (batch.output_file_id, batch.error_file_id)):
            await self._patiently(partial(self._api.lines, file, take))
        await _all(commits)
        return self.faults.judged(batch, failures, asked)

    async def _end(self, sent: Sent, how: str, outcome: Outcome) -> None:
        failed = [(key, *why) for key, why in outcome.failed.items()]
        body = {"batch": sent.id, "ended": how, "failed": failed, "again": outcome.again}
        await self._hooks.decisions.make(KIND, self._alias, body)
        self.faults.learn(outcome.failed, outcome.again)
        self.promised.add(sent.promised, -1)
        self._tell(sent.id, 0)
        self._count(-1)

    def _tell(self, batch: str, left: int) -> None:
        """Tell how many requests of a batch have no outcome yet."""
        change, self._left[batch] = left - self._left[batch], left
        if change and self._observe is not None:
            self._observe(InBatches(self._alias, change))

    async def _patiently(self, attempt: Callable[[], Awaitable[T | Failure]]) -> T:
        """Return what an attempt brings, made again as long as that may help. Raises RunStopped."""
        retries = Retries(self._policy, self._alias)
        while isinstance(outcome := await attempt(), Failure):
            await self._policy.sleep(self._delay(retries, outcome))
        return outcome

    def _delay(self, retries: Retries, failure: Failure) -> float:
        """Return how long to wait before asking again; nothing is paid for that, so it is done as often as it takes."""
        if failure.kind is Kind.AGAIN:
            failure = replace(failure, kind=Kind.LATER)
        remedy = "Go on with --resume when it is well"
        if failure.kind is Kind.UNCLEAR:
            remedy += "; what is gone there for good, a new run with --reuse asks for again"
            failure = replace(failure, kind=Kind.CANDIDATE)
        try:
            return retries.wait(failure, None)
        except CandidateError as error:
            raise RunStopped(f"its Batch API failed: {error.detail}", remedy) from error


def under_way(alias: str, decisions: Decisions, faults: Faults | None = None) -> list[Sent]:
    """Return an endpoint's batches that no process has taken home; `faults` learns what became of the others."""
    sent: dict[str, Sent] = {}
    for scope, body in decisions.made(KIND):
        if scope != alias:
            continue
        if "ended" not in body:
            sent[body["batch"]] = Sent.read(body)
            continue
        del sent[body["batch"]]
        if faults is not None:
            faults.learn({key: (reason, words) for key, reason, words in body["failed"]}, body["again"])
    return list(sent.values())


async def _all(commits: list[asyncio.Future[None]]) -> None:
    """Return when all are on disk; the list is empty then."""
    for commit in commits:
        await commit
    commits.clear()
