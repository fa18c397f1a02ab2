"""The servers behind one alias: which of them and which key a request goes to, and what its answer means.

A request goes to the server with the fewest outstanding, past those whose breaker is open. One that certainly arrived
nowhere (no connection, or "not now") goes on to the next server at once and has spent nothing; one that may have been
worked on is not sent twice from here: that is for `retries.py` to decide.
"""

from __future__ import annotations

import asyncio
from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, get_args

import aiohttp
from yarl import URL

from config.schema import Endpoint as EndpointConfig
from queues.breaker import Breaker
from stages.core.events import Observe, ServerChanged
from stages.llm import failures
from stages.llm.failures import Failure, Kind
from stages.llm.keys import ApiKey, KeyRing
from stages.llm.parse import MalformedReply, parse
from stages.llm.protocol import Reply, Route
from stages.llm.retries import RetryPolicy
from stages.llm.transport import Transport
from stages.llm.wire import auth_headers, request_headers, request_url

DOWN = frozenset({"connection", "timeout", "server_error"})
"""Causes that speak against the server; whatever else it answers, it is there."""


class Served(NamedTuple):
    """A reply, the bytes it was read from, and the headers it came with."""

    reply: Reply
    raw: bytes
    headers: Mapping[str, str]


class _Server:
    __slots__ = ("breaker", "outstanding", "urls")

    def __init__(self, urls: dict[Route, URL], breaker: Breaker) -> None:
        self.urls, self.breaker, self.outstanding = urls, breaker, 0

    def __repr__(self) -> str:
        url = self.urls["generate"]
        return f"{url.host}:{url.port}"


def _order(server: _Server) -> tuple[bool, int]:
    """Return what servers are sorted by: one that is due a probe first, then the one with the fewest outstanding."""
    return not server.breaker.open, server.outstanding


class Servers:
    """All URLs of one endpoint with its keys and connections. Open from `open` to `close`."""

    def __init__(
        self,
        alias: str,
        config: EndpointConfig,
        keys: Sequence[ApiKey],
        policy: RetryPolicy,
        observe: Observe | None = None,
    ) -> None:
        self._alias, self._config, self._policy, self._observe = alias, config, policy, observe
        self._ring = KeyRing(alias, keys)
        self._headers = {
            key: request_headers(auth_headers(config.api_key_header, key.text), config.headers) for key in keys
        }
        self._transport = Transport(config.timeout_s, config.proxy, config.ca_file)
        self._servers: list[_Server] = []
        self._last_down: Failure | None = None
        self._resting: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        told = f"{sum(server.outstanding for server in self._servers)} in flight, keys: {len(self._ring)}"
        return ", ".join([told, *(f"{server} {server.breaker!r}" for server in self._servers if server.breaker.open)])

    @property
    def left_alone(self) -> int:
        """How many servers get no calls now but a probe."""
        return sum(one.breaker.open for one in self._servers)

    async def open(self, urls: Sequence[str]) -> None:
        api, query, clock = self._config.api, self._config.query, self._policy.clock
        self._servers = [
            _Server({route: request_url(url, api, query, route) for route in get_args(Route)}, Breaker(clock))
            for url in urls
        ]
        await self._transport.open()

    async def close(self) -> None:
        await self._transport.close()

    def down(self) -> Failure | None:
        """Return why nothing may be sent now, and when one call may be tried; None where a server takes calls."""
        if self._last_down is None:
            return None
        wait = min(server.breaker.wait() for server in self._servers)
        if not wait:
            return None
        return replace(self._last_down, kind=Kind.LATER, retry_after_s=wait, unserved=True)

    async def rest(self, seconds: float) -> None:
        """Sleep before a retry; while all servers are down, no longer than until one is back."""
        if self.down() is None:
            await self._policy.sleep(seconds)
            return
        async with asyncio.TaskGroup() as tasks:
            resting = tasks.create_task(self._policy.sleep(seconds), name=f"{self._alias} is down")
            self._resting.add(resting)  # whoever closes a breaker cancels it, and the group ends quietly
            resting.add_done_callback(self._resting.discard)

    async def post(self, body: bytes, route: Route = "generate") -> Served | Failure:
        """Send a request with the next key, to one server after another until one has it; a dead key goes.

        To be called while `down` returns None, with no await between the two.
        """
        key = self._ring.next()
        tried: list[_Server] = []
        failure: Failure | None = None
        while (server := self._pick(tried)) is not None:
            outcome = await self._send(server, body, key, route)
            if isinstance(outcome, Served):
                return outcome
            failure = outcome
            if not (failure.unserved and failure.cause in DOWN):
                break
            tried.append(server)
        if failure is None:
            raise RuntimeError("all servers are down")
        return self._ring.lost(key, failure) if failure.kind is Kind.KEY else failure

    def _pick(self, tried: Container[_Server]) -> _Server | None:
        able = [server for server in self._servers if server not in tried and not server.breaker.wait()]
        return min(able, key=_order, default=None)

    async def _send(self, server: _Server, body: bytes, key: ApiKey, route: Route) -> Served | Failure:
        """Send to one server, and let its breaker know. A cancelled request tells it nothing."""
        probe = server.breaker.open
        server.outstanding += 1
        server.breaker.enter()
        try:
            outcome = await self._exchange(server.urls[route], key, body, route)
        finally:
            server.outstanding -= 1
        if isinstance(outcome, Failure):
            outcome = replace(outcome, words=self._ring.redacted(outcome.words))
            if outcome.cause in DOWN:
                self._last_down = outcome
                if server.breaker.failed():
                    self._tell(server, down=True)
                if probe and outcome.cause == "server_error":  # the server's fault: the request may go elsewhere
                    return replace(outcome, kind=Kind.LATER, unserved=True)
                return outcome
        if server.breaker.answered():
            for resting in self._resting:
                resting.cancel()
            self._tell(server, down=False)
        return outcome

    def _tell(self, server: _Server, down: bool) -> None:
        if self._observe is not None:
            self._observe(ServerChanged(self._alias, repr(server), down, self.left_alone))

    async def _exchange(self, url: URL, key: ApiKey, body: bytes, route: Route) -> Served | Failure:
        try:
            answer = await self._transport.send(url, self._headers[key], body)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return failures.of_exception(error)
        if answer.status >= 300:
            return failures.of_reply(answer.status, answer.headers, answer.body)
        try:
            reply = parse(answer.body, self._config.reasoning)
        except MalformedReply as error:
            return failures.of_reply(answer.status, answer.headers, answer.body, malformed=str(error))
        if bool(reply.vectors) != (route == "embeddings"):
            held = "no embeddings" if reply.choices else "embeddings"
            return failures.of_reply(answer.status, answer.headers, answer.body, malformed=f"the reply holds {held}")
        return Served(reply, answer.body, answer.headers)
