"""What a failed attempt means."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.llm.failures import Failure, Kind, of_reply


def error(message: str, **more: Any) -> bytes:
    return orjson.dumps({"error": {"message": message, **more}})


def kind(status: int, body: bytes = b"") -> tuple[Kind, str]:
    failure = of_reply(status, {}, body)
    return failure.kind, failure.cause


# What providers really answer, and what it means.
ANSWERS: list[tuple[int, bytes, Kind, str]] = [
    (429, error("Rate limit reached for requests", code="rate_limit_exceeded"), Kind.LATER, "rate_limited"),
    (
        429,
        error("You exceeded your current quota, please retry in 9 s", status="RESOURCE_EXHAUSTED"),
        Kind.LATER,
        "rate_limited",
    ),
    (429, error("You exceeded your current quota", code="insufficient_quota"), Kind.KEY, "key"),
    (429, error("Rate limit reached for m on tokens per day (TPD): Limit 9, Used 9"), Kind.KEY, "key"),
    (429, error("Rate limit exceeded: free-models-per-day"), Kind.KEY, "key"),
    (429, error("Quota exceeded", details=[{"quotaId": "GenerateRequestsPerDayPerProject"}]), Kind.KEY, "key"),
    (429, error("Request too large for m on tokens per min (TPM): Limit 9, Requested 10"), Kind.CANDIDATE, "too_large"),
    (503, error("Loading model"), Kind.LATER, "server_error"),
    (529, error("Overloaded", type="overloaded_error"), Kind.LATER, "server_error"),
    (500, b"<html><h1>Internal Server Error</h1></html>", Kind.AGAIN, "server_error"),
    (502, b"", Kind.AGAIN, "server_error"),
    (408, b"", Kind.AGAIN, "server_error"),
    (401, error("Incorrect API key provided", code="invalid_api_key"), Kind.KEY, "key"),
    (402, error("Insufficient Balance"), Kind.KEY, "key"),
    (400, error("API key not valid. Please pass a valid API key."), Kind.KEY, "key"),
    (403, error("Your account is not active, please check your billing details"), Kind.KEY, "key"),
    (403, error("Your input was flagged", metadata={"reasons": ["violence"]}), Kind.CANDIDATE, "content_refused"),
    (400, error("The response was filtered", code="content_filter"), Kind.CANDIDATE, "content_refused"),
    (403, b"<html>Forbidden</html>", Kind.UNCLEAR, "bad_request"),
    (404, error("The model `m` does not exist or you do not have access to it"), Kind.ENDPOINT, "model"),
    (404, error("gone", code="DeploymentNotFound"), Kind.ENDPOINT, "model"),
    (400, error("Model Not Exist"), Kind.ENDPOINT, "model"),
    (404, b'{"detail": "Not Found"}', Kind.UNCLEAR, "bad_request"),
    (400, error("x", code="context_length_exceeded"), Kind.CANDIDATE, "context_length"),
    (
        400,
        b'{"object":"error","message":"This model\'s maximum context length is 9 tokens"}',
        Kind.CANDIDATE,
        "context_length",
    ),
    (400, error("request (9) exceeds the available context size (8)"), Kind.CANDIDATE, "context_length"),
    (413, b"", Kind.CANDIDATE, "too_large"),
    (422, b'{"detail": [{"msg": "field required"}]}', Kind.CANDIDATE, "bad_request"),
    (
        400,
        b'[{"error": {"code": 400, "message": "bad schema", "status": "INVALID_ARGUMENT"}}]',
        Kind.CANDIDATE,
        "bad_request",
    ),
    (301, b"", Kind.ENDPOINT, "redirect"),
    (200, error("Provider returned error", code=502), Kind.AGAIN, "server_error"),
    (200, error("slow down", code=429), Kind.LATER, "rate_limited"),
    (200, b'{"choices": []}', Kind.AGAIN, "invalid"),
]


@pytest.mark.parametrize(
    ("status", "body", "means", "cause"), ANSWERS, ids=[f"{a[0]}-{a[3]}-{n}" for n, a in enumerate(ANSWERS)]
)
def test_what_answers_mean(status: int, body: bytes, means: Kind, cause: str) -> None:
    assert kind(status, body) == (means, cause)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (error("Bad things\n  happened"), 'answered 400 "Bad things happened"'),
        (b'{"error": "a text"}', 'answered 400 "a text"'),
        (b'{"detail": "gone"}', 'answered 400 "gone"'),
        (b"<html><body>Bad <b>gateway</b></body></html>", 'answered 400 "Bad gateway"'),
        (b"\xff\xfe", 'answered 400 "\ufffd\ufffd"'),
        (b"", "answered 400"),
    ],
)
def test_the_providers_words_are_kept(body: bytes, words: str) -> None:
    assert of_reply(400, {}, body).words == words


def test_long_words_are_cut() -> None:
    assert len(of_reply(400, {}, error("x" * 5000)).words) < 600


def test_a_malformed_success_says_what_is_wrong_with_it() -> None:
    failure = of_reply(200, {}, b"oops", malformed="the reply is no JSON")
    assert failure == Failure(Kind.AGAIN, "invalid", 'answered what cannot be read: the reply is no JSON "oops"')


def test_the_providers_words_are_kept_where_it_calls_its_failure_a_success() -> None:
    failure = of_reply(200, {}, b'{"error": "no GPU is free"}', malformed="the reply has no choices")
    assert failure.words == 'answered what cannot be read: the reply has no choices "no GPU is free"'


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "200", "retry-after": "1"}, 0.2),
        ({"retry-after": "Wed, 01 Jan 2025 00:00:30 GMT", "date": "Wed, 01 Jan 2025 00:00:10 GMT"}, 20.0),
        ({"retry-after": "Wed, 01 Jan 2025 00:00:00 GMT", "date": "Wed, 01 Jan 2025 00:00:10 GMT"}, 0.0),
        ({"retry-after": "Wed, 01 Jan 2025 00:00:30 GMT"}, None),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert of_reply(429, headers, b"").retry_after_s == seconds


@pytest.mark.parametrize(
    ("headers", "means"),
    [({"retry-after": "9"}, Kind.LATER), ({"retry-after": "28800"}, Kind.KEY), ({"retry-after": "0"}, Kind.KEY)],
)
def test_a_daily_quota_is_waited_for_only_where_it_soon_has_room(headers: dict[str, str], means: Kind) -> None:
    failure = of_reply(429, headers, error("Rate limit reached on requests per day (RPD): Limit 10000"))
    assert failure.kind is means
    assert failure.unserved


def test_only_what_was_refused_is_unserved() -> None:
    """A failed request that the server may have worked on keeps its tokens at the gate."""
    assert of_reply(429, {}, b"").unserved
    assert not of_reply(500, {}, b"").unserved
    assert not of_reply(400, {}, b"").unserved


NO_STATUS = st.sampled_from(["\u00b2", "9" * 5000])  # digits that int() does not take
VALUES = st.none() | st.text(max_size=5) | st.integers(-9, 999) | NO_STATUS
BODIES = st.recursive(
    VALUES,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["error", "message", "code", "type", "detail", "status"]), inner, max_size=3)
    ),
    max_leaves=6,
)
DATES = st.sampled_from(
    ["Wed, 01 Jan 2025 00:00:30 GMT", "Wed, 01 Jan 2025 00:00:30 -0000", "Wed, 99 Jan 99999 00:00:30 GMT"]
)
HEADERS = st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms", "date"]), DATES | st.text(max_size=5))


@given(st.integers(200, 599), st.binary(max_size=20) | BODIES.map(orjson.dumps), HEADERS)
def test_any_answer_whatever_is_classified(status: int, body: bytes, headers: dict[str, str]) -> None:
    failure = of_reply(status, headers, body)
    assert failure.words
    assert failure.retry_after_s is None or 0 <= failure.retry_after_s < float("inf")
