"""Pushing an export to a hub: only when asked, in one commit, to a hub that stands on loopback."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from aiohttp import web
from stored_groups import accepted, group

from config.schema import Pipeline, resolved
from config.yamlfile import write as to_yaml
from queues.ledger import Ledger
from service.exports.reexport import export_run
from stages.core.errors import InputError
from stages.io.store import pack

hub_library = pytest.importorskip("huggingface_hub")


class Hub:
    """What a hub is to `create_repo` and `create_commit`: it takes small files in the commit itself."""

    def __init__(self) -> None:
        self.made: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {}
        self.tokens: set[str | None] = set()

    async def create(self, request: web.Request) -> web.Response:
        self.tokens.add(request.headers.get("Authorization"))
        self.made.append(await request.json())
        return web.json_response({"url": f"{request.url.origin()}/datasets/me/sums", "name": "me/sums", "id": "1"})

    async def validate(self, request: web.Request) -> web.Response:
        return web.json_response({"errors": [], "warnings": []})

    async def preupload(self, request: web.Request) -> web.Response:
        asked = (await request.json())["files"]
        files = [{"path": one["path"], "uploadMode": "regular", "shouldIgnore": False} for one in asked]
        return web.json_response({"files": files})

    async def commit(self, request: web.Request) -> web.Response:
        for line in (await request.read()).splitlines():
            entry = orjson.loads(line)
            if entry["key"] == "file":
                self.files[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
        url = f"{request.url.origin()}/datasets/me/sums/commit/{'0' * 40}"
        return web.json_response({"commitUrl": url, "commitOid": "0" * 40, "success": True})

    async def anything(self, request: web.Request) -> web.Response:
        return web.json_response({"error": "no such place"}, status=404)


@pytest_asyncio.fixture
async def hub(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hub]:
    hub, app = Hub(), web.Application(client_max_size=1 << 24)
    app.router.add_post("/api/repos/create", hub.create)
    app.router.add_post("/api/datasets/me/sums/preupload/main", hub.preupload)
    app.router.add_post("/api/datasets/me/sums/commit/main", hub.commit)
    app.router.add_post("/api/validate-yaml", hub.validate)
    app.router.add_route("*", "/{rest:.*}", hub.anything)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://{host}:{port}")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", "hf_of_a_test")
    yield hub
    await runner.cleanup()


@pytest_asyncio.fixture
async def run_dir(tmp_path: Path) -> Path:
    """Return the folder of a run with one sample and a card."""
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    await ledger.group(*pack(group(1, accepted("2")), "solved", 0))
    await ledger.close()
    pipeline = Pipeline.model_validate(
        {
            "source": {"type": "jsonl", "path": "seeds.jsonl"},
            "outputs": [{"format": "sft", "prompt": "{{ question }}"}],
        }
    )
    (tmp_path / "pipeline.resolved.yaml").write_text(to_yaml(resolved(pipeline)), encoding="utf-8")
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n# sums\n", encoding="utf-8")
    return tmp_path


async def test_an_export_is_pushed_with_its_card_into_a_private_repository(hub: Hub, run_dir: Path) -> None:
    done = await asyncio.to_thread(export_run, run_dir, "sft", push_to="me/sums")
    assert "datasets/me/sums" in done.notes[-1]
    assert hub.tokens == {"Bearer hf_of_a_test"}
    (made,) = hub.made
    assert (made["type"], made["name"], made["organization"]) == ("dataset", "sums", "me")
    assert made.get("private") is True or made.get("visibility") == "private"
    assert set(hub.files) == {"README.md", "exports/sft.jsonl"}
    assert hub.files["exports/sft.jsonl"] == (run_dir / "exports/sft.jsonl").read_bytes()
    card = hub.files["README.md"].decode()
    assert "path: exports/sft.jsonl" in card and "license: mit" in card and card.endswith("# sums\n")


async def test_a_hub_that_refuses_is_told_with_its_words(hub: Hub, run_dir: Path) -> None:
    with pytest.raises(InputError, match=r"--push me/other: .*404"):
        await asyncio.to_thread(export_run, run_dir, "sft", push_to="me/other")


def test_without_a_token_nothing_is_written(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with pytest.raises(InputError, match="--push: HF_TOKEN is not set"):
        export_run(run_dir, "sft", push_to="me/sums")
    assert not (run_dir / "exports").exists()
