"""A live endpoint: the Model that stages ask, over HTTP.

    ledger lookup -> budget -> gate -> servers -> ledger -> stage, with `retries.py` around the middle

Invariants: a reply is committed before anyone sees it, so a committed call is never sent again; a lease always ends,
and what the server never worked on is given back to the gate.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Self

from config.schema import Endpoint as EndpointConfig
from queues.gate import Gate, Lease, NeverAdmitted
from queues.ledger import ReplyRow
from stages.core.errors import BudgetReached, CandidateError, RunStopped
from stages.core.events import CallFinished, CallOutcome, CallReplayed, CallRetried, CallStarted, Observe, ReplyKept
from stages.llm.embedded import EmbeddedServer
from stages.llm.failures import Failure
from stages.llm.keys import ApiKey
from stages.llm.parse import parse
from stages.llm.protocol import Call, Reply, Route, Usage
from stages.llm.ratelimits import heed
from stages.llm.reserve import TokenEstimate
from stages.llm.retries import Retries, RetryPolicy
from stages.llm.servers import Served, Servers
from stages.llm.wire import call_key, request_body

_OUTCOMES: dict[str, CallOutcome] = {"rate_limited": "refused", "timeout": "timeout", "invalid": "invalid"}
HOPELESS = 50
"""So many requests that a server finds bad, or answers unreadably, before it has served one, end the run."""

_NOT_SENT = CallFinished("", "", "cancelled", 0.0, 0.0)  # nobody is told of what did not leave


@dataclass(frozen=True, slots=True)
class Hooks:
    """What an endpoint needs of the run around it.

    `commit(call, row)` returns when the reply is durable. `admit_budget()` raises BudgetReached; where only the call in
    flight can tell what calls take, it returns what to wait for before asking again. `reuse(key)` looks a reply up in
    an earlier run's ledger. `job` is whom the gate's turns are shared with.
    """

    commit: Callable[[Call, ReplyRow], Awaitable[None]]
    admit_budget: Callable[[], asyncio.Event | None]
    reuse: Callable[[str], bytes | None] | None = None
    observe: Observe | None = None
    job: str = ""


class Endpoint:
    """One alias. An async context manager on the loop that asks; it starts and stops the embedded server too."""

    def __init__(
        self,
        alias: str,
        config: EndpointConfig,
        gate: Gate,
        keys: Sequence[ApiKey],
        hooks: Hooks,
        policy: RetryPolicy | None = None,
    ) -> None:
        self.alias = alias
        self._config, self._gate, self._hooks, self._policy = config, gate, hooks, policy or RetryPolicy()
        self._embedded = None if config.embedded is None else EmbeddedServer(alias, config.embedded)
        self.name = config.model or (self._embedded.model if self._embedded else "")
        self.sends_seed, self.structured, self.logprobs = config.send_seed, config.structured, config.logprobs
        self._servers = Servers(alias, config, keys, self._policy, hooks.observe)
        self._estimate = TokenEstimate(config.limits.reserve)
        self._paced = any((gate.limits.requests_per_minute, gate.limits.tokens_per_minute))
        self._served_at: float | None = None
        self._unserved = 0
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Open the connections; start the embedded server. Raises InputError where it cannot start."""
        urls: Sequence[str] = self._config.base_url
        async with AsyncExitStack() as stack:
            if self._embedded is not None:
                await stack.enter_async_context(self._embedded)
                urls = [self._embedded.base_url]
            stack.push_async_callback(self._servers.close)
            await self._servers.open(urls)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def watch(self) -> None:
        """Watch over the embedded server, if there is one; the owner runs this as a task. Raises RunStopped."""
        if self._embedded is not None:
            await self._embedded.watch()

    @property
    def left_alone(self) -> int:
        """How many of its servers are left alone now, having failed again and again."""
        return self._servers.left_alone

    def __repr__(self) -> str:
        return f"<Endpoint {self.alias}: {self._servers!r}, behind {self._gate!r}>"

    def committed(self, call: Call) -> bool:
        return call_key(call, self.alias, self._body(call)) in call.group.replies

    def _body(self, call: Call) -> bytes:
        api = self._config.api if call.route == "generate" else "chat"  # only generating has two forms
        return request_body(call.body, self.name, api, self._config.body)

    async def ask(self, call: Call) -> Reply:
        """Return the reply to `call`, sending it unless a ledger has it. Errors as in `protocol.py`."""
        body = self._body(call)
        key = call_key(call, self.alias, body)
        raw = call.group.replies.get(key)
        if raw is None and self._hooks.reuse is not None:
            raw = self._hooks.reuse(key)
            if raw is not None:
                whose = (call.group.seed.no, key, call.stage, self.alias)
                await self._commit(call, ReplyRow(*whose, raw, *parse(raw).usage, cost_usd=0.0, reused=True))
        if raw is None:
            return await self._serve(call, key, body)
        if self._hooks.observe is not None:
            self._hooks.observe(CallReplayed(self.alias, call.stage))
        return parse(raw, self._config.reasoning)

    async def _commit(self, call: Call, row: ReplyRow) -> None:
        await self._hooks.commit(call, row)
        if call.keep:
            call.group.replies[row.key] = row.raw

    async def _serve(self, call: Call, key: str, body: bytes) -> Reply:
        """Send until the call is served or given up, and commit the reply."""
        retries: Retries | None = None
        while True:
            outcome, told = await self._attempt(call, body)
            if isinstance(outcome, Served):
                came = self._policy.clock()
                whose = (call.group.seed.no, key, call.stage, self.alias)
                usage, took = outcome.reply.usage, (told.wait_s, told.duration_s)
                await self._commit(call, ReplyRow(*whose, outcome.raw, *usage, told.cost_usd, *took))
                if self._hooks.observe is not None:
                    self._hooks.observe(ReplyKept(self.alias, call.stage, self._policy.clock() - came))
                return outcome.reply
            if retries is None:
                retries = Retries(self._policy, self.alias)
            try:
                delay = retries.wait(outcome, self._served_at)
            except CandidateError as error:
                self._gave_up(error)
                raise
            if told is not _NOT_SENT and self._hooks.observe is not None:
                self._hooks.observe(CallRetried(self.alias, call.stage, outcome.cause, delay))
            await self._servers.rest(delay)

    def _gave_up(self, error: CandidateError) -> None:
        """Count requests that could not be served, while none could. Raises RunStopped where it is not their fault."""
        if self._served_at is not None or error.reason not in {"bad_request", "invalid"}:
            return
        self._unserved += 1
        if self._unserved >= HOPELESS:
            cause = f"none of {self._unserved} requests could be served; the last time {error.detail}"
            remedy = f"Change model or body of the endpoint {self.alias}, or what the stages ask for"
            raise RunStopped(cause, remedy) from error

    async def _attempt(self, call: Call, body: bytes) -> tuple[Served | Failure, CallFinished]:
        """Pass the gate and send once, unless all servers are down, which they may be only after the gate.

        To gate, budget and observers every attempt is a call of its own; what these are told comes with the outcome.
        """
        clock, observe = self._policy.clock, self._hooks.observe
        if (down := self._servers.down()) is not None:
            return down, _NOT_SENT
        asked = clock()
        lease = await self._admitted(call, body)
        if (down := self._servers.down()) is not None:
            lease.refund()
            return down, _NOT_SENT
        sent = clock()
        if observe is not None:
            observe(CallStarted(self.alias, call.stage))
        outcome: Served | Failure | None = None
        try:
            outcome = await self._servers.post(body, call.route)
        finally:
            now = clock()
            self._settle(outcome, lease, len(body), now)
            told = self._told(call, outcome, sent - asked, now - sent)
            if observe is not None:
                observe(told)
        return outcome, told

    async def _admitted(self, call: Call, body: bytes) -> Lease:
        """Wait for a place. The budget is asked before, and again after: the wait may have been long."""
        tokens = 0
        if self._gate.limits.tokens_per_minute is not None:
            tokens = self._estimate.of(call.body, self._config.body, len(body))
        while True:
            while (ahead := self._hooks.admit_budget()) is not None:
                await ahead.wait()
            lease = await self._place(call, tokens)
            try:
                ahead = self._hooks.admit_budget()
            except (BudgetReached, RunStopped):  # other runs may go through the same gate
                lease.refund()
                raise
            if ahead is None:
                return lease
            lease.refund()

    async def _place(self, call: Call, tokens: int) -> Lease:
        try:
            return await self._gate.admit(tokens, (-call.depth, call.group.seed.no), self._hooks.job)
        except NeverAdmitted as error:
            raise CandidateError("too_large", str(error)) from error

    def _settle(self, outcome: Served | Failure | None, lease: Lease, size: int, now: float) -> None:
        """End an attempt, whatever became of it (None: cancelled), at the gate and in what is learned from it."""
        if isinstance(outcome, Served):
            usage = outcome.reply.usage
            lease.done(usage.prompt_tokens + usage.completion_tokens or None, usage.completion_tokens or 1)
            self._served_at = now
            if self._paced:
                heed(outcome.headers, self._gate, self._policy.longest_retry_after)
            self._estimate.learn(size, usage)
            return
        if outcome is not None and outcome.unserved:
            if outcome.cause != "connection":  # who cannot be reached has refused nobody
                asked = outcome.retry_after_s
                lease.refused(None if asked is None else min(asked, self._policy.longest_retry_after))
            lease.refund()
        lease.done()

    def _told(self, call: Call, outcome: Served | Failure | None, wait_s: float, duration_s: float) -> CallFinished:
        if isinstance(outcome, Served):
            return self._served(call.stage, outcome.reply, wait_s, duration_s, call.route)
        label: CallOutcome = "cancelled" if outcome is None else _OUTCOMES.get(outcome.cause, "error")
        return CallFinished(self.alias, call.stage, label, wait_s, duration_s, route=call.route)

    def _served(self, stage: str, reply: Reply, wait_s: float, duration_s: float, route: Route) -> CallFinished:
        truncated, cost_usd = any(choice.truncated for choice in reply.choices), self._cost(reply.usage)
        return CallFinished(self.alias, stage, "ok", wait_s, duration_s, *reply.usage, cost_usd, truncated, route)

    def _cost(self, usage: Usage) -> float | None:
        """Return the USD of one reply: None where no price or no usage is known, 0 for the embedded server."""
        if self._embedded is not None:
            return 0.0
        price = self._config.price
        if price is None or not any(usage):
            return None
        return price.usd(usage.prompt_tokens, usage.completion_tokens)
