"""What a service bears, with a simulated endpoint on the same machine; every part can be left out with 0.

Clients that submit, read, pause, resume and cancel at once, the service being killed in the middle (SIGKILL): every job
and batch must end in a documented state, and none be lost. Listeners on one job's event stream: what they take of its
throughput. A batch of many requests: its pace, and the memory of the service.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benches.mock import free_port
from benches.runs import TAMIS, peak_mb, simulating
from benches.service_clients import ENDED, Asker, Crowd, requests_of, seeds_of


class Service:
    """`tamis serve` in a folder, on a port that stays the same when it is killed and started again."""

    def __init__(self, folder: Path, base_url: str, concurrent: int) -> None:
        self.folder, self.url = folder, f"http://127.0.0.1:{free_port()}"
        main = {"base_url": base_url, "model": "simulated", "limits": {"max_concurrency": 200}}
        config = {"listen": self.url.removeprefix("http://"), "endpoints": {"main": main}}
        (folder / "service.yaml").write_text(json.dumps({**config, "jobs": {"concurrent": concurrent}}))
        self.start()

    def start(self) -> None:
        with (self.folder / "service.log").open("ab") as log:
            command = [TAMIS, "serve", "service.yaml"]
            self.process = subprocess.Popen(command, cwd=self.folder, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self.process.stdout is not None
        if not self.process.stdout.readline().startswith("listening"):
            sys.exit((self.folder / "service.log").read_text())

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@contextmanager
def serving(latency_s: float, concurrent: int = 4) -> Iterator[Service]:
    with simulating("--accuracy", 0.6, "--latency", latency_s) as base_url, tempfile.TemporaryDirectory() as folder:
        service = Service(Path(folder), base_url, concurrent)
        try:
            yield service
        finally:
            service.kill()


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench service", description=__doc__)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--kill", type=float, default=0.4, help="when this share of jobs has ended; 0: never")
    parser.add_argument("--listeners", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=12_000, help="of the job that is listened to")
    parser.add_argument("--rounds", type=int, default=3, help="jobs without listeners, and as many with them")
    parser.add_argument("--batch", type=int, default=50_000, help="requests; before it a batch of a tenth")
    options = parser.parse_args(argv)
    if options.clients:
        with serving(0.05, concurrent=8) as service:
            asyncio.run(crowd(service, options.clients, options.kill))
    if options.listeners:
        with serving(0.05) as service:
            asyncio.run(listened(service, options.listeners, options.seeds, options.rounds))
    for requests in (options.batch // 10, options.batch) if options.batch else ():
        with serving(0.0) as service:
            asyncio.run(batched(service, requests))


async def crowd(service: Service, clients: int, kill: float) -> None:
    """Let clients at the service, kill it, and count what became of all that it had taken."""
    began, crowd = time.perf_counter(), Crowd(service.url, clients)
    down_s = 0.0
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(crowd.run())
        while kill and not crowd.done:
            await asyncio.sleep(0.05)
            if len(crowd.ended) >= kill * crowd.wanted:
                killed, kill = time.perf_counter(), 0.0
                before = len(crowd.ended)
                await asyncio.to_thread(service.kill)
                await asyncio.to_thread(service.start)
                down_s = time.perf_counter() - killed
                print(f"killed with {before:,} of {crowd.wanted:,} ended; answered again after {down_s:.1f} s")
    async with Asker(service.url) as asker:
        things = await asker.all("jobs", "batches")
    there = {one["id"]: one.get("state") or one["status"] for one in things}
    for words, times in Counter(one["error"]["message"] for one in things if one.get("error")).most_common(5):
        print(f"{times:,} jobs: {words:.200}")
    lost = [name for name in crowd.taken if name not in there]
    odd = {name: state for name, state in there.items() if state not in ENDED}
    twice = await asyncio.to_thread(paid_twice, service.folder / "data" / "jobs")
    states = {state: list(there.values()).count(state) for state in sorted(set(there.values()))}
    print(f"\n{clients:,} clients, load {os.getloadavg()[0]:.0f}: {time.perf_counter() - began:.0f} s")
    print(f"taken {len(crowd.taken):,}, there {len(there):,}, lost {len(lost)}, in no end {len(odd)}: {states}")
    print(f"replies paid for twice: {twice}")
    print(f"answers: {dict(sorted(crowd.statuses.items()))}; connections that broke: {crowd.broken:,}")
    if lost or odd or twice or any(status >= 500 and status != 503 for status in crowd.statuses):
        sys.exit(f"lost: {lost}, in no end: {odd}; {(service.folder / 'service.log').read_text()[-4000:]}")


def paid_twice(jobs: Path) -> int:
    """Return how many replies in the ledgers of jobs are one more to the same call."""
    from queues.ledger import Reader

    twice = 0
    for path in jobs.glob("*/ledger.sqlite"):
        with Reader(path) as reader:
            calls = sum(spend.calls for spend in reader.spend())
            twice += calls - len(reader.keys(list(reader.numbers())))
    return twice


async def listened(service: Service, listeners: int, seeds: int, rounds: int) -> None:
    """Run one job after another, every other one with listeners, and hold their rates against each other."""
    rates: dict[int, list[float]] = {0: [], listeners: []}
    async with Asker(service.url) as asker:
        warm_up = await asker.submit(await asker.upload("seeds.jsonl", seeds_of(seeds // 10), "seeds"), "warm-up")
        await asker.when(f"/v1/jobs/{warm_up}", lambda job: job["state"] in ENDED)
        for number in range(2 * rounds):
            listening = listeners * (number % 2)
            rates[listening].append(await rate(asker, seeds, listening))
            print(f"{listening:,} listeners: {rates[listening][-1]:,.0f} calls/s", flush=True)
    without, with_them = (sorted(one)[rounds // 2] for one in rates.values())
    print(f"\n{listeners:,} listeners: {with_them:,.0f} of {without:,.0f} calls/s, {1 - with_them / without:.1%} less")


async def rate(asker: Asker, seeds: int, listeners: int) -> float:
    """Return the calls per second of a job in its middle, its listeners having come before that."""
    file_id = await asker.upload("seeds.jsonl", seeds_of(seeds), "seeds")
    job = await asker.submit(file_id, file_id)
    await asker.when(f"/v1/jobs/{job}", lambda shown: shown["progress"] is not None)
    async with asker.listening(job, listeners):
        marks: list[tuple[float, int]] = []
        while (shown := await asker.get(f"/v1/jobs/{job}"))["state"] not in ENDED:
            if shown["progress"] is not None:
                marks.append((time.perf_counter(), shown["progress"]["calls"]))
            await asyncio.sleep(0.2)
    middle = [(at, count) for at, count in marks if 0.2 * seeds <= count <= 0.9 * seeds]
    if len(middle) < 2:
        sys.exit("the job was over before its middle could be looked at twice: give it more --seeds")
    return (middle[-1][1] - middle[0][1]) / (middle[-1][0] - middle[0][0])


async def batched(service: Service, requests: int) -> None:
    """Have one batch answered."""
    async with Asker(service.url) as asker:
        idle = peak_mb(service.process.pid)
        began = time.perf_counter()
        file_id = await asker.upload("requests.jsonl", requests_of(requests), "batch")
        batch = await asker.batch(file_id, file_id)
        shown = await asker.when(f"/v1/batches/{batch}", lambda one: one["status"] in ENDED, every_s=0.5)
        took, counts = time.perf_counter() - began, shown["request_counts"]
        print(f"\na batch of {requests:,}: {shown['status']}, {counts}, {took:.0f} s, {requests / took:,.0f}/s", end="")
        print(f", peak {peak_mb(service.process.pid):.0f} MB ({idle:.0f} MB before)", flush=True)
