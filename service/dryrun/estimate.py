"""What a run will take, told before it is paid: from a probe that really runs a few seeds, or without any call."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from config.schema import Pipeline
from queues.ledger import ReplyRow
from service.dryrun.forecast import Paid, Probe, forecast
from service.dryrun.standin import bound
from service.human import brief, dollars, duration, percent
from service.runs import rundir
from service.runs.plan import checked, scanned
from service.runs.runner import RunOptions, run_pipeline
from service.runs.session import limits_of
from stages.core.errors import BudgetReached, InputError
from stages.io.store import unpack
from stages.llm.protocol import Call

Estimate = dict[str, Any]
Interval = Mapping[str, float]


def estimate_run(pipeline: Path, sets: Sequence[str], limit: int | None, seeds: int) -> Estimate:
    """Return the estimate as plain data, from a probe of `seeds`; 0: from prices and limits alone, without a call.

    Raises what a run raises, and InputError where a budget ends even the probe.
    """
    if seeds:
        probe, config = _probed(RunOptions(pipeline, sets=tuple(sets), limit=limit, probe=seeds, progress=False))
    else:
        config = checked(pipeline, sets)
        source, scan = scanned(config)
        probe = asyncio.run(bound(config, source, min(scan.rows, limit or scan.rows)))
    return forecast(probe, config, limits_of(config.used))


def _probed(options: RunOptions) -> tuple[Probe, Pipeline]:
    paid: list[Paid] = []

    def note(call: Call, row: ReplyRow) -> None:
        root, tokens = call.group.seed.root, (row.prompt_tokens, row.completion_tokens)
        paid.append(Paid(root, row.stage, row.endpoint, *tokens, row.cost_usd, row.duration_s, time.monotonic()))

    with tempfile.TemporaryDirectory(prefix="tamis-estimate-") as folder:
        out = Path(folder) / "probe"
        result = run_pipeline(replace(options, out=out, on_reply=note))
        cause = result.ending.cause
        if isinstance(cause, BudgetReached):
            raise InputError(
                f"{cause} before {result.plan.read} seeds were done, so nothing can be told from them; "
                f"try a smaller --probe, or --probe 0"
            )
        if cause is not None:
            raise cause
        accepted, roots = Counter[str](), list[str]()
        with rundir.open_reader(out) as reader:
            for rows in reader.groups():
                group = unpack(*rows).group
                roots += [] if group.seed.parent_id else [group.seed.id]
                accepted[group.seed.root] += sum(candidate.state == "accepted" for candidate in group.candidates)
    return Probe(roots, result.plan.within, paid, accepted), result.plan.pipeline


def told(found: Estimate) -> str:
    """Return the estimate in words."""
    seeds, probe = found["seeds"], found["probe"]
    tried = f"{probe['seeds']:,} seeds, drawn evenly"
    if found["measured"]:
        spent = f"{probe['calls']:,} calls, {brief(probe['tokens'])} tokens"
        head = f"{found['name']}: {seeds:,} seeds, estimated from {tried} and really run ({spent})"
    else:
        head = f"{found['name']}: {seeds:,} seeds, the most they can take by {tried}; nothing was called"
    rows = [("stage", "endpoint", "calls", "prompt tokens", "completion tokens", "cost")]
    rows += [(row["stage"], row["endpoint"], *_amounts(row)) for row in (*found["stages"], _TOTAL | found["total"])]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([head, *table, *_rest(found)])


_TOTAL = {"stage": "total", "endpoint": ""}


def _amounts(row: Mapping[str, Any]) -> list[str]:
    counts = [_between(row[name], brief) for name in ("calls", "prompt_tokens", "completion_tokens")]
    return [*counts, "price unknown" if row["cost_usd"] is None else _between(row["cost_usd"], dollars)]


def _rest(found: Estimate) -> list[str]:
    accepted, cost, time_s = found["accepted"], found["total"]["cost_usd"], found["time_s"]
    lines = []
    if accepted is not None:
        each = f", {dollars(cost['mid'] / accepted['mid'])} each" if cost and accepted["mid"] else ""
        lines.append(f"accepted   {_between(accepted, brief)}{each}")
    if time_s is None:
        lines.append("time       unknown without a probe: no endpoint has a limit per minute")
    elif found["measured"]:
        lines.append(f"time       {duration(time_s['low'])} to {duration(time_s['high'])}")
    else:
        lines.append(
            f"time       {duration(time_s['high'])} by the limits per minute alone; a probe tells how fast replies come"
        )
    lines += [f"budget     {_budget(one, found)}" for one in found["budget"]]
    if found["unpriced"]:
        lines.append(f"unknown    the price of {', '.join(found['unpriced'])}: set `price` there; it is not taken as 0")
    if found["unlimited"]:
        lines.append(f"unlimited  {', '.join(found['unlimited'])}: no `max_tokens`, 512 taken for each reply")
    return lines


def _budget(one: Mapping[str, Any], found: Estimate) -> str:
    shown: Callable[[float], str] = {"usd": dollars, "wall_s": duration}.get(one["key"], brief)
    what = f"{one['key']} {shown(one['limit'])}"
    if one["seeds"] is None:
        return f"{what}: cannot be compared, since what the run takes of it is not known"
    if one["seeds"]["low"] >= found["seeds"]:
        return f"{what} is enough: about {percent(one['need']['mid'], one['limit'])} of it"
    sure = "ends" if one["seeds"]["high"] < found["seeds"] else "may end"
    return f"{what} {sure} the run after about {_between(one['seeds'], brief)} of {found['seeds']:,} seeds"


def _between(found: Interval, shown: Callable[[float], str]) -> str:
    low, mid, high = (shown(found[end]) for end in ("low", "mid", "high"))
    return mid if low == high else f"{mid} ({low} to {high})"
