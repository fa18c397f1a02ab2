"""What all jobs and batches share: the endpoints with their keys, the gates before them, and the tokens of a day."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from config.schema import Endpoint
from queues.gate import Gate
from queues.registry import Registry
from service.runs.session import limits_of
from service.serve.who import Caller
from stages.core.errors import InputError
from stages.llm.keys import ApiKey, read_keys

DAY_S = 24 * 3600
KEPT_EVERY_S = 1.0


class Shared:
    """Gates by limit group (`groups`) and by alias (`gates`), and keys. Raises InputError where a key is missing."""

    def __init__(self, endpoints: Mapping[str, Endpoint], data_dir: Path) -> None:
        self.endpoints, self._data_dir = endpoints, data_dir
        self.keys = _keys(endpoints)
        self.groups: dict[str, Gate] = {}
        self.gates: dict[str, Gate] = {}
        for name, (limits, aliases) in limits_of(endpoints).items():
            self.groups[name] = gate = Gate(limits, name)
            self.gates |= dict.fromkeys(aliases, gate)

    def background(self) -> dict[str, Coroutine[Any, Any, None]]:
        """Return, by name, what must run while anybody asks: the dispatchers of the gates."""
        return {f"gate {name}": gate.run() for name, gate in self.groups.items()}

    def disguised(self, words: str) -> str:
        """Return words for a tenant, who knows endpoints by alias and files by id, and not where they are."""
        words = words.replace(f"{self._data_dir}/", "")
        for alias, endpoint in self.endpoints.items():
            for url in endpoint.base_url:
                words = words.replace(url, alias).replace(urlsplit(url).netloc, alias)
        return words


def _keys(endpoints: Mapping[str, Endpoint]) -> dict[str, list[ApiKey]]:
    keys, problems = dict[str, list[ApiKey]](), list[str]()
    for alias, endpoint in endpoints.items():
        try:
            keys[alias] = read_keys(alias, endpoint, os.environ)
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    return keys


class Meter:
    """The tokens that each tenant has taken today (UTC), written down every second: a kill forgets a second of them."""

    def __init__(self, registry: Registry, clock: Callable[[], float] = time.time) -> None:
        self._registry, self._clock = registry, clock
        self._day = self._today()
        self._used: dict[str, int] = {}
        self._unwritten: set[str] = set()

    async def load(self) -> None:
        """Go on from what earlier processes wrote down."""
        self._used = await self._registry.used(self._day)

    def charge(self, tenant: str, tokens: int) -> None:
        """Add tokens that a tenant has taken."""
        self._turn()
        self._used[tenant] = self._used.get(tenant, 0) + tokens
        self._unwritten.add(tenant)

    def left(self, caller: Caller) -> int | None:
        """Return how many tokens a caller has left today; None: no quota."""
        self._turn()
        quota = caller.quotas.tokens_per_day
        return None if quota is None else max(0, quota - self._used.get(caller.tenant, 0))

    def renews_in_s(self) -> int:
        """Return how long it is until midnight."""
        return int(DAY_S - self._clock() % DAY_S) + 1

    async def run(self) -> None:
        """Write down what was taken, until cancelled."""
        while True:
            await asyncio.sleep(KEPT_EVERY_S)
            await self.write()

    async def write(self) -> None:
        """Write down what was taken since it was last written."""
        day, taken = self._day, {tenant: self._used[tenant] for tenant in self._unwritten}
        self._unwritten.clear()
        for tenant, tokens in taken.items():  # meanwhile another day may begin
            await self._registry.use(tenant, day, tokens)

    def _turn(self) -> None:
        if self._today() != self._day:
            self._day, self._used = self._today(), {}
            self._unwritten.clear()

    def _today(self) -> int:
        return int(self._clock() // DAY_S)
