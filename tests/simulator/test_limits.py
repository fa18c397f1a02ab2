"""Limits hold to the figure, on a clock of the test's."""

from __future__ import annotations

import asyncio

import openai
import pytest

from service.simulator.asked import Refusal
from service.simulator.limits import Bucket, Limiter
from service.simulator.options import Options


def test_a_bucket_holds_one_second_and_fills_evenly(clock) -> None:
    bucket = Bucket(600, clock)
    assert bucket.capacity == 10
    bucket.take(10)
    assert bucket.wait(1) == pytest.approx(0.1)
    clock.now += 0.25
    assert bucket.wait(2) == 0
    assert bucket.wait(3) == pytest.approx(0.05)
    clock.now += 60
    assert bucket.level == 10


def test_a_request_larger_than_the_bucket_waits_for_a_full_one_and_leaves_a_debt(clock) -> None:
    bucket = Bucket(600, clock)
    assert bucket.wait(35) == 0
    bucket.take(35)
    assert bucket.wait(1) == pytest.approx(2.6)


def test_over_a_minute_exactly_the_limit_is_let_in(clock) -> None:
    limiter, let_in = Limiter(Options(rpm=600), clock), 0
    for _ in range(60 * 100):
        try:
            limiter.enter(1)
            let_in += 1
        except Refusal:
            pass
        clock.now += 0.01
    assert let_in == pytest.approx(610, abs=1)  # the rate, and the first second's burst


def test_tokens_reserved_are_corrected_by_those_used(clock) -> None:
    limiter = Limiter(Options(tpm=6000), clock)
    limiter.enter(100)
    with pytest.raises(Refusal):
        limiter.enter(50)
    limiter.correct(100, 40)
    limiter.enter(50)
    assert limiter.headers()["x-ratelimit-remaining-tokens"] == "10"


def test_a_request_above_a_minute_s_tokens_is_never_let_in(clock) -> None:
    limiter = Limiter(Options(tpm=6000), clock)
    limiter.enter(6000)
    clock.now += 3600
    with pytest.raises(Refusal) as refused:
        limiter.enter(6001)
    assert refused.value.body.startswith(b'{"error":{"message":"Request too large on tokens per min: Limit 6000')


async def test_a_day_s_quota_is_used_up_and_renewed(simulated, clock) -> None:
    async with simulated(Options(rpd=2), clock=clock) as endpoint:
        clock.now += 100
        assert [(await endpoint.ask(f"Hello {n}")).status for n in range(3)] == [200, 200, 429]
        clock.now += 86_400 - 3600
        refused = await endpoint.ask("Hello 3")
        assert (refused.status, refused.headers["retry-after"]) == (429, "3600")
        assert "requests per day (RPD): Limit 2, Used 2. Please try again in 60m0s" in refused.body["error"]["message"]
        clock.now += 3600
        assert (await endpoint.ask("Hello 4")).status == 200


async def test_a_refusal_tells_what_is_left_and_how_long_to_wait(simulated, clock) -> None:
    async with simulated(Options(rpm=60, tpm=60_000), clock=clock) as endpoint:
        served = await endpoint.ask("Hello", max_tokens=100)
        assert served.headers["x-ratelimit-limit-requests"] == "60"
        assert served.headers["x-ratelimit-remaining-requests"] == "0"
        assert served.headers["x-ratelimit-reset-requests"] == "1s"
        clock.now += 0.75
        refused = await endpoint.ask("Hello again")
        assert refused.status == 429
        assert (refused.headers["retry-after"], refused.headers["retry-after-ms"]) == ("1", "250")
        error = refused.body["error"]
        assert (error["type"], error["code"]) == ("requests", "rate_limit_exceeded")
        assert "try again in 250ms" in error["message"]
        clock.now += 0.25
        assert (await endpoint.ask("Hello again")).status == 200
        assert (await endpoint.stats())["refused"] == {"requests": 1}


async def test_tokens_reserve_prompt_and_max_tokens_of_every_choice(simulated, clock) -> None:
    async with simulated(Options(tpm=60_000), clock=clock) as endpoint:
        await endpoint.ask("Hi!!", max_tokens=999)  # one token of prompt, corrected when answered
        assert (await endpoint.ask("Hi again", max_tokens=500, n=2)).status == 429
        clock.now += 1
        assert (await endpoint.ask("Hi again", max_tokens=499, n=2)).status == 200


async def test_openai_client_sees_a_rate_limit_error_and_gets_through_by_retrying(simulated) -> None:
    async with (
        simulated(Options(rpm=1200)) as endpoint,
        openai.AsyncOpenAI(base_url=endpoint.base_url, api_key="x", max_retries=0) as client,
    ):
        ask = [{"role": "user", "content": "Hello"}]
        with pytest.raises(openai.RateLimitError):
            for _ in range(200):
                await client.chat.completions.create(model="simulated", messages=ask)
        patient = client.with_options(max_retries=5)
        assert (await patient.chat.completions.create(model="simulated", messages=ask)).choices


async def test_more_than_the_concurrency_is_refused_with_the_advice_that_was_set(simulated) -> None:
    options = Options(max_concurrency=3, retry_after=0.125, latency=0.1)
    async with simulated(options) as endpoint:
        replies = await asyncio.gather(*(endpoint.ask(f"Hello {n}") for n in range(8)))
        assert sorted(reply.status for reply in replies) == [200] * 3 + [429] * 5
        (advice,) = {reply.headers["retry-after-ms"] for reply in replies if reply.status == 429}
        assert advice == "125"
        stats = await endpoint.stats()
        assert (stats["peak"], stats["refused"]) == (3, {"concurrency": 5})


def test_limits_per_minute_are_halved_when_it_is_time(clock) -> None:
    limiter = Limiter(Options(rpm=600, tpm=6000, halve_after=60), clock)
    clock.now += 1000
    limiter.enter(1)
    clock.now += 59
    limiter.enter(1)
    assert limiter.headers()["x-ratelimit-limit-requests"] == "600"
    clock.now += 1
    limiter.enter(1)
    told = limiter.headers()
    assert (told["x-ratelimit-limit-requests"], told["x-ratelimit-limit-tokens"]) == ("300", "3000")
    assert told["x-ratelimit-remaining-requests"] == "4"


async def test_calls_beyond_the_slots_queue_and_are_not_refused(simulated) -> None:
    async with simulated(Options(slots=2, latency=0.05)) as client:
        started = asyncio.get_running_loop().time()
        answers = await asyncio.gather(*(client.ask(f"call {number}") for number in range(8)))
        assert {answer.status for answer in answers} == {200}
        assert asyncio.get_running_loop().time() - started >= 4 * 0.05
