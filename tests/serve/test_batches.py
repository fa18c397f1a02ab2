"""The OpenAI Batch API of the service, asked by the openai package as it is, over HTTP."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from batch_client import CHAT, Client, chat, client_of, jsonl
from served import PAUSE, TOKENS, Caller, Server, endpoints, serving
from whole_runs import Project, Simulator, arithmetic, committed, simulating

from queues.ledger import Reader
from queues.registry import Record, Registry


@pytest.fixture
def client(open_server: Server) -> Iterator[Client]:
    with client_of(open_server) as client:
        yield client


def test_a_thousand_requests_are_answered_and_what_fails_is_told_by_request(client: Client) -> None:
    lines = [chat(n, temperature=-1) if n % 100 == 50 else chat(n) for n in range(1000)]
    sent = client.send(lines, metadata={"night": "monday"})
    assert (sent.status, sent.expires_at) == ("validating", sent.created_at + 24 * 3600)
    batch = client.ended(sent.id)
    assert batch.status == "completed"
    assert batch.request_counts is not None
    assert batch.request_counts.to_dict() == {"total": 1000, "completed": 990, "failed": 10}
    assert batch.created_at <= batch.in_progress_at <= batch.finalizing_at <= batch.completed_at  # type: ignore[operator]  # all are given
    assert (batch.metadata, batch.model, batch.errors) == ({"night": "monday"}, "main", None)
    output, errors = client.lines(batch.output_file_id), client.lines(batch.error_file_id)
    assert [line["custom_id"] for line in output] == [f"r{n}" for n in range(1000) if n % 100 != 50]
    assert [line["custom_id"] for line in errors] == [f"r{n}" for n in range(50, 1000, 100)]
    assert len({line["id"] for line in [*output, *errors]}) == 1000
    for line in output:
        assert (line["error"], line["response"]["status_code"]) == (None, 200)
        assert line["response"]["body"]["choices"][0]["message"]["content"]
        assert line["response"]["body"]["model"] == "simulated"
    assert {line["response"]["status_code"] for line in errors} == {400}
    assert "temperature" in errors[0]["response"]["body"]["error"]["message"]
    assert batch.usage is not None
    tokens = sum(line["response"]["body"]["usage"]["total_tokens"] for line in output)
    assert batch.usage.total_tokens == tokens > 0
    kept = client.files.retrieve(str(batch.output_file_id))
    assert (kept.purpose, kept.bytes) == ("batch_output", len(client.files.content(kept.id).read()))


def test_a_cancelled_batch_keeps_what_was_answered(client: Client, simulator: Simulator) -> None:
    sent = client.send([chat(n, "slow") for n in range(300)])
    client.when(sent.id, lambda one: one.request_counts.completed >= 3)
    with pytest.raises(openai.ConflictError):
        client.files.delete(sent.input_file_id)
    assert client.batches.cancel(sent.id).status == "cancelling"
    batch = client.ended(sent.id)
    assert (batch.status, client.batches.cancel(sent.id).status) == ("cancelled", "cancelled")
    output, errors = client.lines(batch.output_file_id), client.lines(batch.error_file_id)
    assert batch.request_counts is not None
    assert 3 <= len(output) == batch.request_counts.completed < 300
    assert len(output) + len(errors) == 300
    assert {line["error"]["code"] for line in errors} == {"batch_cancelled"}
    asked = simulator.stats()["calls"]
    done = client.ended(client.send([chat(0)]).id)
    assert simulator.stats()["calls"] == asked + 1  # nothing of the cancelled one goes out any more
    with pytest.raises(openai.ConflictError, match="completed"):
        client.batches.cancel(done.id)
    assert client.files.delete(sent.input_file_id).deleted


def test_batches_are_listed_newest_first_in_pages(client: Client) -> None:
    made = [client.send([chat(n)]).id for n in range(5)]
    assert [batch.id for batch in client.batches.list(limit=2)][:5] == made[::-1]  # the SDK asks page after page
    page = client.batches.list(limit=2, after=made[3])
    assert ([batch.id for batch in page.data], page.has_more) == ([made[2], made[1]], True)
    for batch_id in made:
        assert client.ended(batch_id).status == "completed"


def test_embeddings_come_in_batches_too(client: Client) -> None:
    body = {"model": "main", "input": ["one text", "another"]}
    line = {"custom_id": "e", "method": "POST", "url": "/v1/embeddings", "body": body}
    batch = client.ended(client.send([line], "/v1/embeddings").id)
    (answered,) = client.lines(batch.output_file_id)
    assert [len(one["embedding"]) > 10 for one in answered["response"]["body"]["data"]] == [True, True]


def test_one_batch_may_ask_several_models_and_the_same_request_twice(client: Client) -> None:
    lines = [{**chat(1, model), "custom_id": str(n)} for n, model in enumerate(["main", "main", "secret"])]
    batch = client.ended(client.send([*lines[:2], "\n", lines[2]]).id)
    assert (batch.status, batch.model) == ("completed", None)
    assert [line["custom_id"] for line in client.lines(batch.output_file_id)] == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("line", "code", "param"),
    [
        ("{not json\n", "invalid_json_line", None),
        ("[1]\n", "invalid_json_line", None),
        ("\xff\n", "invalid_json_line", None),
        ({**chat(1), "custom_id": None}, "missing_custom_id", "custom_id"),
        ({**chat(1), "custom_id": 7}, "invalid_custom_id", "custom_id"),
        (chat(0), "duplicate_custom_id", "custom_id"),
        ({**chat(1), "url": "/v1/embeddings"}, "invalid_url", "url"),
        ({**chat(1), "method": "GET"}, "invalid_method", "method"),
        ({**chat(1), "body": "x"}, "invalid_request", "body"),
        (chat(1, "gpt-4o"), "model_not_found", "body.model"),
        (chat(1, model=["main"]), "model_not_found", "body.model"),
        (chat(1, messages=[]), "invalid_request", "body.messages"),
        (chat(1, messages=["hello"]), "invalid_request", "body.messages"),
        (chat(1, stream=True), "invalid_request", "body.stream"),
        (chat(1, max_tokens="many"), "invalid_request", "body.max_tokens"),
    ],
)
def test_a_line_that_cannot_be_asked_is_told_and_nothing_is_asked(
    client: Client, simulator: Simulator, line: Any, code: str, param: str | None
) -> None:
    asked = simulator.stats()["calls"]
    batch = client.ended(client.send([chat(0), line, chat(2)]).id)
    assert batch.status == "failed"
    assert batch.failed_at is not None
    assert batch.errors is not None
    assert [(one.line, one.code, one.param) for one in batch.errors.data or ()] == [(2, code, param)]
    assert (batch.output_file_id, batch.error_file_id) == (None, None)
    assert simulator.stats()["calls"] == asked


def test_all_bad_lines_are_told_at_once_and_an_empty_file_is_one(client: Client) -> None:
    lines = ["{\n" if n % 2 else chat(n) for n in range(500)]
    errors = client.ended(client.send(lines).id).errors
    assert errors is not None
    assert [one.line for one in errors.data or ()] == list(range(2, 202, 2))
    errors = client.ended(client.send(["\n", "  \n"]).id).errors
    assert errors is not None
    assert [one.code for one in errors.data or ()] == ["empty_file"]


def test_more_than_fifty_thousand_requests_are_too_many(client: Client) -> None:
    errors = client.ended(client.send(["{}\n"] * 50_001).id).errors
    assert errors is not None
    assert (errors.data or [])[0].code == "too_many_requests"


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"endpoint": "/v1/responses"}, 400),
        ({"completion_window": "1h"}, 400),
        ({"metadata": {"a": "x" * 513}}, 400),
        ({"metadata": {str(n): "" for n in range(17)}}, 400),
        ({"metadata": {"a": 1}}, 400),
        ({"input_file_id": "file-none"}, 404),
        ({"colour": "red"}, 400),
    ],
)
def test_what_a_batch_cannot_be_is_said_when_it_is_made(operator: Caller, changes: dict[str, Any], status: int) -> None:
    file_id = operator.upload("x.jsonl", b"{}", "batch").json["id"]
    body = {"input_file_id": file_id, "endpoint": CHAT, "completion_window": "24h", **changes}
    answer = operator.ask("POST", "/v1/batches", body)
    assert answer.status == status, answer.raw
    seeds = {**body, "input_file_id": operator.seeds(1), "endpoint": CHAT}
    assert operator.ask("POST", "/v1/batches", seeds).status == 400  # seeds are no requests


def test_an_idempotency_key_makes_one_batch_of_two(operator: Caller) -> None:
    file_id = operator.upload("x.jsonl", jsonl([chat(0)]), "batch").json["id"]
    body = {"input_file_id": file_id, "endpoint": CHAT, "completion_window": "24h"}
    made = [operator.post("/v1/batches", body, Idempotency_Key="k-batch")["id"] for _ in range(2)]
    assert made[0] == made[1]
    other = operator.ask("POST", "/v1/batches", {**body, "metadata": {}}, Idempotency_Key="k-batch")
    assert other.json["error"]["code"] == "key_taken"


def test_a_tenants_batches_are_its_own_and_within_its_quotas(server: Server, b: Caller) -> None:
    with client_of(server, TOKENS["a"]) as of_a, client_of(server, TOKENS["narrow"]) as of_narrow:
        batch = of_a.ended(of_a.send([chat(0)]).id)
        for method, path in (("GET", batch.id), ("POST", f"{batch.id}/cancel")):
            assert b.ask(method, f"/v1/batches/{path}").status == 404
        assert b.ask("GET", f"/v1/files/{batch.output_file_id}/content").status == 404
        stolen = {"input_file_id": batch.input_file_id, "endpoint": CHAT, "completion_window": "24h"}
        assert b.ask("POST", "/v1/batches", stolen).status == 404
        assert batch.id not in [one["id"] for one in b.get("/v1/batches")["data"]]
        hidden = of_a.ended(of_a.send([chat(0, "secret")]).id)  # an alias that it may not ask
        assert hidden.errors is not None
        assert (hidden.errors.data or [])[0].code == "model_not_found"
        over = of_narrow.ended(of_narrow.send([chat(n) for n in range(501)]).id)
        assert over.errors is not None
        assert (over.errors.data or [])[0].code == "queued_seeds"
        held = [of_narrow.send([chat(n, "slow") for n in range(100)]) for _ in range(2)]
        with pytest.raises(openai.RateLimitError, match="2 of your jobs and batches"):
            of_narrow.send([chat(0)])
        for one in held:
            of_narrow.batches.cancel(one.id)
            of_narrow.ended(one.id)


def test_tokens_of_the_day_hold_a_batch_until_there_are_more(server: Server) -> None:
    with client_of(server, TOKENS["thrifty"]) as client:
        sent = client.send([chat(n, "slow") for n in range(200)])
        with pytest.raises(openai.RateLimitError, match="tokens of today"):  # in a while
            for _ in range(400):
                client.batches.cancel(client.send([chat(0)]).id)
                PAUSE.wait(0.05)
        assert client.batches.retrieve(sent.id).status == "in_progress"
        client.batches.cancel(sent.id)
        counts = client.ended(sent.id).request_counts
        assert counts is not None
        assert 0 < counts.completed < 200


def test_an_endpoint_that_serves_nobody_fails_the_batch_in_its_words(client: Client) -> None:
    batch = client.ended(client.send([chat(n, "absent") for n in range(50)]).id)
    assert batch.errors is not None
    assert batch.status == "failed"
    (error,) = batch.errors.data or ()
    assert (error.code, "absent" in str(error.message)) == ("endpoint", True)
    assert {line["error"]["code"] for line in client.lines(batch.error_file_id)} == {"batch_failed"}


def registered(folder: Path, kind: str, change: Callable[[Record], Record] | None = None) -> list[Record]:
    """Return what a service that does not run has registered, each after a change of it."""

    async def read(registry: Registry) -> list[Record]:
        states = await registry.states(kind)
        found = await registry.all(kind, list(states))
        for record in found if change else ():
            await registry.put(change(record))  # type: ignore[misc]  # there is one
        return found

    registry = Registry.open(folder / "data" / "registry.sqlite")
    try:
        return asyncio.run(read(registry))
    finally:
        registry.close()


def test_after_kills_a_batch_goes_on_and_no_reply_is_paid_for_twice(tmp_path: Path) -> None:
    lines = [chat(n, temperature=-1) if n % 50 == 7 else chat(n) for n in range(600)]
    with simulating("--accuracy", "0.6", "--latency", "0.05") as simulator:
        config = {"listen": "127.0.0.1:0", "endpoints": endpoints(simulator)}
        with serving(tmp_path, config) as server, client_of(server) as client:
            sent = client.send(lines)
            queued = client.send([chat(n, "slow") for n in range(20)])
            client.when(sent.id, lambda one: one.request_counts.completed >= 100)
            server.stop(signal.SIGKILL)
        paid = 0
        for batch_id in (sent.id, queued.id):
            with Reader(tmp_path / "data" / "batches" / batch_id / "ledger.sqlite") as reader:
                paid += sum(spend.calls for spend in reader.spend()) + len(reader.numbers(("failed",)))
        answered = simulator.stats()
        assert 100 <= paid < 620
        with serving(tmp_path, config) as server, client_of(server) as client:
            batch, second = client.ended(sent.id), client.ended(queued.id)
            assert (batch.status, second.status) == ("completed", "completed")
            assert batch.request_counts is not None
            assert batch.request_counts.to_dict() == {"total": 600, "completed": 588, "failed": 12}
            output, errors = client.lines(batch.output_file_id), client.lines(batch.error_file_id)
            assert len({line["custom_id"] for line in [*output, *errors]}) == 600
        total = simulator.stats()
        again = sum(total[kind] - answered[kind] for kind in ("answered", "repeats"))
        again += sum(total["refused"].values()) - sum(answered["refused"].values())
        assert again == 620 - paid
        assert not list((tmp_path / "data" / "batches").iterdir())


def test_told_to_stop_a_batch_waits_for_the_next_start_and_in_time_expires(
    simulator: Simulator, tmp_path: Path
) -> None:
    config = {"listen": "127.0.0.1:0", "endpoints": endpoints(simulator)}
    with serving(tmp_path, config) as server, client_of(server) as client:
        sent = client.send([chat(n, "slow") for n in range(200)])
        client.when(sent.id, lambda one: one.request_counts.completed >= 3)
        assert server.stop() == 75
    (record,) = registered(tmp_path, "batch", lambda record: record.now(expires_at=record.created_at + 1))
    assert (record.state, record.body["counts"]["completed"] >= 3) == ("in_progress", True)
    with serving(tmp_path, config) as server, client_of(server) as client:
        batch = client.ended(sent.id)
        assert (batch.status, batch.expired_at is not None) == ("expired", True)
        assert len(client.lines(batch.output_file_id)) >= 3
        assert {line["error"]["code"] for line in client.lines(batch.error_file_id)} == {"batch_expired"}


def test_a_run_with_mode_batch_goes_through_the_service_and_makes_what_a_live_run_does(
    client: Client, open_server: Server, simulator: Simulator, tmp_path: Path
) -> None:
    project = Project(tmp_path)
    live = arithmetic(project, simulator.base_url, seeds=15)
    main = {**live["endpoints"]["main"], "mode": "batch", "batch": {"poll_s": 0.1, "max_requests": 50}}
    main |= {"base_url": f"{open_server.urls[0]}/v1", "model": "main"}
    project.write({**live, "endpoints": {"main": main}})
    project.write(live, "live.yaml")
    project.tamis("run", "pipeline.yaml", "--out", "batch")
    project.tamis("run", "live.yaml", "--out", "live")
    batches = [batch for batch in client.batches.list() if "tamis_run" in (batch.metadata or {})]
    counts = [batch.request_counts for batch in batches if batch.request_counts is not None]
    assert sum(count.completed for count in counts) == committed(project, "batch") == committed(project, "live")
    made = [project.manifest(run)["counts"]["candidates"] for run in ("batch", "live")]
    assert made[0] == made[1]


def test_a_batch_that_fails_in_the_middle_stops_such_a_run_and_its_replies_are_not_paid_for_again(
    simulator: Simulator, tmp_path: Path
) -> None:
    """A provider's quota of the day ends the batch; with another provider the run goes on."""
    project, folder = Project(tmp_path), tmp_path / "service"
    folder.mkdir()
    pipeline = arithmetic(project, simulator.base_url, seeds=15)
    one = {"model": "simulated", "limits": {"max_concurrency": 8}}

    def through(base_url: str, *options: str, code: int = 0) -> str:
        config = {"listen": "127.0.0.1:0", "endpoints": {"main": {**one, "base_url": base_url}}}
        with serving(folder, config) as server:
            asked = {"mode": "batch", "batch": {"poll_s": 0.1}, "base_url": f"{server.urls[0]}/v1", "model": "main"}
            project.write({**pipeline, "endpoints": {"main": asked}})
            return project.tamis("run", "pipeline.yaml", "--out", "run", *options, code=code)

    with simulating("--accuracy", "0.6", "--rpd", "30") as short:
        assert "failed: main answered 429" in through(short.base_url, code=75)
        assert committed(project, "run") == short.stats()["answered"] + short.stats()["repeats"] == 30
    before = simulator.stats()
    through(simulator.base_url, "--resume")
    paid = sum(simulator.stats()[kind] - before[kind] for kind in ("answered", "repeats"))
    assert committed(project, "run") == 30 + paid
    assert project.manifest("run")["counts"]["candidates"]["failed"] == 0
