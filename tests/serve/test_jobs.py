from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from prometheus_server import free_port
from served import Caller, Server, additions, endpoints, serving
from whole_runs import TAMIS, Simulator, identities_hold, simulating

from queues.ledger import Reader
from queues.registry import Registry


def submitted(caller: Caller, seeds: int, endpoint: str = "main", **more: object) -> str:
    body = {"pipeline": additions(caller.seeds(seeds), endpoint), **more}
    return str(caller.post("/v1/jobs", body, 201)["id"])


def events(caller: Caller, job_id: str, last: str = "end") -> list[tuple[str, dict[str, object]]]:
    """Return the events of a job until the one of this kind."""
    heard, kind = [], ""
    with urllib.request.urlopen(f"{caller.base_url}/v1/jobs/{job_id}/events", timeout=120) as stream:
        assert stream.headers["Content-Type"] == "text/event-stream"
        for line in stream:
            name, _, value = line.decode().strip().partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                heard.append((kind, json.loads(value)))
                if kind == last:
                    break
    return heard


def test_a_job_is_submitted_watched_and_read(operator: Caller) -> None:
    job_id = submitted(operator, 30)
    heard = events(operator, job_id)
    assert (heard[0][0], heard[-1][0]) == ("state", "end")
    assert {kind for kind, _ in heard} == {"state", "progress", "end"}
    job = operator.get(f"/v1/jobs/{job_id}")
    assert heard[-1][1] == job
    assert job["state"] == "complete"
    assert identities_hold({"counts": job["counts"]})
    accepted = operator.ask("GET", f"/v1/jobs/{job_id}/files/accepted.jsonl").raw.splitlines()
    assert len(accepted) == job["counts"]["candidates"]["accepted"] > 0
    names = [file["id"] for file in operator.get(f"/v1/jobs/{job_id}/files")["data"]]
    assert {"accepted.jsonl", "exports/sft.jsonl", "manifest.json", "report.html"} <= set(names)
    assert "ledger.sqlite" not in names
    html = operator.ask("GET", f"/v1/jobs/{job_id}/files/report.html")
    assert "attachment" in html.headers["Content-Disposition"]
    assert operator.get(f"/v1/jobs/{job_id}/pipeline")["name"] == "additions"
    assert operator.ask("DELETE", f"/v1/jobs/{job_id}").status == 200
    assert operator.ask("GET", f"/v1/jobs/{job_id}").status == 404


def test_candidates_are_leafed_through_once_each(operator: Caller) -> None:
    job = operator.job(submitted(operator, 15), "complete")
    of_job = f"/v1/jobs/{job['id']}"
    found, after = [], ""
    while True:
        page = operator.get(f"{of_job}/samples?status=rejected&limit=3{after}")
        found += page["data"]
        if not page["has_more"]:
            break
        after = f"&after={page['last_id']}"
    rejected = [json.loads(line) for line in operator.ask("GET", f"{of_job}/files/rejected.jsonl").raw.splitlines()]
    assert sorted(one["candidate"] for one in found) == sorted(one["id"] for one in rejected)
    assert [one["stage"] for one in found] == sorted(one["stage"] for one in found)
    wrong = operator.get(f"{of_job}/samples?status=rejected&reason=wrong_answer&stage=verify&limit=100")["data"]
    assert {one["id"] for one in wrong} == {one["id"] for one in found if one["reason"] == "wrong_answer"}
    number = wrong[0]["seed_no"]
    assert len(operator.get(f"{of_job}/samples?seed={number}")["data"]) == 2
    seed = operator.get(f"{of_job}/seeds/{number}")
    assert seed["seed_id"] == wrong[0]["seed_id"]
    assert [one["prompt"][0]["role"] for one in seed["candidates"]] == ["user", "user"]
    unsolved = operator.get(f"{of_job}/seeds?state=unsolved")["data"]
    assert len(unsolved) == job["counts"]["seeds"]["unsolved"]
    for nowhere in ("seeds/99999", "seeds/x", "seeds/-1", "seeds/" + "9" * 5000):
        assert operator.ask("GET", f"{of_job}/{nowhere}").status == 404
    assert operator.ask("GET", f"{of_job}/samples?after=zzz").status == 400


def test_long_texts_are_cut_in_lists_and_whole_by_themselves(operator: Caller) -> None:
    row = {"id": "long", "question": "What is 1 + 1?", "answer": 2, "given": "<script>\u202e" + "x" * 100_000}
    file_id = operator.upload("long.jsonl", json.dumps(row).encode()).json["id"]
    source = {"type": "upload", "file_id": file_id, "id": "id", "candidates": "given"}
    pipeline = {"source": source, "stages": [{"type": "verify", "check": "numeric", "against": "{{ answer }}"}]}
    job = operator.post("/v1/jobs", {"pipeline": pipeline}, 201)["id"]
    operator.job(job, "complete")
    (sample,) = operator.get(f"/v1/jobs/{job}/samples?status=rejected")["data"]
    assert (len(sample["text"]), sample["truncated"]) == (4000, True)
    (whole,) = operator.get(f"/v1/jobs/{job}/seeds/0")["candidates"]
    assert (whole["text"], whole["truncated"]) == (row["given"], False)


def test_a_paused_job_goes_on_where_it_was(operator: Caller) -> None:
    job_id = submitted(operator, 12, "slow")
    operator.under_way(job_id)
    assert operator.post(f"/v1/jobs/{job_id}/pause")["stopping"] == "paused"
    paused = operator.job(job_id, "paused")
    assert paused["counts"]["seeds"]["pending"] > 0
    assert operator.post(f"/v1/jobs/{job_id}/pause")["state"] == "paused"
    operator.post(f"/v1/jobs/{job_id}/resume")
    done = operator.job(job_id, "complete")
    assert done["counts"]["seeds"]["pending"] == 0
    assert done["counts"]["candidates"]["generated"] == 24
    assert operator.ask("POST", f"/v1/jobs/{job_id}/pause").status == 409


def test_a_cancelled_job_keeps_what_it_has_and_is_not_resumed(operator: Caller) -> None:
    job_id = submitted(operator, 200, "slow")
    operator.under_way(job_id)
    operator.post(f"/v1/jobs/{job_id}/cancel")
    job = operator.job(job_id, "cancelled")
    assert identities_hold({"counts": job["counts"]})
    assert job["counts"]["candidates"]["generated"] > 0
    assert operator.ask("GET", f"/v1/jobs/{job_id}/files/accepted.jsonl").status == 200
    assert operator.ask("POST", f"/v1/jobs/{job_id}/resume").json["error"]["code"] == "state"
    assert operator.post(f"/v1/jobs/{job_id}/cancel")["state"] == "cancelled"


def test_a_failed_job_may_be_cancelled_for_good(operator: Caller) -> None:
    job_id = submitted(operator, 1, "dead")
    operator.job(job_id, "failed")
    assert operator.post(f"/v1/jobs/{job_id}/cancel")["state"] == "cancelled"
    assert operator.get(f"/v1/jobs/{job_id}")["state"] == "cancelled"
    assert operator.ask("POST", f"/v1/jobs/{job_id}/resume").status == 409


def test_the_same_key_is_the_same_job(operator: Caller) -> None:
    body = {"pipeline": additions(operator.seeds(3)), "priority": 3}
    first = operator.post("/v1/jobs", body, 201, Idempotency_Key="k1")
    assert operator.post("/v1/jobs", body, 200, Idempotency_Key="k1")["id"] == first["id"]
    other = operator.ask("POST", "/v1/jobs", {**body, "limit": 1}, Idempotency_Key="k1")
    assert (other.status, other.json["error"]["code"]) == (409, "key_taken")


def test_of_jobs_in_line_the_highest_priority_is_first_and_a_queued_one_can_be_cancelled(operator: Caller) -> None:
    running = [submitted(operator, 200, "slow") for _ in range(2)]
    later, cancelled, sooner = (submitted(operator, 2, priority=priority) for priority in (0, 0, 9))
    assert operator.get(f"/v1/jobs/{later}")["state"] == "queued"
    assert operator.post(f"/v1/jobs/{cancelled}/cancel")["state"] == "cancelled"
    operator.post(f"/v1/jobs/{running[0]}/cancel")
    operator.job(sooner, "complete")
    started = {job: operator.job(job, "complete")["started_at"] for job in (sooner, later)}
    assert started[sooner] <= started[later]
    operator.post(f"/v1/jobs/{running[1]}/cancel")
    queued = operator.get("/v1/jobs?state=cancelled&limit=1")
    assert (queued["data"][0]["state"], queued["has_more"]) == ("cancelled", True)


def test_what_has_ended_well_is_not_resumed_and_its_seeds_may_go(operator: Caller) -> None:
    file_id = operator.seeds(2)
    job = operator.post("/v1/jobs", {"pipeline": additions(file_id), "limit": 1}, 201)["id"]
    operator.job(job, "complete")
    assert operator.ask("POST", f"/v1/jobs/{job}/resume").status == 409
    assert operator.ask("DELETE", f"/v1/files/{file_id}").status == 200


def test_a_job_is_read_at_any_moment_of_its_life_and_leaves_nothing(open_server: Server, operator: Caller) -> None:
    """Also while its ledger is being made, or deleted."""
    for _ in range(3):
        job, ended = submitted(operator, 1), threading.Event()

        def statuses(of: str, job: str = job, until: threading.Event = ended) -> set[int]:
            found = set()
            while not until.is_set():
                found.add(operator.ask("GET", f"/v1/jobs/{job}/{of}").status)
            return found

        with ThreadPoolExecutor(3) as threads:
            readers = [threads.submit(statuses, of) for of in ("funnel", "samples", "files")]
            try:
                operator.job(job, "complete")
                assert operator.ask("DELETE", f"/v1/jobs/{job}").status == 200
            finally:
                ended.set()
            for reader in readers:
                assert 200 in reader.result() <= {200, 404}
        assert not list(open_server.log.parent.glob(f"data/**/{job}*"))


def test_after_a_kill_a_running_job_goes_on_by_itself(simulator: Simulator, tmp_path: Path) -> None:
    """What it has committed is not asked for again. Told to stop, the service drains, and its jobs stay in line."""
    config = {"listen": "127.0.0.1:0", "endpoints": endpoints(simulator), "jobs": {"concurrent": 1}}
    with serving(tmp_path, config) as server:
        caller = server.caller()
        job_id, queued = submitted(caller, 15, "slow"), submitted(caller, 2)
        caller.under_way(job_id, 8)
        server.stop(signal.SIGKILL)
    run_dir = tmp_path / "data" / "jobs" / job_id
    with Reader(run_dir / "ledger.sqlite") as reader:
        assert 0 < sum(spend.calls for spend in reader.spend()) < 30
    half_deleted = tmp_path / "data/jobs/job_x.deleted/exports"
    half_deleted.mkdir(parents=True)
    with serving(tmp_path, config) as server:
        caller = server.caller()
        job = caller.job(job_id, "complete")
        assert caller.job(queued, "complete")["counts"]["seeds"]["read"] == 2
        cut = submitted(caller, 200, "slow")
        caller.under_way(cut)
        assert server.stop() == 75
    assert not half_deleted.parent.exists(), "what a killed process was deleting is deleted"
    assert (job["counts"]["candidates"]["generated"], job["counts"]["seeds"]["pending"]) == (30, 0)
    with Reader(run_dir / "ledger.sqlite") as reader:
        assert sum(spend.calls for spend in reader.spend()) == 30
    registry = Registry.open(tmp_path / "data" / "registry.sqlite")
    left = asyncio.run(registry.all("job", {"queued", "running"}))
    registry.close()
    assert [(record.id, record.state) for record in left] == [(cut, "queued")]
    exported = [TAMIS, "export", str(run_dir), "--format", "sharegpt"]
    assert subprocess.run(exported, check=False, capture_output=True).returncode == 0


def test_a_job_that_goes_on_waits_for_a_server_that_comes_back_later(tmp_path: Path) -> None:
    """Service and model server went down together, and the service is back first."""
    model_server = ("--port", str(free_port()), "--accuracy", "0.6", "--latency", "0.05")
    with simulating(*model_server) as simulator:
        config = {"listen": "127.0.0.1:0", "endpoints": endpoints(simulator)}
        with serving(tmp_path, config) as server:
            job_id = submitted(server.caller(), 15, "slow")
            server.caller().under_way(job_id)
            server.stop(signal.SIGKILL)
    with serving(tmp_path, config) as server:
        refused = submitted(server.caller(), 1, "slow")  # a new one is told at once
        assert "cannot be reached" in server.caller().job(refused, "failed")["error"]["message"]
        assert server.caller().get(f"/v1/jobs/{job_id}")["state"] == "running"
        with simulating(*model_server):
            job = server.caller().job(job_id, "complete")
    assert (job["counts"]["candidates"]["generated"], job["counts"]["candidates"]["failed"]) == (30, 0)
