"""One service with tenants and one without, for all tests of the room, before one simulated endpoint."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest
from browsing import chromium
from playwright.sync_api import Browser, expect
from served import TOKENS, Caller, Server, endpoints, serving
from whole_runs import Simulator, simulating

expect.set_options(timeout=60_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="session")
def simulator() -> Iterator[Simulator]:
    with simulating("--accuracy", "0.6", "--latency", "0.05") as running:
        yield running


@pytest.fixture(scope="session")
def open_server(simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Without tenants: whoever is on this machine."""
    config = {"listen": "127.0.0.1:0", "endpoints": endpoints(simulator), "jobs": {"concurrent": 2}, "max_upload_mb": 1}
    with serving(tmp_path_factory.mktemp("open"), config) as server:
        yield server


@pytest.fixture(scope="session")
def server(simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With tenants a and b, and some with small quotas."""
    quotas = {
        "small": {"jobs": 2, "queued_seeds": 500, "tokens_per_day": 2000, "disk_mb": 1},
        "narrow": {"jobs": 2, "queued_seeds": 500},
        "thrifty": {"tokens_per_day": 500},
        "cramped": {"disk_mb": 1},
    }
    config = {
        "listen": "127.0.0.1:0",
        "admin_listen": "127.0.0.1:0",
        "endpoints": endpoints(simulator),
        "jobs": {"concurrent": 3},
        "tenants": [
            {
                "name": name,
                "token_sha256": hashlib.sha256(token.encode()).hexdigest(),
                "endpoints": ["main", "slow", "dead"],
                "quotas": quotas.get(name, {}),
            }
            for name, token in TOKENS.items()
        ],
    }
    with serving(tmp_path_factory.mktemp("tenants"), config) as running:
        yield running


@pytest.fixture
def operator(open_server: Server) -> Caller:
    return open_server.caller()


@pytest.fixture
def a(server: Server) -> Caller:
    return server.caller(TOKENS["a"])


@pytest.fixture
def b(server: Server) -> Caller:
    return server.caller(TOKENS["b"])


@pytest.fixture
def small(server: Server) -> Caller:
    return server.caller(TOKENS["small"])
