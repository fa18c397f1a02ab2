"""What a reader of the report can look into: accepted samples drawn at random, and seeds with all they led to.

What models wrote is hostile text: it is cut to what a page can hold, and characters that would be invisible, or would
change the order of what stands beside them, are spelled out.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from service.report.seen import Seen
from service.report.stream import Reservoir
from stages.core.record import Candidate, Group, Verdict
from stages.core.task import task_text

ACCEPTED = 20
SEEDS = {"solved": 24, "unsolved": 16, "failed": 4, "parked": 4}
"""How many seeds are drawn of each state."""
MOST, CHARS, WORDS = 16, 3_000, 300
"""Candidates of a seed; characters of a text, and of a detail."""
_HIDDEN = (*range(9), 11, 12, *range(14, 32), *range(127, 160), 0x61C, *range(0x200B, 0x2010), *range(0x202A, 0x202F))
_SPELLED = {code: f"⟨U+{code:04X}⟩" for code in (*_HIDDEN, *range(0x2060, 0x2070), 0xFEFF, 0xFFFE, 0xFFFF)}
_SPELLED |= {code: f"⟨U+{code:04X}⟩" for code in range(0xD800, 0xE000)}


class Samples:
    """Draws samples, repeatably by the run's seed."""

    def __init__(self, seed: int) -> None:
        self._accepted = Reservoir[dict[str, Any]](seed, ACCEPTED)
        self._seeds = {state: Reservoir[tuple[int, dict[str, Any]]](seed, size) for state, size in SEEDS.items()}
        self._came = 0

    def see(self, seen: Seen) -> None:
        self._came += 1
        for candidate, right in zip(seen.group.candidates, seen.right, strict=True):
            if candidate.state == "accepted" and (at := self._accepted.place()) is not None:
                self._accepted.put(at, _accepted(seen.group, candidate, right))
        seeds = self._seeds.get(seen.state)
        if seeds is not None and (at := seeds.place()) is not None:
            seeds.put(at, (self._came, _seed(seen)))

    def accepted(self) -> list[dict[str, Any]]:
        return self._accepted.items

    def seeds(self) -> dict[str, Any]:
        """Return the seeds in canonical order, and of how many they were drawn."""
        drawn = sorted((item for seeds in self._seeds.values() for item in seeds.items), key=lambda item: item[0])
        return {"seeds": [seed for _, seed in drawn], "of": sum(seeds.total for seeds in self._seeds.values())}


def shown(text: str, chars: int = CHARS) -> str:
    """Return a text as a page can hold it: its middle left out where it is long, hidden characters spelled out."""
    if len(text) > chars:
        tail = chars // 4
        text = f"{text[: chars - tail]}\n[… {len(text) - chars:,} characters are left out here …]\n{text[-tail:]}"
    return text.translate(_SPELLED)


def _accepted(group: Group, candidate: Candidate, right: bool | None) -> dict[str, Any]:
    return {
        "id": shown(group.candidate_id(candidate), WORDS),
        "topic": shown(group.seed.topic, WORDS),
        "task": shown(task_text(group, candidate)),
        **_text(candidate, right),
    }


def _seed(seen: Seen) -> dict[str, Any]:
    group = seen.group
    picked = _picked(group.candidates)
    right = {candidate.n: said for candidate, said in zip(group.candidates, seen.right, strict=True)}
    return {
        "id": shown(group.seed.id, WORDS),
        "topic": shown(group.seed.topic, WORDS),
        "state": seen.state,
        "bucket": shown(seen.bucket, WORDS),
        "task": shown(task_text(group)),
        "more": len(group.candidates) - len(picked),
        "candidates": [_candidate(candidate, right[candidate.n]) for candidate in picked],
    }


def _picked(candidates: list[Candidate]) -> list[Candidate]:
    """Return the candidates to show, in their order: of accepted ones and of every reason some, where not all fit."""
    came: Counter[tuple[str, str, str]] = Counter()
    turns: list[tuple[int, int]] = []
    for at, candidate in enumerate(candidates):
        kind = (candidate.state, candidate.stage, candidate.reason)
        came[kind] += 1
        turns.append((came[kind], at))
    return [candidates[at] for at in sorted(at for _, at in sorted(turns)[:MOST])]


def _candidate(candidate: Candidate, right: bool | None) -> dict[str, Any]:
    return {
        "n": candidate.n,
        "state": candidate.state,
        "stage": candidate.stage,
        "reason": candidate.reason,
        "detail": shown(candidate.detail, WORDS),
        "verdicts": [_verdict(name, verdict) for name, verdict in candidate.verdicts.items()],
        **_text(candidate, right),
    }


def _text(candidate: Candidate, right: bool | None) -> dict[str, Any]:
    lineage = candidate.lineage
    return {
        "text": shown(candidate.text),
        "reasoning": shown(candidate.reasoning or ""),
        "right": right,
        "scores": {shown(name, WORDS): round(score, 3) for name, score in candidate.scores.items()},
        "made": {key: shown(str(lineage[key]), WORDS) for key in ("model", "prompt", "temperature") if key in lineage},
    }


def _verdict(name: str, verdict: Verdict) -> dict[str, Any]:
    return {
        "stage": name,
        "passed": verdict.passed,
        "score": None if verdict.score is None else round(verdict.score, 3),
        "why": shown(verdict.detail or verdict.reason, WORDS),
    }
