"""The output and error files of a batch, written from its ledger, request by request in the order of its file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from queues.ledger import Reader
from queues.ledger.rows import SeedRow
from service.runs.rundir import LEDGER
from service.serve.batches.requests import custom_ids
from stages.core.errors import CandidateError
from stages.io.atomic import replacing

OUTPUT, ERRORS = "output.jsonl", "errors.jsonl"
STATUS = {"bad_request": 400, "content_refused": 400, "context_length": 400, "too_large": 400, "timeout": 504}
"""What a request that failed for this reason is answered; for any other the endpoint is at fault (502)."""


@dataclass(frozen=True, slots=True)
class Results:
    """What there is in the end. `usage` is as the API shows it; lines of requests that were not asked count nowhere."""

    completed: int
    failed: int
    unasked: int
    usage: dict[str, Any]


def failure(number: int, custom_id: str, error: CandidateError, words: str) -> SeedRow:
    """Return the row by which a ledger knows that a request has failed for good."""
    data = orjson.dumps({"reason": error.reason, "message": words})
    return SeedRow(number, custom_id, "", None, None, "failed", 0, b"{}", data)


def counted(reader: Reader) -> tuple[int, int]:
    """Return how many requests have a reply, and how many have failed."""
    failed = sum(count.total for count in reader.seed_counts() if count.state == "failed")
    return sum(spend.calls for spend in reader.spend()), failed


def write(batch_id: str, requests: Path, folder: Path, unasked: tuple[str, str]) -> Results:
    """Write both files into `folder`, beside the ledger. It blocks.

    `unasked`: code and words for those requests that have neither a reply nor failed. Raises LedgerError, RunStopped.
    """
    completed = failed = left = 0
    name = batch_id.rpartition("-")[2]
    with ExitStack() as stack:
        there = (folder / LEDGER).exists()  # there is none where nothing was asked
        reader = stack.enter_context(Reader(folder / LEDGER)) if there else None
        output, errors = (stack.enter_context(replacing(folder / file)) for file in (OUTPUT, ERRORS))
        failures = _failures(reader)
        next_failed = next(failures, None)
        for number, custom_id in custom_ids(requests):
            told = {"id": f"batch_req_{name}_{number}", "custom_id": custom_id}
            replies = reader.replies(number) if reader is not None else {}
            if replies:
                completed += 1
                _put(output, told, 200, orjson.Fragment(_one_line(next(iter(replies.values())))))
            elif next_failed is not None and next_failed.no == number:
                failed += 1
                _put(errors, told, *_answer(orjson.loads(next_failed.data)))
                next_failed = next(failures, None)
            else:
                left += 1
                error = {"code": unasked[0], "message": unasked[1]}
                errors.write(orjson.dumps({**told, "response": None, "error": error}) + b"\n")
        return Results(completed, failed, left, _usage(reader))


def _failures(reader: Reader | None) -> Iterator[SeedRow]:
    """Yield the rows of failed requests by their numbers."""
    return iter(()) if reader is None else (seed for seed, _ in reader.groups(("failed",)))


def _one_line(raw: bytes) -> bytes:
    return orjson.dumps(orjson.loads(raw)) if b"\n" in raw else raw


def _put(file: BinaryIO, told: dict[str, str], status: int, body: Any) -> None:
    response = {"status_code": status, "request_id": told["id"].removeprefix("batch_"), "body": body}
    file.write(orjson.dumps({**told, "response": response, "error": None}) + b"\n")


def _answer(failed: dict[str, str]) -> tuple[int, dict[str, Any]]:
    """Return status and body that a failed request would have been answered with."""
    status = STATUS.get(failed["reason"], 502)
    kind = "invalid_request_error" if status < 500 else "server_error"
    error = {"message": failed["message"], "type": kind, "param": None, "code": failed["reason"]}
    return status, {"error": error}


def _usage(reader: Reader | None) -> dict[str, Any]:
    spend = [] if reader is None else reader.spend()
    prompt, completion = sum(one.prompt_tokens for one in spend), sum(one.completion_tokens for one in spend)
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": sum(one.cached_tokens for one in spend)},
        "output_tokens": completion,
        "output_tokens_details": {"reasoning_tokens": sum(one.reasoning_tokens for one in spend)},
        "total_tokens": prompt + completion,
    }
