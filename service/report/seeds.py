"""What a report says of seeds: how many candidates they took, which topics are covered, what solved ones cost."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from queues.ledger import Reader, Spent
from service.report.seen import Seen
from service.report.stream import Tops
from stages.core.record import Group

BUCKETS = ("easy", "moderate", "hard", "unsolved", "unknown")
_TOPICS, _LISTED = 1_000, 60
_STEPS, _OF_A_STEP = 50, 10
"""Of the curve over the order of seeds, and how many seeds a step has at the least."""
_AT_ONCE = 500
"""Seeds whose replies are summed in one read."""


class Seeds:
    """Counts seeds. `total`: about how many will come."""

    def __init__(self, reader: Reader, total: int) -> None:
        self._reader, self._of_a_step = reader, max(-(-total // _STEPS), _OF_A_STEP)
        self._came = 0
        self._steps: list[Counter[str]] = []
        self._sizes: Counter[tuple[int, bool]] = Counter()
        self._topics = Tops[str](_TOPICS)
        self._cells: defaultdict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
        self._unsolved: list[dict[str, Any]] = []
        self._waiting: defaultdict[str, list[int]] = defaultdict(list)
        self._seeds_of, self._accepted_of = Counter[str](), Counter[str]()
        self._spent: dict[str, Spent] = {}

    def see(self, seen: Seen) -> None:
        group, state = seen.group, seen.state
        if self._came % self._of_a_step == 0:
            self._steps.append(Counter())
        step = self._steps[-1]
        self._came += 1
        self._pay(seen)
        if state in ("expanded", "parked"):
            return
        made = len(group.candidates)
        step.update(seeds=1, solved=state == "solved", candidates=made, accepted=seen.accepted)
        self._sizes[made, state == "solved"] += 1
        self._topics.count(group.seed.topic)
        if group.seed.topic in self._topics:
            self._cells[group.seed.topic][seen.bucket, state] += 1
        if state != "solved" and len(self._unsolved) < _LISTED:
            self._unsolved.append(_unsolved(group))

    def _pay(self, seen: Seen) -> None:
        """Count what a seed took under its bucket, or, where no stage told one, under how it ended."""
        key = seen.bucket or seen.state
        self._seeds_of[key] += 1
        self._accepted_of[key] += seen.accepted
        waiting = self._waiting[key]
        waiting.append(seen.group.seed.no)
        if len(waiting) == _AT_ONCE:
            self._sum(key)

    def _sum(self, key: str) -> None:
        self._spent[key] = self._spent.get(key, Spent(0, 0, 0, 0.0)).plus(self._reader.spent_on(self._waiting[key]))
        self._waiting[key].clear()

    def spent(self) -> list[dict[str, Any]]:
        """Return what was spent by bucket."""
        for key, waiting in self._waiting.items():
            if waiting:
                self._sum(key)
        order = [*BUCKETS, "solved", "failed", "expanded", "parked"]
        keys = sorted(self._spent, key=lambda key: order.index(key) if key in order else len(order))
        return [
            {"bucket": key, "seeds": self._seeds_of[key], "accepted": self._accepted_of[key]}
            | self._spent[key]._asdict()
            for key in keys
        ]

    def figures(self) -> dict[str, Any]:
        return {
            "over_seeds": [dict(step) for step in self._steps if step["seeds"]],
            "candidates_per_seed": [
                {"candidates": k, "solved": self._sizes[k, True], "unsolved": self._sizes[k, False]}
                for k in sorted({k for k, _ in self._sizes})
            ],
            "coverage": self._coverage(),
            "unsolved": self._unsolved,
        }

    def _coverage(self) -> dict[str, Any]:
        rows: list[dict[str, Any]] = [
            {"topic": topic, "seeds": seeds, "cells": _cells(self._cells[topic])}
            for topic, seeds in self._topics.most_common()
        ]
        there = {bucket for row in rows for bucket in row["cells"]}
        buckets = [one for one in BUCKETS if one in there] + sorted(there - {*BUCKETS})
        return {"buckets": buckets, "topics": rows, "other_seeds": self._topics.others}


def _unsolved(group: Group) -> dict[str, Any]:
    """Return who a seed is, and what most of its candidates fell for."""
    why = Counter((one.stage, one.reason) for one in group.candidates).most_common(1)
    known = {"id": group.seed.id, "topic": group.seed.topic, "candidates": len(group.candidates)}
    return known | {"stage": why[0][0][0] if why else "", "reason": why[0][0][1] if why else ""}


def _cells(counts: Counter[tuple[str, str]]) -> dict[str, dict[str, int]]:
    """Return seeds and solved ones by bucket; without buckets under an empty one."""
    cells: dict[str, dict[str, int]] = {}
    for (bucket, state), number in counts.items():
        cell = cells.setdefault(bucket, {"seeds": 0, "solved": 0})
        cell["seeds"] += number
        cell["solved"] += number * (state == "solved")
    return cells
