"""The figures of a report, gathered in one pass over the ledger, as one document: `report.json`.

What the page shows is in it, but for the texts.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import xxhash

from config.schema import Generate, Pipeline
from queues.ledger import CandidateCount, Reader
from service.report.ablation import Ablation
from service.report.candidates import Candidates
from service.report.costs import costs, model_name
from service.report.passk import PassAtK
from service.report.samples import Samples
from service.report.seeds import Seeds
from service.report.seen import Seen
from service.report.truth import Truth
from service.runs.store import made
from stages.io.manifest import ORIGINS
from stages.io.store import Stored


class Figures:
    """The figures of a run, for a while in the making."""

    def __init__(self, pipeline: Pipeline, reader: Reader, folder: Path) -> None:
        self._pipeline, self._reader = pipeline, reader
        self._truth = Truth(pipeline, folder)
        self._ablation, self.samples = Ablation(pipeline), Samples(pipeline.seed)
        self._seeds = Seeds(reader, sum(row.total for row in reader.seed_counts()))
        self._candidates, self._pass_at_k = Candidates(pipeline.seed), PassAtK(pipeline, self._truth)
        self._parts = (self._ablation, self.samples, self._seeds, self._candidates, self._pass_at_k)

    def see(self, stored: Stored) -> None:
        group = stored.group
        right = [self._truth.of(group, candidate) for candidate in group.candidates]
        accepted = sum(candidate.state == "accepted" for candidate in group.candidates)
        seen = Seen(group, stored.state, right, accepted)
        for part in self._parts:
            part.see(seen)

    def document(self, manifest: Mapping[str, Any], audit: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Put everything together. Counts are those of the manifest."""
        pipeline, reader, source = self._pipeline, self._reader, self._truth.source
        counts = manifest["counts"]
        rows = reader.candidate_counts()
        spent = costs(pipeline, reader.spend(), counts["candidates"]["accepted"])
        seeds, candidates = self._seeds.figures(), self._candidates.figures()
        return {
            "run": _run(pipeline, manifest),
            "counts": counts,
            "numbers": _numbers(manifest, self._ablation.accepted, source, spent),
            "funnel": _funnel(pipeline, counts["candidates"], rows, candidates.pop("verdicts")),
            "ablation": {"gold": source, "stages": self._ablation.figures(spent["stages"])},
            "over_seeds": seeds["over_seeds"],
            "diversity": _diversity(reader),
            "fallen": _fallen(rows),
            "pass_at_k": self._pass_at_k.figures(),
            "candidates_per_seed": seeds["candidates_per_seed"],
            "coverage": seeds["coverage"] | {"unsolved": seeds["unsolved"]},
            "audit": audit,
            **candidates,
            "cut_off": _cut_off(candidates, rows),
            "costs": spent | {"buckets": self._seeds.spent()},
            "samples": [one["id"] for one in self.samples.accepted()],
        }


def _run(pipeline: Pipeline, manifest: Mapping[str, Any]) -> dict[str, Any]:
    hashed = xxhash.xxh3_64_hexdigest(orjson.dumps(manifest["fingerprint"], option=orjson.OPT_SORT_KEYS))
    return {
        "name": pipeline.name,
        "state": manifest["state"],
        "fingerprint": hashed,
        "seed": pipeline.seed,
        "models": {alias: model_name(pipeline, alias) for alias in pipeline.used},
        "source": pipeline.source.model_dump(mode="json", exclude_defaults=True) | {"type": pipeline.source.type},
        "versions": manifest["versions"],
        "wall_s": manifest["wall_s"],
        "skipped_rows": manifest["skipped_rows"],
        "prompts": {stage.name: list(stage.prompts) for stage in pipeline.stages if isinstance(stage, Generate)},
        "made": time.strftime("%Y-%m-%d %H:%M %Z"),
    }


def _numbers(
    manifest: Mapping[str, Any], accepted: Mapping[bool | None, int], source: str, spent: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the six numbers that stand at the top."""
    counts = manifest["counts"]
    return {
        "solved": counts["seeds"]["solved"],
        "seeds": counts["seeds"]["read"] + counts["seeds"]["derived"] - counts["seeds"]["expanded"],
        "accepted": counts["candidates"]["accepted"],
        "right": {"by": source, "right": accepted[True], "known": accepted[True] + accepted[False]},
        "per_accepted": None if spent["all"] is None else spent["all"]["per_accepted"],
        "duplicates": counts["candidates"]["rejected"].get("duplicate", 0),
        "wall_s": manifest["wall_s"],
    }


def _funnel(
    pipeline: Pipeline, counts: Mapping[str, Any], rows: Sequence[CandidateCount], verdicts: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return for each stage how many candidates came to it and went on; `against`: of a stage that only marks."""
    left = sum(counts[origin] for origin in ORIGINS)
    said = {row["stage"]: row for row in verdicts}
    funnel = []
    for stage in pipeline.stages:
        fell = {
            state: sum(row.total for row in rows if row.stage == stage.name and row.state == state)
            for state in ("rejected", "failed")
        }
        known = said.get(stage.name, {})
        funnel.append(
            {
                "stage": stage.name,
                "type": stage.type,
                "action": stage.action,
                "came": left,
                **fell,
                "went": left - sum(fell.values()),
                "judged": sum(known.get(name, 0) for name in ("passed", "against", "unreadable")),
                "against": known.get("against", 0),
            }
        )
        left = funnel[-1]["went"]
    return funnel


def _fallen(rows: Sequence[CandidateCount]) -> list[dict[str, Any]]:
    """Return why candidates were rejected or failed, the most frequent first."""
    totals: Counter[tuple[str, str, str]] = Counter()
    for row in rows:
        if row.state in ("rejected", "failed"):
            totals[row.state, row.stage, row.reason] += row.total
    return [
        {"state": state, "stage": stage, "reason": reason, "count": count}
        for (state, stage, reason), count in totals.most_common()
    ]


def _cut_off(candidates: Mapping[str, Any], rows: Sequence[CandidateCount]) -> dict[str, int]:
    """Return how many candidates there are, how many replies ended at their limit, and how many could not be read."""
    ways = [*candidates["yield"], candidates["other_yield"]]
    return {
        "candidates": sum(row.total for row in rows),
        "truncated": sum(way["truncated"] for way in ways),
        "unreadable": sum(row.total for row in rows if row.reason == "unreadable"),
        "failed": sum(row.total for row in rows if row.state == "failed"),
    }


def _diversity(reader: Reader) -> dict[str, dict[str, Any]]:
    """Return the windows of each stage that generates, and the alarms with what was done."""
    found: dict[str, dict[str, Any]] = {}
    for kind, into in (("diversity", "windows"), ("collapse", "alarms")):
        for stage, body in made(reader, kind):
            if body.get("topic") is None:
                found.setdefault(stage, {"windows": [], "alarms": []})[into].append(body)
    return found
