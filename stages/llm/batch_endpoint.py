"""An endpoint with `mode: batch`: what the ledger does not have is postponed, and comes home with a batch.

A call is answered from the ledger, or its group waits: the request leaves when the group is in the store, and when the
group comes again the reply is found by the call's key. Budgets hold for what is asked for, by the most it may take.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Self

from config.schema import Endpoint as EndpointConfig
from queues.gate import Gate
from queues.ledger import ReplyRow
from stages.core.base import Postponed
from stages.core.errors import BudgetReached, CandidateError
from stages.core.events import CallStarted
from stages.llm.batch_api import BatchApi
from stages.llm.batches import Batches, BatchHooks
from stages.llm.endpoint import Endpoint, Hooks
from stages.llm.keys import ApiKey
from stages.llm.protocol import Call, Reply, Route
from stages.llm.retries import RetryPolicy
from stages.llm.spool import Promised, Request
from stages.llm.wire import path_of


class BatchEndpoint(Endpoint):
    """One alias whose calls go out in batches."""

    def __init__(
        self,
        alias: str,
        config: EndpointConfig,
        gate: Gate,
        keys: Sequence[ApiKey],
        hooks: Hooks,
        home: BatchHooks,
        policy: RetryPolicy | None = None,
    ) -> None:
        super().__init__(alias, config, gate, keys, hooks, policy)
        self._home, self._api = home, BatchApi(alias, config, keys[0])
        self._batches = Batches(alias, config, self._api, home, self._policy, self._take, hooks.observe)
        self.promised = self._batches.promised
        """What may come of the requests that have not ended."""
        self.refused: BudgetReached | None = None
        """The budget that kept a call from being asked for since the last `arrive`."""

    async def __aenter__(self) -> Self:
        self._batches.recall()
        self._stack.callback(self._batches.close)
        await self._stack.enter_async_context(self._api)
        return self

    def __repr__(self) -> str:
        return f"<BatchEndpoint {self.alias}: {self._batches.under_way} batches under way, {self.promised!r}>"

    async def watch(self) -> None:
        """Send and follow the batches. Raises RunStopped."""
        await self._batches.run()

    def flush(self) -> bool:
        """Send what is gathered; return whether anything is under way, also from earlier."""
        self._batches.flush()
        return self._batches.under_way > 0

    async def home(self) -> None:
        """Return when nothing is under way."""
        await self._batches.home.wait()
        self.refused = None

    async def _serve(self, call: Call, key: str, body: bytes) -> Reply:
        """Raise Postponed, or CandidateError where an earlier batch has shown that this cannot be served."""
        if (why := self._batches.faults.failed.get(key)) is not None:
            raise CandidateError(*why)
        try:
            self._hooks.admit_budget()  # it waits for nobody: what it may take is promised
        except BudgetReached as reached:  # what is under way may leave some of it
            self.refused = reached
            raise Postponed from None
        path = f"/v1/{path_of(self._config.api, call.route)}"
        tokens = self._estimate.of(call.body, self._config.body, len(body))
        most = Promised(1, tokens, self._most(tokens, len(body)))
        self.promised.add(most)
        raise Postponed(partial(self._batches.add, Request(path, key, call.group.seed.no, call.stage, body, most)))

    def _most(self, tokens: int, size: int) -> float:
        """Return the USD that a request of `size` bytes may cost, of `tokens` together."""
        if (price := self._config.price) is None:
            return 0.0
        prompt = min(tokens, int(size / self._estimate.bytes_per_token))
        return price.usd(prompt, tokens - prompt)

    def _take(self, row: ReplyRow, reply: Reply) -> asyncio.Future[None]:
        """Commit a reply, and tell of it as of a call that has just been made; it waited for its batch."""
        route: Route = "embeddings" if reply.vectors else "generate"
        told, observe = self._served(row.stage, reply, row.wait_s, 0.0, route), self._hooks.observe
        done = self._home.commit(row._replace(cost_usd=told.cost_usd))
        if observe is not None:
            observe(CallStarted(self.alias, row.stage))
            observe(told)
        return done
