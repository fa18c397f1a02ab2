"""One POST over aiohttp: bytes out, status, headers and bytes in.

Nothing of the environment enters (no proxy variables, no netrc, no cookies), redirects are not followed, and a reply
is read up to a limit. Connections are unlimited here: how many calls are in flight is the gate's decision.
"""

from __future__ import annotations

import ssl
from typing import NamedTuple

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from stages.core.errors import InputError

REPLY_MAX = 64 * 1024 * 1024
"""Bytes of a reply, unpacked. Longer ones are no completion."""

CONNECT_S = 30.0
IDLE_S = 4.0
"""Idle connections are dropped before the server does it under a request: uvicorn, and so vLLM, closes after 5 s."""


class Answer(NamedTuple):
    """What came back over the wire, whatever its status."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes


class Transport:
    """The connections to one endpoint. Opened, used and closed on one event loop."""

    def __init__(self, timeout_s: float, proxy: str | None = None, ca_file: str | None = None) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=min(CONNECT_S, timeout_s))
        self._proxy = None if proxy is None else URL(proxy)
        self._tls: ssl.SSLContext | bool = True if ca_file is None else trust(ca_file)
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_S, ssl=self._tls),
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            proxy=self._proxy,
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(self, url: URL, headers: CIMultiDict[str], body: bytes) -> Answer:
        """Post `body`. Raises aiohttp.ClientError and TimeoutError; `failures.of_exception` knows what they mean."""
        if self._session is None:
            raise RuntimeError("the transport is not open")
        async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as reply:
            return Answer(reply.status, reply.headers, await _read(reply))


async def _read(reply: aiohttp.ClientResponse) -> bytes:
    """Return the body, and never more than REPLY_MAX of it in memory."""
    first = await reply.content.readany()
    if reply.content.at_eof():
        return first
    parts, size = [first], len(first)
    while part := await reply.content.readany():
        parts.append(part)
        size += len(part)
        if size > REPLY_MAX:
            raise aiohttp.ClientPayloadError(f"the reply is longer than {REPLY_MAX:,} bytes")
    return b"".join(parts)


def trust(ca_file: str) -> ssl.SSLContext:
    """Return a TLS context that trusts the certificates of `ca_file` as well as the system's. Raises InputError."""
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise InputError(f"ca_file: cannot read certificates from {ca_file}: {error}") from error
    return context
