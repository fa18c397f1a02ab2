"""The image's health check, against what it is to look at."""

from __future__ import annotations

import asyncio
import importlib.util
import socket
import threading
from pathlib import Path
from types import ModuleType

import pytest
from needs import ROOT
from prometheus_client import CollectorRegistry
from served import serving

from config.service import Service, split_address
from service.observe.metrics import serve_metrics


@pytest.fixture
def health() -> ModuleType:
    spec = importlib.util.spec_from_file_location("health", ROOT / "deploy/health.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_service_is_well_while_it_answers(health: ModuleType, tmp_path: Path) -> None:
    with serving(tmp_path, {"listen": "127.0.0.1:0"}) as server:
        port = int(server.urls[0].rpartition(":")[2])
        assert health.answers(port, "/healthz")
        assert not health.answers(port, "/no-such-thing")
        server.stop()
        assert not health.answers(port, "/healthz")


async def test_a_run_is_well_while_it_shows_its_metrics(health: ModuleType) -> None:
    async with serve_metrics(CollectorRegistry(), 0) as url:
        assert await asyncio.to_thread(health.answers, int(url.split(":")[2].partition("/")[0]), "/metrics")


def test_what_answers_in_no_known_way_is_not_well(health: ModuleType) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:

        def answer() -> None:
            with other.accept()[0] as caller:
                caller.recv(1000)
                caller.sendall(b"what?\r\n")

        answering = threading.Thread(target=answer)
        answering.start()
        assert not health.answers(other.getsockname()[1], "/healthz")
        answering.join()


def test_it_looks_where_the_service_listens_unless_told_otherwise(health: ModuleType) -> None:
    assert (split_address(Service().listen)[1], "/healthz") in health.PLACES
