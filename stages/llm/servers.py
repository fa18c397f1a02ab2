"""The servers behind one alias: which of them and which key a request goes to, and what its answer means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter
from typing import NamedTuple, get_args

import aiohttp
from yarl import URL

from config.schema import Endpoint as EndpointConfig
from stages.llm import failures
from stages.llm.failures import Failure, Kind
from stages.llm.keys import ApiKey, KeyRing
from stages.llm.parse import MalformedReply, parse
from stages.llm.protocol import Reply, Route
from stages.llm.transport import Transport
from stages.llm.wire import auth_headers, request_headers, request_url


class Served(NamedTuple):
    """A reply, and the bytes it was read from."""

    reply: Reply
    raw: bytes


class _Server:
    __slots__ = ("outstanding", "urls")

    def __init__(self, urls: dict[Route, URL]) -> None:
        self.urls, self.outstanding = urls, 0


_fewest = attrgetter("outstanding")


class Servers:
    """All URLs of one endpoint with its keys and connections. Open from `open` to `close`."""

    def __init__(self, alias: str, config: EndpointConfig, keys: Sequence[ApiKey]) -> None:
        self._config = config
        self._ring = KeyRing(alias, keys)
        self._headers = {
            key: request_headers(auth_headers(config.api_key_header, key.text), config.headers) for key in keys
        }
        self._transport = Transport(config.timeout_s, config.proxy, config.ca_file)
        self._servers: list[_Server] = []

    def __repr__(self) -> str:
        return f"{sum(server.outstanding for server in self._servers)} in flight, keys: {len(self._ring)}"

    async def open(self, urls: Sequence[str]) -> None:
        api, query = self._config.api, self._config.query
        self._servers = [
            _Server({route: request_url(url, api, query, route) for route in get_args(Route)}) for url in urls
        ]
        await self._transport.open()

    async def close(self) -> None:
        await self._transport.close()

    async def post(self, body: bytes, route: Route = "generate") -> Served | Failure:
        """Send a request once: to the server with the fewest outstanding, with the next key; a dead one goes."""
        key = self._ring.next()
        outcome = await self._send(body, key, route)
        if isinstance(outcome, Failure):
            outcome = replace(outcome, words=self._ring.redacted(outcome.words))
            if outcome.kind is Kind.KEY:
                return self._ring.lost(key, outcome)
        return outcome

    async def _send(self, body: bytes, key: ApiKey, route: Route) -> Served | Failure:
        server = min(self._servers, key=_fewest)
        server.outstanding += 1
        try:
            answer = await self._transport.send(server.urls[route], self._headers[key], body)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return failures.of_exception(error)
        finally:
            server.outstanding -= 1
        if answer.status >= 300:
            return failures.of_reply(answer.status, answer.headers, answer.body)
        try:
            return Served(parse(answer.body, self._config.reasoning), answer.body)
        except MalformedReply as error:
            return failures.of_reply(answer.status, answer.headers, answer.body, malformed=str(error))
