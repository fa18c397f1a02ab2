"""What is found out before anything is paid."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from scripted_server import ScriptedServer, Serve

from config.schema import Endpoint
from stages.core.errors import InputError
from stages.llm.keys import ApiKey
from stages.llm.preflight import preflight

KEYS = (ApiKey("sk-secret", "MY_KEY"),)


async def problems(*urls: str, keys: tuple[ApiKey, ...] = KEYS, **config: Any) -> list[str]:
    settings = Endpoint.model_validate({"base_url": urls, "model": "m", **config})
    try:
        await preflight("main", settings, keys)
    except InputError as error:
        return list(error.problems)
    return []


async def test_a_good_endpoint_is_asked_once_and_has_no_problem(server: ScriptedServer) -> None:
    assert await problems(server.base_url, headers={"X-Team": "a"}, query={"v": "1"}) == []
    [seen] = server.asked_for_models
    assert (seen.path, seen.query) == ("/v1/models", {"v": "1"})
    assert (seen.headers["Authorization"], seen.headers["X-Team"]) == ("Bearer sk-secret", "a")
    assert server.seen == []


async def test_keyless_servers_and_other_key_headers(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-the-environment")
    monkeypatch.setenv("OPENAI_ORG_ID", "somebody")
    assert await problems(server.base_url, keys=(ApiKey(None, ""),)) == []
    assert await problems(server.base_url, api_key_header="api-key") == []
    keyless, azure = server.asked_for_models
    assert "Authorization" not in keyless.headers
    assert "OpenAI-Organization" not in keyless.headers
    assert azure.headers["api-key"] == "sk-secret"
    assert "Authorization" not in azure.headers


async def test_a_server_that_is_not_there(server: ScriptedServer) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{probe.getsockname()[1]}/v1"
    [problem] = await problems(server.base_url, nowhere)
    assert problem.startswith(f"endpoints.main: {nowhere} cannot be reached (")
    assert "base_url" in problem


async def test_a_bad_key_is_named_by_its_origin_and_never_shown(server: ScriptedServer) -> None:
    server.models = server.error(401, "Incorrect API key provided: sk-secret")
    [problem] = await problems(server.base_url)
    assert problem == (
        f'endpoints.main: {server.base_url} answered 401 "Incorrect API key provided: ***"; '
        "the key in MY_KEY is not accepted"
    )


async def test_every_key_is_tried(server: ScriptedServer) -> None:
    answers = {"Bearer sk-secret": server.models, "Bearer sk-dead": server.error(401, "no")}
    server.models = lambda request: answers[request.headers["Authorization"]](request)
    [problem] = await problems(server.base_url, keys=(*KEYS, ApiKey("sk-dead", "OTHER_KEY")))
    assert "OTHER_KEY" in problem


async def test_a_server_that_wants_a_key(server: ScriptedServer) -> None:
    server.models = server.error(401, "no key")
    [problem] = await problems(server.base_url, keys=(ApiKey(None, ""),))
    assert "api_key_env" in problem


async def test_a_model_that_is_not_there(server: ScriptedServer) -> None:
    [problem] = await problems(server.base_url, model="othr")
    assert problem.endswith('does not have the model "othr"; it has: m, other. Did you mean "other"?')


async def test_a_model_that_is_there_but_not_listed(server: ScriptedServer) -> None:
    assert await problems(server.base_url, model="unlisted") == []


@pytest.mark.parametrize("status", [404, 405, 429])
async def test_without_a_list_of_models_the_run_goes_on(status: int, server: ScriptedServer) -> None:
    server.models = server.error(status)
    assert await problems(server.base_url) == []


@pytest.mark.parametrize("body", [b'{"data": []}', b'{"data": null}', b'{"object": "list"}', b"[]", b"hello"])
async def test_a_list_that_says_nothing_is_no_reason_to_refuse(body: bytes, server: ScriptedServer) -> None:
    server.models = server.raw(body)
    assert await problems(server.base_url) == []


async def test_a_server_that_is_unwell(server: ScriptedServer) -> None:
    server.models = server.error(503, "Loading model")
    [problem] = await problems(server.base_url)
    assert 'answered 503 "Loading model"' in problem


async def test_a_redirect_is_told_and_not_followed(serve: Serve) -> None:
    server, elsewhere = await serve(), await serve()
    server.models = server.json({}, 308, {"Location": f"{elsewhere.base_url}/models"})
    [problem] = await problems(server.base_url)
    assert "redirects are not followed" in problem
    assert elsewhere.asked_for_models == []


async def test_every_url_is_asked_and_every_problem_told(serve: Serve) -> None:
    good, bad, worse = await serve(), await serve(), await serve()
    bad.models, worse.models = bad.error(500, "oops"), worse.json({"data": [{"id": "x"}]})
    found = await problems(good.base_url, bad.base_url, worse.base_url)
    assert [bad.base_url in found[0], worse.base_url in found[1], len(found)] == [True, True, 2]


async def test_a_proxy_is_used(server: ScriptedServer) -> None:
    assert await problems("http://model.invalid/v1", proxy=server.base_url.removesuffix("/v1")) == []
    assert server.asked_for_models[0].headers["Host"] == "model.invalid"


async def test_a_web_page_is_no_api(server: ScriptedServer) -> None:
    server.models = server.raw(b"\n<!doctype html><title>Chat</title>")
    [problem] = await problems(server.base_url)
    assert problem.startswith(f"endpoints.main: {server.base_url} answered with a web page; see that base_url is")
