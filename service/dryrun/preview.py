"""The preview: a few seeds run for real through the whole pipeline, and everything shown that became of them.

It is a run like any other, in a folder that is gone afterwards unless the person wants to keep it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from config.schema import Generate
from queues.ledger import Reader, ReplyRow, Spend
from service.dryrun.showing import Showing
from service.human import brief, dollars, duration
from service.runs import rundir
from service.runs.runner import Result, RunOptions, run_pipeline
from stages.io.store import unpack
from stages.llm.protocol import Call

Sent = dict[tuple[str, str], tuple[str, Call]]
"""The first request of each stage and purpose, with its endpoint, in the order in which they went out."""


def preview_run(
    pipeline: Path, count: int, sets: Sequence[str], keep: Path | None, *, full: bool, console: Console
) -> int:
    """Run the first `count` seeds and print them; return the run's exit code. Raises what a run raises."""
    with ExitStack() as stack:
        out = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tamis-preview-")))
        sent: Sent = {}

        def note(call: Call, row: ReplyRow) -> None:
            sent.setdefault((call.stage, call.purpose), (row.endpoint, call))

        options = RunOptions(pipeline, out, limit=count, sets=tuple(sets), progress=console.is_terminal, on_reply=note)
        result = run_pipeline(options)
        if result.ending.cause is not None and not result.manifest:  # no room even for what there is
            raise result.ending.cause
        with rundir.open_reader(out) as reader:
            _show(result, reader, sent, Showing(full), console)
    if keep is not None:
        console.print(Text(f"kept in {keep}"))
    return result.ending.code


def _show(result: Result, reader: Reader, sent: Sent, showing: Showing, console: Console) -> None:
    stored = [unpack(*rows) for rows in reader.groups()]
    order = {one.group.seed.id: one.group.seed.no for one in stored}
    stored.sort(key=lambda one: (order.get(one.group.seed.root, one.group.seed.no), one.group.seed.no))
    for one in stored:
        console.print(*showing.seed(one), "", sep="\n")
    generating = {stage.name for stage in result.plan.pipeline.stages if isinstance(stage, Generate)}
    asked = [(*key, *one) for key, one in sent.items() if key[0] not in generating]
    if asked:
        console.print(Rule(Text("what other stages sent: the first request of each", "bold"), align="left"))
    for stage, purpose, alias, call in asked:
        console.print(Text(f"\n{stage} to {alias}: {purpose}", "bold"))
        console.print(showing.messages(call.body.get("messages") or [{"role": call.route, "content": call.body}]))
    _tell(result, reader.spend(), console)


def _tell(result: Result, spend: Sequence[Spend], console: Console) -> None:
    """Say what came out and what it cost."""
    counts = result.manifest["counts"]
    seeds, candidates = counts["seeds"], counts["candidates"]
    states = [f"{seeds[state]:,} {state}" for state in ("solved", "unsolved", "failed", "expanded", "pending")]
    made = sum(candidates[origin] for origin in ("generated", "derived", "given"))
    console.print(Rule(Text(f"{seeds['read']:,} of {result.plan.scan.rows:,} seeds", "bold"), align="left"))
    console.print(Text(" · ".join(state for state in states if not state.startswith("0 "))))
    took = duration(result.manifest["wall_s"])
    console.print(Text(f"{candidates['accepted']:,} of {made:,} candidates accepted · {took}"))
    table = Table.grid(padding=(0, 2))
    for row in spend:
        price = f"price unknown for {row.unpriced:,}" if row.unpriced else dollars(row.cost_usd)
        tokens = f"{brief(row.prompt_tokens)} + {brief(row.completion_tokens)} tokens"
        table.add_row(row.stage, row.endpoint, f"{row.calls:,} calls", tokens, price)
    console.print(table)
    if result.ending.cause is not None:
        console.print(Text(f"ended early: {result.ending.cause}", "red"))
