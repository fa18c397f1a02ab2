"""`tamis constitution expand`: a file and an endpoint make a draft beside it, for a person to read, edit and commit."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from config.endpoints import Endpoint as EndpointConfig
from config.load import read_pipeline
from config.problems import ConfigError
from config.words import suggestion
from config.yamlfile import write as to_yaml
from queues.gate import Gate, GateLimits
from queues.ledger import ReplyRow
from service.runs.lifecycle import Interrupted, background
from stages.core.errors import InputError
from stages.io.atomic import replacing
from stages.judge.constitution import Constitution, load_constitution
from stages.judge.expand import KINDS, Draft, expand
from stages.llm.endpoint import Endpoint, Hooks
from stages.llm.keys import ApiKey, read_keys
from stages.llm.preflight import preflight
from stages.llm.protocol import Call

_HEADER = """\
# Drafted by {model} from {file}: read every sentence, mend or delete it, then keep this file in the place of that one.
# Whoever writes principles answers for them; a model only helps to word them.

"""


def draft_file(path: Path, pipeline: Path | None, alias: str | None, out: Path | None) -> tuple[Path, Draft]:
    """Write a copy of a constitution with its empty lists filled; what was written by hand stays as it is.

    Raises InputError or ConfigError where that cannot be done, before anything is asked where it can be known then.
    """
    constitution = load_constitution(path)
    target = out or path.with_suffix(f".expanded{path.suffix}")
    if target.exists():
        raise InputError(f"{target}: this file is there already; name another with --out")
    if all(getattr(principle, kind) for principle in constitution.principles for kind in KINDS):
        raise InputError(f"{path}: no list of any principle is empty; there is nothing to expand")
    alias, endpoint = _endpoint(pipeline, alias)
    keys = read_keys(alias, endpoint, os.environ)
    try:
        draft = asyncio.run(_draft(constitution, alias, endpoint, keys))
    except KeyboardInterrupt:
        raise Interrupted("interrupted; nothing was written") from None
    with replacing(target) as file:
        file.write(_HEADER.format(model=draft.model, file=path.name).encode())
        file.write(to_yaml(draft.constitution.model_dump(mode="json", exclude_defaults=True)).encode())
    return target, draft


def _endpoint(pipeline: Path | None, alias: str | None) -> tuple[str, EndpointConfig]:
    """Return the endpoint to ask: one of a pipeline's, or the embedded model."""
    if pipeline is None:
        if alias is not None:
            raise InputError(f"--endpoint {alias}: name the file it stands in, with --pipeline pipeline.yaml")
        return "embedded", EndpointConfig(embedded="smollm2")
    loaded = read_pipeline(pipeline, env=os.environ)
    if loaded.problems or loaded.pipeline is None:
        raise ConfigError(loaded.problems)
    known = loaded.pipeline.endpoints
    if alias is None and len(known) == 1:
        alias = next(iter(known))
    if alias not in known:
        given = "--endpoint is missing" if alias is None else f'--endpoint: there is none named "{alias}" in {pipeline}'
        raise InputError(f"{given}; {suggestion(alias or '', known, 'the endpoints are')}")
    return alias, known[alias]


async def _draft(constitution: Constitution, alias: str, config: EndpointConfig, keys: list[ApiKey]) -> Draft:
    await preflight(alias, config, keys)
    limits = config.limits
    gate = Gate(GateLimits(limits.max_concurrency, limits.requests_per_minute, limits.tokens_per_minute), alias)
    async with (
        Endpoint(alias, config, gate, keys, Hooks(_keep, lambda: None)) as endpoint,
        background({"gate": gate.run(), "watch": endpoint.watch()}),
    ):
        return await expand(constitution, endpoint)


async def _keep(_call: Call, _row: ReplyRow) -> None:
    """Keep nothing: what comes of the replies is the file."""
