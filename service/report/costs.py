"""What a run cost: the ledger's sums by stage, and by model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from config.schema import Pipeline
from queues.ledger import Spend

COLUMNS = ("calls", "reused", "unpriced", "prompt_tokens", "completion_tokens", "reasoning_tokens", "cost_usd")


def costs(pipeline: Pipeline, spend: Sequence[Spend], accepted: int) -> dict[str, Any]:
    """Return what was spent by stage (its audit's share with it) and by model, and on all; shares are per accepted."""
    names = [stage.name for stage in pipeline.stages]
    stages, models = defaultdict[str, list[Spend]](list), defaultdict[str, list[Spend]](list)
    for row in spend:
        stages[row.stage if row.stage in names else row.stage.rpartition(".")[0]].append(row)
        models[model_name(pipeline, row.endpoint)].append(row)
    return {
        "stages": {name: _summed(stages[name], accepted) for name in names if name in stages},
        "models": {name: _summed(rows, accepted) for name, rows in models.items()},
        "all": _summed(spend, accepted) if spend else None,
    }


def model_name(pipeline: Pipeline, alias: str) -> str:
    """Return what an endpoint serves, as its pipeline says."""
    endpoint = pipeline.endpoints.get(alias)
    if endpoint is None:
        return alias
    return endpoint.model or str(getattr(endpoint.embedded, "gguf", endpoint.embedded))


def _summed(rows: Sequence[Spend], accepted: int) -> dict[str, Any]:
    sums = {name: sum(getattr(row, name) for row in rows) for name in COLUMNS}
    calls, tokens = sums["calls"], sums["prompt_tokens"] + sums["completion_tokens"]
    cost = None if sums["unpriced"] else sums["cost_usd"]
    seconds = sum(row.duration_s for row in rows)
    known = sums | {"tokens": tokens, "cost_usd": cost, "seconds_per_call": seconds / calls if calls else None}
    return known | {"per_accepted": per_accepted(calls, tokens, cost, accepted)}


def per_accepted(calls: int, tokens: int, cost: float | None, accepted: int) -> dict[str, float | None] | None:
    """Return what an accepted sample took; None where there is none. `cost` None: the price of some call is unknown."""
    if not accepted:
        return None
    return {
        "calls": calls / accepted,
        "tokens": tokens / accepted,
        "cost_usd": None if cost is None else cost / accepted,
    }
