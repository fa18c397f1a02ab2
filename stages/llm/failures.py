"""What a failed attempt means: status, headers, body or exception become one of six kinds of failure.

The kinds say what is to be done, and `retries.py` does it:

    LATER      the server is full, limited or down; nothing was spent: ask again later, as often as it takes
    AGAIN      this attempt went wrong and may have been paid for: ask again, a few times
    CANDIDATE  this request will never be served: its candidate fails, with the provider's words
    KEY        this API key is dead, out of money or at the end of its day: go on with the others
    ENDPOINT   nothing will ever be served here (a model that is not there, a redirect): stop
    UNCLEAR    the request or the endpoint: whoever has served others is not at fault
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from typing import Any

import aiohttp
import orjson


class Kind(Enum):
    LATER = auto()
    AGAIN = auto()
    CANDIDATE = auto()
    KEY = auto()
    ENDPOINT = auto()
    UNCLEAR = auto()


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed attempt. `cause` is a bounded label, `retry_after_s` what the provider asks for.

    `words` say what the endpoint did, the provider's own among them: `answered 400 "..."`.

    `unserved`: the server certainly did no work for it, so what was reserved at the gate is given back. `remedy`: what
    a person can do, where that is known.
    """

    kind: Kind
    cause: str
    words: str
    retry_after_s: float | None = None
    unserved: bool = False
    remedy: str = ""


_WORDS_MAX = 500
_QUOTA = {"insufficient_quota", "billing_not_active", "billing_hard_limit_reached", "insufficient_balance"}
_CONTENT = {"content_filter", "content_policy_violation", "data_inspection_failed", "moderation_blocked"}
_CONTEXT = {"context_length_exceeded", "exceed_context_size_error", "string_above_max_length"}
_MODEL = {"model_not_found", "deploymentnotfound"}
_SOON_S = 600.0
"""A daily quota that is told to have room again within this time is waited for."""

_SAYS_DAY = re.compile(rb"\bper[ -]day\b|\bdaily\b|\b[RT]PD\b|PerDay", re.I)
_SAYS_MODEL = re.compile(r"\b(model|deployment)\b.{0,200}\b(not found|not exist|does not exist)", re.I | re.S)
_SAYS_CONTEXT = re.compile(r"context (length|size|window)|maximum context|(prompt|input|request) is too long", re.I)
_SAYS_TOO_LARGE = re.compile(r"request too large|exceeds? the (maximum|limit)[^.]*per request", re.I)
_SAYS_CONTENT = re.compile(r"moderat|flagged|content|policy|policies|safety|inappropriate|prohibited|harm", re.I)
_SAYS_KEY = re.compile(r"api.?key|credential|token|permission|account|billing|credit|balance|quota|region|countr", re.I)
_SAYS_BAD_KEY = re.compile(r"api.?key.{0,20}(not valid|invalid|expired)|(invalid|expired) api.?key", re.I)


def of_reply(status: int, headers: Mapping[str, str], body: bytes, malformed: str = "") -> Failure:
    """Classify a reply that is no success. `malformed`: what is wrong with a reply whose status says success."""
    error = _ProviderError.read(body)
    if status < 300:
        if error.status is None:
            theirs = f' "{error.message}"' if error.message else ""
            return Failure(Kind.AGAIN, "invalid", f"answered what cannot be read: {malformed}{theirs}")
        status = error.status  # some gateways answer 200 and put the failure into the body
    kind, cause = _classify(status, error)
    words = f'answered {status} "{error.message}"' if error.message else f"answered {status}"
    asked = _retry_after(headers)
    if cause == "rate_limited" and _SAYS_DAY.search(body) and not 0.0 < (asked or 0.0) <= _SOON_S:
        return Failure(Kind.KEY, "key", words, asked, unserved=True, remedy="Go on when the quota is renewed")
    return Failure(kind, cause, words, asked, unserved=kind is Kind.LATER)


def of_exception(error: Exception) -> Failure:
    """Classify a failure of the wire: a connection that never stood spends nothing, a lost one may have been served."""
    words = str(error) or type(error).__name__
    match error:
        case aiohttp.ClientConnectorCertificateError():
            remedy = "Set ca_file to the certificate authority of that server, or correct base_url"
            return Failure(Kind.ENDPOINT, "certificate", f"has no certificate to trust: {words}", remedy=remedy)
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError() | aiohttp.ClientHttpProxyError():
            return Failure(Kind.LATER, "connection", f"cannot be reached: {words}", unserved=True)
        case asyncio.TimeoutError():
            return Failure(Kind.AGAIN, "timeout", "did not answer within timeout_s")
        case aiohttp.ClientPayloadError():
            return Failure(Kind.AGAIN, "invalid", f"broke off its reply: {words}")
        case _:
            return Failure(Kind.AGAIN, "connection", f"lost the connection: {words}")


def _classify(status: int, error: _ProviderError) -> tuple[Kind, str]:
    if error.labels & _QUOTA or status in (401, 402):
        return Kind.KEY, "key"
    if status == 429:
        return (Kind.CANDIDATE, "too_large") if _SAYS_TOO_LARGE.search(error.message) else (Kind.LATER, "rate_limited")
    if status in (503, 529):
        return Kind.LATER, "server_error"
    if status >= 500 or status in (408, 409, 425):
        return Kind.AGAIN, "server_error"
    if status < 400:
        return Kind.ENDPOINT, "redirect"
    return _classify_refusal(status, error)


def _classify_refusal(status: int, error: _ProviderError) -> tuple[Kind, str]:
    """Classify what the server will answer to this request however often it is asked."""
    says = error.message
    if error.labels & _CONTENT or (status == 403 and _SAYS_CONTENT.search(says)):
        return Kind.CANDIDATE, "content_refused"
    if (status == 403 and _SAYS_KEY.search(says)) or _SAYS_BAD_KEY.search(says):
        return Kind.KEY, "key"
    if error.labels & _MODEL or (status in (400, 404) and _SAYS_MODEL.search(says)):
        return Kind.ENDPOINT, "model"
    if status in (403, 404, 405, 410):
        return Kind.UNCLEAR, "bad_request"
    if error.labels & _CONTEXT or _SAYS_CONTEXT.search(says):
        return Kind.CANDIDATE, "context_length"
    return Kind.CANDIDATE, "too_large" if status == 413 else "bad_request"


@dataclass(frozen=True, slots=True)
class _ProviderError:
    """What the body of a failure says: the words, the labels (`code`, `type`, lower case), a status of its own."""

    message: str
    labels: frozenset[str] = frozenset()
    status: int | None = None

    @classmethod
    def read(cls, body: bytes) -> _ProviderError:
        """Read any shape in use: {error: {message, code, type}}, {error: text}, {message}, {detail}, [one of them]."""
        try:
            found = orjson.loads(body)
        except orjson.JSONDecodeError:
            return cls(_shortened(re.sub(r"<[^>]*>", " ", body[:4000].decode(errors="replace"))))
        if isinstance(found, list) and found:
            found = found[0]
        if isinstance(found, dict) and found.get("error"):
            found = found["error"]
        elif isinstance(found, dict) and "choices" in found:
            return cls("")
        if not isinstance(found, dict):
            return cls(_shortened(found))
        code = str(found.get("code"))
        labels = frozenset(str(found[name]).lower() for name in ("code", "type", "status") if found.get(name))
        words = found.get("message") or found.get("detail") or found
        status = int(code) if len(code) == 3 and code.isdecimal() and 400 <= int(code) <= 599 else None
        return cls(_shortened(words), labels, status)


def _shortened(words: Any) -> str:
    text = " ".join((words if isinstance(words, str) else orjson.dumps(words).decode()).split())
    return text if len(text) <= _WORDS_MAX else text[: _WORDS_MAX - 1] + "…"


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that `retry-after-ms` or `retry-after` asks for (a date is held against the reply's own)."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        seconds = _seconds(headers.get(name, ""), headers.get("date", ""))
        if math.isfinite(seconds):
            return max(0.0, seconds * unit)
    return None


def _seconds(value: str, date: str) -> float:
    """Return the number, or the time from `date` to the date, that `value` is; nan where it is neither."""
    try:
        return float(value)
    except ValueError:
        pass
    try:
        return (parsedate_to_datetime(value) - parsedate_to_datetime(date)).total_seconds()
    except (ValueError, TypeError, OverflowError):  # no date, a zone on one side only, a year no clock knows
        return math.nan
