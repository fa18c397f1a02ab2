"""Reward models and cross-encoders: asked on routes of their own, by the same key, gate, ledger and retries."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from scripted_server import Make, Run, ScriptedServer, a_call, completion

from stages.llm.parse import MalformedReply, parse
from stages.llm.protocol import Route
from stages.llm.wire import request_url

ASKED = {"query": "2 + 2?", "documents": ["4"]}


@pytest.mark.parametrize(
    ("route", "url"),
    [
        ("classify", "http://h:1/classify?k=v"),
        ("pooling", "http://h:1/pooling?k=v"),
        ("score", "http://h:1/v1/score?k=v"),
        ("rerank", "http://h:1/v1/rerank?k=v"),
    ],
)
def test_each_route_has_its_place_beside_or_in_v1(route: Route, url: str) -> None:
    for base in ("http://h:1/v1", "http://h:1/v1/"):
        assert str(request_url(base, "chat", {"k": "v"}, route)) == url


@pytest.mark.parametrize(
    ("body", "score"),
    [
        ({"data": [{"index": 0, "label": "LABEL_0", "probs": [-3.25], "num_classes": 1}]}, -3.25),
        ({"data": [{"index": 0, "label": "LABEL_1", "probs": [0.25, 0.75], "num_classes": 2}]}, 0.75),
        ({"data": [{"index": 0, "object": "score", "score": 1}]}, 1.0),
        ({"results": [{"index": 0, "document": {"text": "4"}, "relevance_score": 0.5}]}, 0.5),
        ({"data": [{"index": 0, "object": "pooling", "data": [2.5]}]}, 2.5),
        ({"data": [{"index": 0, "object": "pooling", "data": [[0.1], [0.9]]}]}, 0.9),
    ],
)
def test_the_number_is_read_wherever_a_route_puts_it(body: dict[str, Any], score: float) -> None:
    assert float(parse(orjson.dumps(body)).text) == score


@pytest.mark.parametrize("body", [{"data": [{}]}, {"data": [{"probs": []}]}, {"results": "x"}, {"data": [[True]]}])
def test_a_reply_without_a_number_is_malformed(body: dict[str, Any]) -> None:
    with pytest.raises(MalformedReply):
        parse(orjson.dumps(body))


async def test_a_reply_to_something_else_is_asked_for_again(server: ScriptedServer, make: Make) -> None:
    embedded = {"data": [{"index": 0, "embedding": [0.6, 0.8]}]}
    server.script = [ScriptedServer.json(one) for one in (embedded, completion(), completion(), embedded)]
    async with make(server.base_url) as endpoint:
        assert (await endpoint.ask(a_call())).text == "42"
        assert (await endpoint.ask(a_call(body={"input": ["x"]}, route="embeddings"))).vectors == ([0.6, 0.8],)


async def test_a_score_is_asked_for_retried_committed_and_replayed_like_any_call(
    server: ScriptedServer, make: Make, run: Run
) -> None:
    ranked = {"results": [{"index": 0, "relevance_score": 0.5}], "usage": {"prompt_tokens": 7, "total_tokens": 7}}
    server.script = [ScriptedServer.json({"results": []}), ScriptedServer.json(ranked)]
    call = a_call(body={**ASKED, "messages": None}, route="rerank")
    async with make(server.base_url, api="completions") as endpoint:
        assert (await endpoint.ask(call)).text == "0.5"
        (row,) = run.committed
        call.group.replies[row.key] = row.raw
        assert (await endpoint.ask(call)).text == "0.5"
    assert [seen.path for seen in server.seen] == ["/v1/rerank"] * 2, "the malformed one was asked again, no other"
    assert server.seen[0].body == {**ASKED, "model": "m"}
    assert row.prompt_tokens == 7
