"""The fingerprint of a run: what its results mean, as named hashes, so that a resume under another meaning is refused.

In it: the seed, the source's content and what its keys make of it, the stages with their templates, constitutions and
built-in prompts, and of the endpoints they use whatever shapes a reply. Not in it: budgets, limits, URLs, keys, prices,
`--limit`, where files lie, and what is derived from the ledger (outputs). A key at its default is as good as left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import xxhash

from config.schema import (
    Annotate,
    Collapse,
    CrossCheck,
    Decontaminate,
    Dedupe,
    Difficulty,
    Endpoint,
    Gguf,
    Judge,
    Pipeline,
    Rank,
    Score,
    Stage,
    Transform,
    Verify,
)
from stages.judge.constitution import load_constitution
from stages.prompts.builtin import builtin
from stages.verify.plugin import written

_SHAPES_A_REPLY = {"model", "api", "body", "reasoning", "send_seed", "structured", "logprobs"}


def fingerprint(pipeline: Pipeline, source_hash: str) -> dict[str, Any]:
    """Return the named hashes of a checked pipeline: plain JSON data, equal for equal meaning."""
    source = pipeline.source.model_dump(mode="json", exclude_defaults=True, exclude={"path"})
    return {
        "seed": pipeline.seed,
        "source": _hashes({"type": pipeline.source.type, **source, "content": source_hash}),
        "endpoints": {alias: _endpoint(endpoint) for alias, endpoint in sorted(pipeline.used.items())},
        "stages": {stage.name: _stage(stage, pipeline.constitution) for stage in pipeline.stages},
        "collapse": _collapse(pipeline.collapse),
    }


def _collapse(collapse: Collapse | None) -> dict[str, str]:
    """Return what shapes a reply once an alarm is answered; what only alarms shapes none."""
    if collapse is None or not collapse.respond:
        return {}
    return _hashes({"respond": collapse.respond, "personas": collapse.personas, "prompt": builtin("verbalized")})


def _endpoint(endpoint: Endpoint) -> dict[str, str]:
    shape = endpoint.model_dump(mode="json", exclude_defaults=True, include=_SHAPES_A_REPLY)
    if endpoint.embedded is not None:
        embedded = endpoint.embedded
        shape["embedded"] = Path(embedded.gguf).name if isinstance(embedded, Gguf) else embedded
    return _hashes(shape)


def _stage(stage: Stage, default_constitution: str | None) -> dict[str, str]:
    keys = stage.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude={"name", "audit", "memory_mb"})
    keys["type"] = stage.type
    if (
        isinstance(stage, (Judge, Rank))
        or (isinstance(stage, Score) and stage.axes == "constitution")
        or (isinstance(stage, Transform) and stage.kind == "critique_revise")
    ):
        path = stage.constitution or default_constitution
        keys["constitution"] = None if path is None else load_constitution(path).model_dump(mode="json")
    if getattr(stage, "prompt", None) is None or (isinstance(stage, Annotate) and stage.choices):
        keys["built-in prompt"] = _builtin_prompt(stage)
    if isinstance(stage, Difficulty) and stage.by != "pass_rate" and stage.rating is None:
        keys["built-in rating"] = builtin("difficulty_rating")
    if isinstance(stage, Verify) and stage.fallback is not None and stage.fallback.prompt is None:
        keys["fallback's prompt"] = builtin("equivalent")
    if isinstance(stage, Transform) and stage.kind == "critique_revise":
        keys["built-in prompt"] = [builtin("critique"), builtin("revise")]
    if isinstance(stage, Transform) and stage.gate.equivalent is not None:
        keys["gate's prompt"] = builtin("same_meaning")
    if isinstance(stage, Decontaminate):
        keys["against"] = [xxhash.xxh3_64_hexdigest(Path(path).read_bytes()) for path in stage.against]
    if isinstance(stage, Dedupe) and stage.existing is not None:
        keys["existing"]["path"] = [xxhash.xxh3_64_hexdigest(Path(path).read_bytes()) for path in stage.existing.path]
    if isinstance(stage, (Verify, CrossCheck)) and stage.function is not None:
        keys["function"] = written(stage.function)
    return _hashes({key: value for key, value in keys.items() if value is not None})


def _builtin_prompt(stage: Stage) -> str | None:
    """Return the built-in prompt that a stage asks by, named for its `mode` or kind: another tamis, another text."""
    name = str(getattr(stage, "mode", None) or getattr(stage, "prompt_name", stage.type))
    if isinstance(stage, CrossCheck):
        name = f"{name}_{stage.sees}"
    if isinstance(stage, Score) and stage.endpoint:
        name = "rubric"
    try:
        return builtin(name)
    except FileNotFoundError:
        return None


def _hashes(values: Mapping[str, Any]) -> dict[str, str]:
    return {
        key: xxhash.xxh3_64_hexdigest(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))
        for key, value in sorted(values.items())
    }


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return what differs between two fingerprints, by name: `stages[1] (judge): constitution changed`."""
    found = ["seed changed"] if old["seed"] != new["seed"] else []
    found += _changed("source", old["source"], new["source"])
    found += _stages(old["stages"], new["stages"])
    found += _changed("collapse", old.get("collapse", {}), new["collapse"])
    for alias in sorted(old["endpoints"].keys() & new["endpoints"].keys()):
        found += _changed(f"endpoints.{alias}", old["endpoints"][alias], new["endpoints"][alias])
    return found


def _stages(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for place, name in enumerate(old):
        if name not in new:
            yield f"stages[{place}] ({name}) was removed"
    for place, name in enumerate(new):
        if name not in old:
            yield f"stages[{place}] ({name}) was added"
        else:
            yield from _changed(f"stages[{place}] ({name})", old[name], new[name])
    if [name for name in old if name in new] != [name for name in new if name in old]:
        yield "stages: their order changed"


def _changed(label: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    for key in sorted({*old, *new}):
        if old.get(key) != new.get(key):
            yield f"{label}: {key} changed"
