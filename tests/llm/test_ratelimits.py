"""What headers change about a gate."""

from __future__ import annotations

import math

import pytest
from scripted_server import Make, ScriptedServer, a_call, completion

from queues.gate import Gate, GateLimits
from stages.llm.ratelimits import duration, heed


def gate(**limits: float) -> Gate:
    return Gate(GateLimits(100, **limits), clock=lambda: 0.0)


def headers(kind: str, **said: object) -> dict[str, str]:
    return {f"x-ratelimit-{name}-{kind}": str(value) for name, value in said.items()}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("12ms", 0.012),
        ("1.5s", 1.5),
        ("6m0s", 360),
        ("1h2m3s", 3723),
        ("7", 7),
        ("", None),
        ("soon", None),
        ("1s!", None),
    ],
)
def test_times_are_read_as_providers_write_them(text: str, seconds: float | None) -> None:
    assert duration(text) == pytest.approx(seconds) if seconds is not None else math.isnan(duration(text))


@pytest.mark.parametrize(
    ("said", "holds"),
    [
        ({"limit": 60}, 60),
        ({"limit": 6_000}, 600),
        ({"limit": 0}, 600),
        ({"limit": -1}, 600),
        ({"limit": "a lot"}, 600),
        ({"limit": "inf"}, 600),
        ({"limit": 200, "reset": "5h"}, 600),
        ({"limit": 200, "reset": "30s"}, 200),
        ({"remaining": 3}, 600),
    ],
)
@pytest.mark.parametrize("kind", ["requests", "tokens"])
def test_a_limit_is_lowered_and_never_raised(kind: str, said: dict[str, object], holds: float) -> None:
    """One whose use takes hours to come back is no limit of a minute."""
    there = gate(requests_per_minute=600, tokens_per_minute=600)
    heed(headers(kind, **said), there, 120)
    assert (there.limits.requests_per_minute, there.limits.tokens_per_minute) == (
        (holds, 600) if kind == "requests" else (600, holds)
    )


async def test_what_is_left_at_the_server_is_left_here() -> None:
    there = gate(tokens_per_minute=60_000)
    heed(headers("tokens", remaining=99), there, 120)
    lease = await there.admit(100)
    assert there._missing(1) == (pytest.approx(0.001), "tokens")
    lease.done(0)
    heed(headers("tokens", remaining=50_000), there, 120)
    assert there._missing(100)[0] == 0


@pytest.mark.parametrize(
    ("said", "rest_s"),
    [
        ({"remaining": 0, "reset": "30s"}, 30),
        ({"remaining": 0, "reset": "5h"}, 120),
        ({"remaining": 0, "reset": "30s", "limit": 600}, 0),
        ({"remaining": 0, "reset": "5h", "limit": 600}, 120),
        ({"remaining": 1, "reset": "30s"}, 0),
        ({"remaining": 0}, 0),
        ({"remaining": -1, "reset": "30s"}, 0),
    ],
)
def test_where_nothing_is_left_all_rest_unless_the_limit_says_that_it_comes_back_evenly(
    said: dict[str, object], rest_s: float
) -> None:
    there = gate(tokens_per_minute=600)
    heed(headers("tokens", **said), there, 120)
    wait, what = there._missing(0)
    assert (wait, what) == ((rest_s, "cool-down") if rest_s else (0, ""))


async def test_an_endpoint_heeds_them_where_a_limit_is_configured(server: ScriptedServer, make: Make) -> None:
    said = headers("requests", limit=60) | headers("tokens", limit=70)
    server.script = [server.json(completion(), headers=said)] * 2
    for limits, holds in (({"tokens_per_minute": 100_000}, (None, 70)), ({}, (None, None))):
        there = Gate(GateLimits(100, **limits))
        async with make(server.base_url, gate=there) as endpoint:
            await endpoint.ask(a_call())
        assert (there.limits.requests_per_minute, there.limits.tokens_per_minute) == holds
