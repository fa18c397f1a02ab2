"""What is asked before anything is paid: whether an endpoint answers, its keys are good and it has the model.

One request to `/models` for each URL and each key, through the openai SDK, whose errors are typed; it is slow to load
and only needed here. Providers without `/models` are let through: their first answer will tell.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import orjson

from config.schema import Endpoint
from config.words import among
from stages.core.errors import InputError
from stages.llm.embedded import find_model, find_server
from stages.llm.failures import of_reply
from stages.llm.keys import ApiKey, KeyRing
from stages.llm.sdk import client_of, headers_of

if TYPE_CHECKING:
    import openai

TIMEOUT_S = 10.0


async def preflight(alias: str, config: Endpoint, keys: Sequence[ApiKey]) -> None:
    """Ask every URL with the first key, and the first URL with every key. Raises InputError with all that is wrong.

    Of the embedded server only its files are looked for: it is asked for its health when it starts.
    """
    if config.embedded is not None:
        find_server()
        find_model(config.embedded)
        return
    pairs = [(url, keys[0]) for url in config.base_url] + [(config.base_url[0], key) for key in keys[1:]]
    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(_problem(config, url, key), name=f"preflight {alias}") for url, key in pairs]
    ring = KeyRing(alias, keys)
    problems = [f"endpoints.{alias}: {ring.redacted(problem)}" for task in asked if (problem := task.result())]
    if problems:
        raise InputError(list(dict.fromkeys(problems)))


async def _problem(config: Endpoint, url: str, key: ApiKey) -> str:
    """Return what is wrong with this URL, this key or the model there; empty when all is well."""
    import openai

    try:
        async with client_of(config, url, TIMEOUT_S) as client:
            headers = headers_of(config, key)
            problem = await _model_problem(url, client, headers, config.model or "")
            if not problem and config.mode == "batch":
                return await _batch_problem(url, client, headers)
            return problem
    except openai.APITimeoutError:
        return f"{url} did not answer within {TIMEOUT_S:.0f} s; see that the server runs and that base_url is right"
    except openai.APIConnectionError as error:
        why = error.__cause__ or error
        return f"{url} cannot be reached ({why}); see that the server runs and that base_url is right"
    except openai.APIStatusError as error:
        return _status_problem(url, key, error)


async def _model_problem(url: str, client: openai.AsyncOpenAI, headers: dict[str, str], model: str) -> str:
    body = (await client.models.with_raw_response.list(extra_headers=headers)).content
    if body.lstrip().startswith(b"<"):
        return f"{url} answered with a web page; see that base_url is the API's address (most end in /v1)"
    there = _names(body)
    if not there or model in there or await _has(client, headers, model):
        return ""
    return f'{url} does not have the model "{model}"; {among(model, there, "it has")}'


async def _batch_problem(url: str, client: openai.AsyncOpenAI, headers: dict[str, str]) -> str:
    """Ask for the list of batches: whoever has none does not know the route."""
    import openai

    try:
        await client.batches.with_raw_response.list(limit=1, extra_headers=headers)
    except openai.APIStatusError as error:
        if error.status_code in (404, 405, 501):
            return f"{url} has no Batch API ({error.status_code} to /batches); write `mode: live`"
        raise
    return ""


def _names(body: bytes) -> list[str]:
    """Return the names in a list of models; none where the reply is something else."""
    try:
        listed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return []
    models = listed.get("data") if isinstance(listed, dict) else None
    return [str(model["id"]) for model in models or [] if isinstance(model, dict) and "id" in model]


async def _has(client: openai.AsyncOpenAI, headers: dict[str, str], model: str) -> bool:
    """Ask for a model by its name: some servers take names that they do not list."""
    import openai

    try:
        await client.models.with_raw_response.retrieve(model, extra_headers=headers)
    except openai.APIStatusError as error:
        return error.status_code != 404
    return True


def _status_problem(url: str, key: ApiKey, error: openai.APIStatusError) -> str:
    """Return what an answer that is no success means; nothing where it is no reason to refuse the run."""
    status, failure = error.status_code, of_reply(error.status_code, {}, error.response.content)
    if status in (401, 403):
        remedy = f"the key in {key.origin} is not accepted" if key.origin else "it wants a key: set api_key_env"
    elif 300 <= status < 400:
        remedy = "redirects are not followed, write the final address as base_url"
    elif status >= 500:
        remedy = "see that the server is well"
    else:
        return ""  # no /models here, or not just now (429)
    return f"{url} {failure.words}; {remedy}"
