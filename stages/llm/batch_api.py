"""A provider's Batch API through the openai SDK: upload, create, look up, fetch. One attempt each, errors as Failures.

Nothing is decided here but what an error means; `batches.py` asks again. The path of a request inside a batch is that
of OpenAI whatever `base_url` is: it names a kind of request, not an address.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from typing import IO, TYPE_CHECKING, Any, Self, TypeVar

import orjson

from config.schema import Endpoint as EndpointConfig
from stages.llm.failures import Failure, Kind, of_reply
from stages.llm.keys import ApiKey, KeyRing
from stages.llm.sdk import client_of, headers_of

if TYPE_CHECKING:
    import openai
    from openai.types import Batch, FileObject

T = TypeVar("T")
N = TypeVar("N", "Batch", "FileObject")

ENDED = {"failed", "completed", "expired", "cancelled"}
LINE_MAX = 64 * 1024 * 1024
"""Bytes of one line of an output file; as much as of a live reply."""


class BrokenOffError(Exception):
    """A file ended before its end."""


class UnreadableError(Exception):
    """The provider answered something else than what was asked for: the SDK hands on whatever comes."""


class BatchApi:
    """One endpoint's Batch API. An async context manager."""

    def __init__(self, alias: str, config: EndpointConfig, key: ApiKey) -> None:
        self._config, self._key, self._ring = config, key, KeyRing(alias, [key])
        self._client: openai.AsyncOpenAI
        self._headers: dict[str, str]

    async def __aenter__(self) -> Self:
        self._client = client_of(self._config, self._config.base_url[0], self._config.timeout_s)
        self._headers = headers_of(self._config, self._key)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def upload(self, name: str, file: IO[bytes]) -> str | Failure:
        """Upload the requests of a batch; return the file's id."""

        async def post() -> str:
            file.seek(0)
            sent = await self._client.files.create(file=(name, file), purpose="batch", extra_headers=self._headers)
            return _named(sent).id

        return await self._tried(post)

    async def create(self, path: str, file_id: str, metadata: Mapping[str, str]) -> Batch | Failure:
        """Have the provider begin. After a failure nobody knows whether it has: look for it."""

        async def post() -> Batch:
            made = await self._client.batches.create(
                input_file_id=file_id,
                endpoint=path,  # type: ignore[arg-type]  # other providers may know more paths
                completion_window=self._config.batch.window,  # type: ignore[arg-type]  # and more windows
                metadata=dict(metadata),
                extra_headers=self._headers,
            )
            return _named(made)

        return await self._tried(post)

    async def retrieve(self, batch_id: str) -> Batch | Failure:
        async def get() -> Batch:
            batch = _named(await self._client.batches.retrieve(batch_id, extra_headers=self._headers))
            if not isinstance(batch.status, str):
                raise UnreadableError("a batch without a status")
            return batch

        return await self._tried(get)

    async def since(self, moment: float) -> list[Batch] | Failure:
        """Return the account's batches that were created after `moment` (seconds since the epoch), newest first."""

        async def listed() -> list[Batch]:
            found: list[Batch] = []
            try:
                page = await self._client.batches.list(limit=100, extra_headers=self._headers)
            except AttributeError as error:  # the SDK takes whatever comes for a page
                raise UnreadableError("no list of batches") from error
            while isinstance(getattr(page, "data", None), list):
                for batch in page.data:
                    if moment_of(_named(batch).created_at, moment) < moment:
                        return found
                    found.append(batch)
                if not page.has_next_page():
                    return found
                page = await page.get_next_page()
            raise UnreadableError("no list of batches")

        return await self._tried(listed)

    async def lines(self, file_id: str, take: Callable[[str, bytes | Failure], Awaitable[None]]) -> Failure | None:
        """Hand over what an output or error file says of each request as it comes; no file is ever in memory."""

        async def read() -> None:
            content = self._client.files.with_streaming_response.content(file_id, extra_headers=self._headers)
            async with content as reply:
                async for line in _split(_whole(reply.iter_bytes())):
                    key, said = said_in(line)
                    await take(key, said if isinstance(said, bytes) else self._redacted(said))

        return await self._tried(read)

    def _redacted(self, failure: Failure) -> Failure:
        return replace(failure, words=self._ring.redacted(failure.words))

    async def _tried(self, call: Callable[[], Awaitable[T]]) -> T | Failure:
        import openai

        try:
            return await call()
        except openai.APIStatusError as error:
            failure = of_reply(error.status_code, error.response.headers, error.response.content)
        except openai.APITimeoutError:
            failure = Failure(Kind.AGAIN, "timeout", "did not answer within timeout_s")
        except openai.APIConnectionError as error:
            failure = Failure(Kind.LATER, "connection", f"cannot be reached: {error.__cause__ or error}", unserved=True)
        except BrokenOffError as error:
            failure = Failure(Kind.AGAIN, "connection", f"broke off: {error}")
        except (openai.APIError, UnreadableError) as error:
            failure = Failure(Kind.AGAIN, "invalid", f"answered what cannot be read: {error}")
        failure = self._redacted(failure)
        return self._ring.lost(self._key, failure) if failure.kind is Kind.KEY else failure


def _named(thing: N) -> N:
    """Return what the provider has made, where it tells what it is called. Raises UnreadableError."""
    if not isinstance(getattr(thing, "id", None), str):
        raise UnreadableError(f"{str(thing)[:200]!r} has no id")
    return thing


def moment_of(told: object, default: float) -> float:
    """Return the seconds since the epoch that a provider tells; the default where it does otherwise, or not at all."""
    return float(told) if isinstance(told, int | float) else default


async def _whole(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the parts. Raises BrokenOffError."""
    while True:
        try:
            part = await anext(parts)
        except StopAsyncIteration:
            return
        except Exception as error:  # the SDK lets its HTTP library's errors through here, and which one that is changes
            raise BrokenOffError(str(error) or type(error).__name__) from error
        yield part


async def _split(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield lines. Only a line feed ends one: JSON may hold the other characters that end lines in texts."""
    rest = b""
    async for part in parts:
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            if line.strip():
                yield line
        if len(rest) > LINE_MAX:
            rest = b""  # what is so long is no completion: its request counts as not answered
    if rest.strip():
        yield rest


def said_in(line: bytes) -> tuple[str, bytes | Failure]:
    """Return the key of the request that a line is about, and its reply or why there is none.

    A line is {custom_id, response: {status_code, body} or null, error: {code, message} or null}.
    """
    try:
        found: dict[str, Any] = orjson.loads(line)
        key, response, error = str(found["custom_id"]), found.get("response"), found.get("error")
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return "", Failure(Kind.AGAIN, "invalid", f"wrote a line that cannot be read: {line[:200]!r}")
    if isinstance(response, dict) and response.get("body") is not None:
        body = orjson.dumps(response["body"])
        status = _status(response.get("status_code"))
        return key, body if status < 300 else of_reply(status, {}, body)
    error = error if isinstance(error, dict) else {}
    code, words = str(error.get("code") or "no reply"), str(error.get("message") or "there is no reply to it")
    cause = "expired" if "expired" in code else "cancelled" if "cancel" in code else "server_error"
    return key, Failure(Kind.AGAIN, cause, f'said of this request: {code} "{words:.500}"')


def _status(told: Any) -> int:
    """Return the status that a line tells; where it tells none its body has to say whether it is a reply."""
    try:
        return int(told)
    except (TypeError, ValueError):
        return 200
