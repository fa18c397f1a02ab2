"""The openai package as it is, and requests for the Batch API of a service."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import openai
import pytest
from openai.types import Batch
from served import PAUSE, Server

CHAT = "/v1/chat/completions"


def chat(number: int, model: str = "main", **body: Any) -> dict[str, Any]:
    """Return one request of a batch, as a line of its file."""
    messages = [{"role": "user", "content": f"What is {number % 37 + 3} + {number}?"}]
    asked = {"model": model, "messages": messages, **body}
    return {"custom_id": f"r{number}", "method": "POST", "url": CHAT, "body": asked}


def jsonl(lines: list[Any]) -> bytes:
    return "".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines).encode()


class Client(openai.OpenAI):
    """The SDK, and what is done with it again and again."""

    def send(self, lines: list[Any], url: str = CHAT, **more: Any) -> Batch:
        file = self.files.create(file=("requests.jsonl", jsonl(lines)), purpose="batch")
        return self.batches.create(input_file_id=file.id, endpoint=url, completion_window="24h", **more)  # type: ignore[arg-type]  # one of two

    def when(self, batch_id: str, true: Callable[[Batch], object]) -> Batch:
        """Return a batch when it is so; asking again is the only wait."""
        for _ in range(1200):
            batch = self.batches.retrieve(batch_id)
            if true(batch):
                return batch
            PAUSE.wait(0.05)
        pytest.fail(f"{batch} and never as wanted")

    def ended(self, batch_id: str) -> Batch:
        return self.when(batch_id, lambda one: one.status in ("completed", "failed", "expired", "cancelled"))

    def lines(self, file_id: str | None) -> list[Any]:
        return [] if file_id is None else [json.loads(line) for line in self.files.content(file_id).text.splitlines()]


def client_of(server: Server, token: str = "") -> Client:
    return Client(base_url=f"{server.urls[0]}/v1", api_key=token or "anything", max_retries=0)
