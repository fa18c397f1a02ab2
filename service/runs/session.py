"""What a running pipeline is made of: gates, endpoints, stages and the ledger, joined to each other.

This is the composition root: nothing is decided here but who is given what.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from config.schema import Endpoint as EndpointConfig
from config.schema import Generate, resolved
from config.schema import Pipeline as PipelineConfig
from queues.adaptive import MOST
from queues.gate import Gate, GateLimits
from queues.ledger import Ledger, Reader, ReplyIndex, ReplyRow
from service.runs.finish import Finished, finish
from service.runs.lifecycle import Activity, Drain
from service.runs.plan import Plan
from service.runs.spending import Spending
from service.runs.store import LedgerStore
from stages.core.errors import BudgetReached, InputError, RunStopped
from stages.core.events import Observe
from stages.io.manifest import Run
from stages.llm.batch_endpoint import BatchEndpoint
from stages.llm.batches import BatchHooks, under_way
from stages.llm.endpoint import Endpoint, Hooks
from stages.llm.protocol import Call, Reply
from stages.llm.spool import Promised
from stages.pipeline import Pipeline, Sizes
from stages.registry import Tools, build

T = TypeVar("T", int, float)

OnReply = Callable[[Call, ReplyRow], None]
"""Hears of every committed reply: what was asked, and what came and what it took."""


Finish = Callable[[Path, PipelineConfig, Run], Awaitable[Finished]]


async def finish_here(run_dir: Path, pipeline: PipelineConfig, run: Run) -> Finished:
    """Derive a run's files in this very thread: nothing else is waiting for it."""
    return finish(run_dir, pipeline, run)


@dataclass(frozen=True, slots=True)
class Around:
    """What a run is given by its owner.

    `reuse`: an older run whose replies are taken; `on_reply` hears of every reply. `gates`: those of limit groups, by
    name, that other runs go through as well, among which this one is called `job`; whoever made them runs them too.
    `finish` is how, or where, its files are derived; `disclose` makes of what really runs what may be written down.
    """

    reuse: Path | None = None
    on_reply: OnReply | None = None
    gates: Mapping[str, Gate] = field(default_factory=dict)
    job: str = ""
    finish: Finish = finish_here
    disclose: Callable[[PipelineConfig], dict[str, Any]] = resolved


class Halting:
    """An endpoint whose askers wait for the end of the run, instead of failing, once no call may leave any more."""

    def __init__(self, endpoint: Endpoint, drain: Drain) -> None:
        self.alias, self.name = endpoint.alias, endpoint.name
        self.sends_seed, self.structured = endpoint.sends_seed, endpoint.structured
        self.logprobs = endpoint.logprobs
        self.committed = endpoint.committed
        self._endpoint, self._drain = endpoint, drain

    async def ask(self, call: Call) -> Reply:
        try:
            return await self._endpoint.ask(call)
        except (BudgetReached, RunStopped) as cause:
            await self._drain.halt(cause)


class Session:
    """Everything of one run that lives while calls are made."""

    def __init__(
        self,
        plan: Plan,
        around: Around,
        ledger: Ledger,
        reader: Reader,
        reuse: ReplyIndex | None,
        observe: Observe,
        activity: Activity,
    ) -> None:
        config = plan.pipeline
        self.drain = Drain()
        self._activity = activity
        self.spending = Spending(config.budget, reader.spend(), lambda: activity.in_flight, self._promised)
        self._on_reply, self._ledger = around.on_reply, ledger
        self.store = store = LedgerStore(ledger, reader)
        batches = BatchHooks(self._keep, store, reader.keys, ledger.path.parent, _run_id(ledger))
        reused = None if reuse is None else reuse.get
        self.gates: dict[str, Gate] = {}
        self.gate_of: dict[str, Gate] = {}
        for name, (limits, aliases) in limits_of(config.used).items():
            self.gates[name] = around.gates.get(name) or Gate(limits, name)
            self.gate_of |= dict.fromkeys(aliases, self.gates[name])
        self._own = {name: gate for name, gate in self.gates.items() if name not in around.gates}
        self.endpoints: dict[str, Endpoint] = {}
        of_run = Hooks(self._commit, self._admit, reused, observe, around.job)
        for alias, endpoint in config.used.items():
            made = (alias, endpoint, self.gate_of[alias], plan.keys[alias], of_run)
            if endpoint.mode == "live" and (sent := under_way(alias, store)):
                raise InputError(
                    f"endpoints.{alias}.mode: {len(sent)} batches are under way at the provider, and live their "
                    f"requests would be paid for twice; go on with `mode: batch`, or cancel them there and resume once"
                )
            # a person waits for previews and probes: live
            batched = endpoint.mode == "batch" and around.on_reply is None
            self.endpoints[alias] = BatchEndpoint(*made, batches) if batched else Endpoint(*made)
        self._in_batches = [one for one in self.endpoints.values() if isinstance(one, BatchEndpoint)]
        models = {alias: Halting(endpoint, self.drain) for alias, endpoint in self.endpoints.items()}
        first = next((stage.candidates for stage in config.stages if isinstance(stage, Generate)), 1)
        sizes, settings = _sizes(self.gates), (config.seed, config.constitution, config.collapse)
        tools = Tools(models, store, *settings, observe, expected=plan.within * first, at_once=sizes.workers)
        self.pipeline = Pipeline(build(config.stages, tools), store, sizes, observe, self._arrive)

    def background(self) -> dict[str, Coroutine[Any, Any, None]]:
        """Return, by name, what must run beside the pipeline: dispatchers of its own gates, watchers of endpoints."""
        gates = {f"gate {name}": gate.run() for name, gate in self._own.items()}
        return gates | {f"watch {alias}": self._watch(endpoint) for alias, endpoint in self.endpoints.items()}

    async def _watch(self, endpoint: Endpoint) -> None:
        try:
            await endpoint.watch()
        except RunStopped as cause:
            self.drain.begin(cause)

    def _admit(self) -> asyncio.Event | None:
        if self.drain.cause is not None:
            raise self.drain.cause
        if self.spending.unknown and self._activity.in_flight:
            return self._activity.idle
        self.spending.check()
        return None

    async def _commit(self, call: Call, row: ReplyRow) -> None:
        await self._keep(row)
        if self._on_reply is not None:
            self._on_reply(call, row)

    def _keep(self, row: ReplyRow) -> asyncio.Future[None]:
        self.spending.add(row)
        return self._ledger.reply(row)

    def _promised(self) -> Promised:
        total = Promised()
        for endpoint in self._in_batches:
            total.add(endpoint.promised)
        return total

    async def _arrive(self) -> None:
        """Send what is gathered, and return when no batch is under way; where the budget allows none, drain."""
        if self.drain.cause is not None:  # nothing leaves any more
            await self.drain.halt(self.drain.cause)
        under_way = [endpoint for endpoint in self._in_batches if endpoint.flush()]
        for endpoint in self._in_batches:
            if endpoint.refused is not None and not under_way:
                await self.drain.halt(endpoint.refused)
        await self.came_home()

    async def came_home(self) -> None:
        """Return when no batch is under way."""
        for endpoint in self._in_batches:
            await endpoint.home()


def _run_id(ledger: Ledger) -> str:
    """Return what names the run at providers, the same in every process."""
    if (known := ledger.meta("run")) is None:
        ledger.set_meta("run", known := uuid.uuid4().hex)
    return known


def limits_of(endpoints: Mapping[str, EndpointConfig]) -> dict[str, tuple[GateLimits, list[str]]]:
    """Return each limit group with its aliases; where those of one group differ, the tightest limit holds."""
    groups: dict[str, list[str]] = {}
    for alias, endpoint in endpoints.items():
        groups.setdefault(endpoint.limits.group or alias, []).append(alias)
    return {name: (_limits([endpoints[alias] for alias in aliases]), aliases) for name, aliases in groups.items()}


def _limits(members: list[EndpointConfig]) -> GateLimits:
    def tightest(of: Callable[[EndpointConfig], T | None]) -> T | None:
        return min((value for member in members if (value := of(member)) is not None), default=None)

    return GateLimits(
        tightest(lambda member: member.limits.max_concurrency),
        tightest(lambda member: member.limits.requests_per_minute),
        tightest(lambda member: member.limits.tokens_per_minute),
    )


def _sizes(gates: Mapping[str, Gate]) -> Sizes:
    """Return how much may be under way: enough to keep every call place taken while replies are being committed."""
    calls = sum(gate.limits.max_concurrency or MOST for gate in gates.values()) or 32
    return Sizes(in_flight=2 * calls + 16, workers=calls + calls // 2 + 8, queue=max(16, calls // 8))
