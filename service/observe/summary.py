"""What a run tells when it ends: pure functions from counts to text.

Everything comes from the manifest and the ledger's counts, so a resumed run tells the same as one that was never
interrupted. A line that nothing can be said for is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from config.schema import Pipeline, Stage
from config.sieving import GOLD
from queues.ledger import CandidateCount
from service.audit.audit import in_a_line
from service.human import brief, dollars, duration, percent
from stages.core.errors import RunStopped
from stages.io.manifest import ORIGINS

LABEL = 11
MOST = 6

Told = Sequence[tuple[str, Mapping[str, Any]]]
"""The ledger's rows of kind "collapse" in their order: the stage, and what happened (`dedupe/collapse.py`)."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that ended: its manifest, the ledger's counts of candidates, its pipeline, where it is, and its audit.

    `collapse` has what was told and done about repetition, by stage, in order; `failure` the words of one candidate
    that failed.
    """

    manifest: Mapping[str, Any]
    candidates: Sequence[CandidateCount]
    pipeline: Pipeline
    run_dir: Path
    audit: Sequence[Mapping[str, Any]] = ()
    collapse: Told = ()
    failure: str = ""

    @property
    def counts(self) -> Mapping[str, Any]:
        counts: Mapping[str, Any] = self.manifest["counts"]["candidates"]
        return counts

    @property
    def made(self) -> int:
        return sum(self.counts[origin] for origin in ORIGINS)

    def fallen(self, stage: str) -> int:
        """Return how many candidates a stage rejected or could not judge."""
        return sum(row.total for row in self.candidates if row.stage == stage and row.state in ("rejected", "failed"))


class _Step(NamedTuple):
    """A stage where candidates may fall, with how many came and how many went on."""

    stage: Stage
    before: int
    after: int


def summary(ended: Ended, spent: str = "", again: str = "") -> str:
    """Return what a complete run tells, or one whose budget is `spent`: `again` is the command that then goes on."""
    took = duration(ended.manifest["wall_s"])
    headline = f"ended after {took}: {spent}" if spent else f"complete in {took}"
    files = f"open {ended.run_dir / 'report.html'} · tamis export {ended.run_dir} --format dpo"
    lines = [
        ("seeds", _seeds(ended.manifest["counts"]["seeds"], ended.manifest["skipped_rows"])),
        ("yield", _yield(ended)),
        ("rejected", _reasons(ended, "rejected")),
        ("failed", _reasons(ended, "failed")),
        ("e.g.", ended.failure),
        ("quality", _quality(ended)),
        ("judge", in_a_line(ended.audit)),
        ("quota", _quotas(ended.manifest["quotas"])),
        ("diversity", repetition(ended.collapse)),
        ("cost", _cost(ended.manifest, ended.counts["accepted"])),
        ("next", f"raise the budget, then: {again}" if spent else files),
    ]
    first = f"{headline:<48}{ended.run_dir}" if len(headline) < 47 else f"{headline}   {ended.run_dir}"
    return "\n".join([first, *(f"{label:<{LABEL}}{text}" for label, text in lines if text)])


def stopped(cause: RunStopped, manifest: Mapping[str, Any], again: str) -> str:
    """Return the cause, what is safe, and what to do. A manifest that could not be written has no counts."""
    seeds = manifest.get("counts", {}).get("seeds")
    safe = "nothing was lost"
    if seeds is not None:
        total = seeds["read"] + seeds["derived"]
        safe += f" ({total - seeds['pending']:,} of {total:,} seeds done)"
    what = f"{cause.remedy.rstrip('.')}, then: " if cause.remedy else "Go on with: "
    return f"stopped: {cause.cause}; {safe}.\n{what}{again}"


def _seeds(seeds: Mapping[str, int], skipped: int) -> str:
    parts = [f"{seeds['read']:,} read" + (f" ({skipped:,} broken rows left out)" if skipped else "")]
    parts += [
        f"{seeds[state]:,} {state}" + " (unsolved.jsonl)" * (state == "unsolved")
        for state in ("derived", "expanded", "solved", "unsolved", "failed", "pending")
        if seeds[state] or state == "solved"
    ]
    return " · ".join(parts)


def _steps(ended: Ended) -> list[_Step]:
    steps, left = [], ended.made
    for stage in ended.pipeline.stages:
        lost = ended.fallen(stage.name)
        if lost or (_called(stage) and stage.action == "reject"):
            steps.append(_Step(stage, left, left - lost))
        left -= lost
    return steps


def _called(stage: Stage) -> str:
    """Return what candidates are called that a stage let through; empty where it hardly ever rejects."""
    if stage.type == "verify":
        return "right" if stage.check in GOLD else f"past {stage.name}"
    return {"judge": f"past the {stage.name}", "select": "selected", "dedupe": "after dedupe"}.get(stage.type, "")


def _yield(ended: Ended) -> str:
    if not ended.made:
        return ""
    parts = [" + ".join(f"{ended.counts[origin]:,} {origin}" for origin in ORIGINS if ended.counts[origin])]
    for step in _steps(ended):
        rare = "complete" if step.stage.type == "generate" else f"past {step.stage.name}"
        parts.append(f"{step.after:,} {_called(step.stage) or rare}")
    accepted, pending = ended.counts["accepted"], ended.counts["pending"]
    if pending:
        parts.append(f"{accepted:,} accepted, {pending:,} pending")
    elif len(parts) == 1 or not parts[-1].endswith(" selected"):
        parts.append(f"{accepted:,} accepted")
    return " → ".join(parts)


def _reasons(ended: Ended, state: str) -> str:
    """Return the reasons for a state, the most frequent first; one that several stages give is told by stage."""
    totals: Counter[tuple[str, str]] = Counter()
    for row in ended.candidates:
        if row.state == state:
            totals[row.reason, row.stage] += row.total
    stages = Counter(reason for reason, _ in totals)
    parts = [
        f"{stage + ': ' if stages[reason] > 1 else ''}{reason.replace('_', ' ')} {number:,}"
        for (reason, stage), number in totals.most_common()
    ]
    others = sum(number for _, number in totals.most_common()[MOST:])
    return " · ".join(parts[:MOST] + ([f"others {others:,}"] if others else []))


def _quality(ended: Ended) -> str:
    """Return how many answers were right when they came, and among the accepted, where a check by gold tells both."""
    steps = _steps(ended)
    at = next((at for at, step in enumerate(steps) if _called(step.stage) == "right"), None)
    if at is None or not ended.made or not _sifts(ended.pipeline, steps[at].stage):
        return ""
    raw = all(step.stage.type == "generate" for step in steps[:at])
    came, whose = steps[at].before, f"answers that came to {steps[at].stage.name}"
    if raw:
        came, whose = ended.made, "raw answers"
    accepted = ended.counts["accepted"]
    after = f"accepted right 100 % ({accepted:,} of {accepted:,}, by gold)" if accepted else "none accepted"
    return f"{whose} right {percent(steps[at].after, came)} → {after}"


def _sifts(pipeline: Pipeline, stage: Stage) -> bool:
    """Return whether whatever is accepted has passed a stage as it is: nothing went by it or was rewritten."""
    later = pipeline.stages[pipeline.stages.index(stage) :]
    return stage.action == "reject" and stage.where is None and all(one.type != "transform" for one in later)


def _quotas(quotas: Mapping[str, Mapping[str, Any]]) -> str:
    """Return how many seeds of each bucket were taken, and which there were too few of."""
    parts = []
    for quota in quotas.values():
        for bucket, wanted in quota["target"].items():
            there, taken = quota["there"].get(bucket, 0), quota["taken"][bucket]
            scarce = ", no more" if wanted and taken == there else ""
            parts.append(f"{bucket} {taken:,} of {there:,}{scarce}")
    return " · ".join(parts)


def repetition(told: Told) -> str:
    """Return which stages began to repeat themselves, what was done, how it was at last; empty without an alarm."""
    alarmed = dict.fromkeys(stage for stage, row in told if row["what"] == "alarm")
    return " · ".join(_repeats(stage, [row for name, row in told if name == stage]) for stage in alarmed)


def _repeats(stage: str, rows: Sequence[Mapping[str, Any]]) -> str:
    first, last = next(row for row in rows if row["what"] == "alarm"), rows[-1]
    share, usual = percent(first["now"]["repeated"], 1), percent(first["usual"], 1)
    text = f"ALARM: {stage} repeats itself from output {first['began']:,} on, {share} (usual: up to {usual})"
    if taken := [row["step"] + " (undone)" * (row["what"] == "undone") for row in rows if "step" in row]:
        text += f"; answered: {', '.join(taken)}"
    if last is not first and last["now"]["repeated"] is not None:
        text += f"; at last {percent(last['now']['repeated'], 1)}"
    return text


def _cost(manifest: Mapping[str, Any], accepted: int) -> str:
    calls, tokens = manifest["calls"], manifest["tokens"]
    parts = [f"{calls['calls']:,} calls", f"{brief(tokens['prompt'] + tokens['completion'])} tokens"]
    if accepted:
        parts.append(f"{calls['calls'] / accepted:,.1f} calls per accepted sample")
    cost = manifest["cost_usd"]
    if cost is None:
        parts.append(f"price unknown for {calls['unpriced']:,} calls")
    elif cost:
        parts.append(dollars(cost) + (f", {dollars(cost / accepted)} per accepted sample" if accepted else ""))
    if calls["reused"]:
        parts.append(f"{calls['reused']:,} replies reused")
    return " · ".join(parts)
