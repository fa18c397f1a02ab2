"""Draw every dashboard as a picture, from what a real Prometheus has seen of a real run: docs/images/tamis-*.png.

.venv/bin/python scripts/pictures [FOLDER]

Two simulated servers take the calls of one run for two minutes. One refuses for a while and later answers worse, the
other is away for a while. The pictures are drawn with matplotlib, since no Grafana runs here; data, queries, titles,
units and places are those of the dashboards.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "runs")]

from asked import Asked  # noqa: E402  the path above leads there
from dashboards import DASHBOARDS  # noqa: E402  the path above leads there
from drawing import drawn  # noqa: E402  the path above leads there
from prometheus_server import hastened, prometheus  # noqa: E402  the path above leads there
from test_observed import host_of, run_of  # noqa: E402  the path above leads there
from whole_runs import Project, arithmetic  # noqa: E402  the path above leads there

from service.simulator.options import Options  # noqa: E402  the path above leads there
from service.simulator.server import running  # noqa: E402  the path above leads there

MAKER = Options(port=0, model=["small"], latency=0.4, jitter=0.4, accuracy=0.8, slots=16, context=512)
JUDGE = Options(port=0, model=["strong"], latency=0.25, jitter=0.3, slots=12, context=4096, sensitivity=0.9)
SCENE: list[tuple[float, dict[str, Any] | None, dict[str, Any] | None]] = [
    (35, {}, {}),
    (20, {"refuse": 0.7}, {}),
    (20, {}, {}),
    (15, {}, None),
    (25, {"accuracy": 0.2}, {}),
    (15, {}, {}),
]
"""Seconds, and how the two servers differ meanwhile from what they are else; None: it is away."""


def pipeline(project: Project, maker: str, judge: str) -> None:
    config = arithmetic(project, maker, seeds=20_000, budget={"calls": 9000, "usd": 2})
    price = {"input_per_mtok": 0.4, "output_per_mtok": 1.6}
    limits = {"max_concurrency": 24, "requests_per_minute": 4000, "tokens_per_minute": 1_000_000}
    config["endpoints"] = {
        "main": {"base_url": maker, "model": "small", "limits": limits, "price": price},
        "judge": {"base_url": judge, "model": "strong", "limits": {"max_concurrency": 12}, "price": price},
    }
    generate, _, verdict, _, _, _ = config["stages"]
    generate["max_tokens"], verdict["endpoint"] = 60, "judge"
    config["stages"][4] = {"type": "dedupe", "mode": "online"}
    project.write(config)


@asynccontextmanager
async def scene(base: Options, changes: dict[str, Any] | None) -> AsyncIterator[None]:
    if changes is None:
        yield
        return
    async with running(replace(base, **changes)):
        yield


async def play(maker: Options, judge: Options) -> None:
    for seconds, of_maker, of_judge in SCENE:
        print(f"{seconds:.0f} s with {of_maker}, {'away' if of_judge is None else of_judge}", flush=True)
        async with scene(maker, of_maker), scene(judge, of_judge):
            await asyncio.sleep(seconds)


async def main(folder: Path, work: Path) -> None:
    project = Project(work)
    async with running(MAKER) as at_maker, running(JUDGE) as at_judge:
        maker, judge = (int(host_of(url).rpartition(":")[2]) for url in (at_maker, at_judge))
    pipeline(project, at_maker, at_judge)
    async with AsyncExitStack() as stack:
        began = time.time()
        playing = asyncio.create_task(play(replace(MAKER, port=maker), replace(JUDGE, port=judge)))
        run = await stack.enter_async_context(run_of(project))
        targets = {"tamis": [run.target], "vllm": [host_of(at_maker), host_of(at_judge)]}
        server = await stack.enter_async_context(prometheus(targets, work, hastened()))
        await playing
        asked = Asked(server.url, began, time.time())
        for name, board in DASHBOARDS.items():
            picture = folder / f"{name}.png"
            picture.write_bytes(drawn(board, await asked.panels(board)))
            print(f"{picture.name}: {picture.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images", Path(temporary)))
