"""Filter ablation: what each stage took out, whether it was right to, and what would have been accepted without it.

From recorded verdicts alone; nothing is asked again. Whom a stage rejected is not judged any more, so that of such a
candidate the verdicts of later stages lack: then it is counted as coming back, and told apart as `lacking`. Where a
later stage is known to be against it as well, it stays out. A stage on `mark` is taken as if it rejected.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from config.schema import Pipeline, Stage
from service.report.seen import Seen
from stages.core.record import Candidate

_REJECT_NOBODY = ("annotate", "generate", "rank")
"""Types of stages that may fail a candidate, or reject one while they make it, but do not sift what others made."""


class Ablation:
    """Counts, for each stage, whom it is against: who would come `back` without it, is `lacking` verdicts, stays `out`.

    Each is told apart by what is known of it: right, wrong, or neither.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._stages = pipeline.stages
        self._marks = [stage.name for stage in pipeline.stages if stage.action == "mark"]
        sifting = [one.name for one in pipeline.stages if one.action == "reject" and one.type not in _REJECT_NOBODY]
        names = [stage.name for stage in pipeline.stages]
        self._later = {name: [one for one in sifting if names.index(one) > at] for at, name in enumerate(names)}
        self._against: defaultdict[str, Counter[tuple[str, bool | None]]] = defaultdict(Counter)
        self.accepted: Counter[bool | None] = Counter()

    def see(self, seen: Seen) -> None:
        for candidate, right in zip(seen.group.candidates, seen.right, strict=True):
            if candidate.state == "accepted":
                self.accepted[right] += 1
            elif candidate.state == "rejected":
                self._against[candidate.stage][self._without(candidate), right] += 1
            for name in self._marks:
                verdict = candidate.verdicts.get(name)
                if verdict is not None and verdict.passed is False:
                    who = "back" if candidate.state == "accepted" else "out"
                    self._against[name][who, right] += 1

    def _without(self, candidate: Candidate) -> str:
        """Return what would become of a rejected candidate if the stage it fell at had not been there."""
        verdicts = [candidate.verdicts.get(name) for name in self._later.get(candidate.stage, ())]
        if any(verdict is not None and verdict.passed is False for verdict in verdicts):
            return "out"
        return "lacking" if None in verdicts else "back"

    def figures(self, costs: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return a row for each stage that is against anybody or that costs calls, in order; `costs` go by stage."""
        return [
            self._row(stage) | {"spent": None if stage.type == "generate" else costs.get(stage.name)}
            for stage in self._stages
            if stage.name in self._against or (stage.name in costs and stage.type != "generate")
        ]

    def _row(self, stage: Stage) -> dict[str, Any]:
        against = self._against[stage.name]
        back, lacking, out = (
            Counter({right: against[who, right] for right in (True, False, None)}) for who in ("back", "lacking", "out")
        )
        removed = back + lacking + out
        kept, without = self.accepted, self.accepted + back + lacking
        if stage.action == "mark":
            kept, without = self.accepted - back, self.accepted
        return {
            "stage": stage.name,
            "type": stage.type,
            "action": stage.action,
            "removed": removed.total(),
            "right": removed[True],
            "wrong": removed[False],
            "unknown": removed[None],
            "still_out": out.total(),
            "lacking": lacking.total(),
            "with": _precision(kept),
            "without": _precision(without),
        }


def _precision(counts: Mapping[bool | None, int]) -> dict[str, Any]:
    """Return how many there are, of how many the truth is known, and the share of these that is right."""
    known = counts[True] + counts[False]
    return {
        "samples": known + counts[None],
        "known": known,
        "right": counts[True],
        "precision": round(counts[True] / known, 4) if known else None,
    }
