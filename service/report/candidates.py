"""What a report says of candidates: verdicts, scores, lengths, what each way of asking yielded, what was cut off."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.report.seen import Seen
from service.report.stream import Reservoir, Spread, Tops
from stages.core.record import Candidate

_WAYS, _SCORES, _BENCHMARKS = 500, 60, 50
_SHOWN, _BINS = 5, 24

Way = tuple[str, Any, float | None]
"""Model, number of the template, temperature to one digit."""


class Candidates:
    """Counts candidates. `seed`: of the samples that scores and lengths are drawn from."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._verdicts: Counter[tuple[str, bool | None]] = Counter()
        self._ways: dict[Way, dict[str, int]] = {}
        self._other_ways = _nothing()
        self._scores: dict[str, tuple[Spread, Spread]] = {}
        self._lengths: defaultdict[str, Spread] = defaultdict(lambda: Spread(seed))
        self._contaminated: defaultdict[str, Tops[str]] = defaultdict(lambda: Tops(_BENCHMARKS))
        self._examples = Reservoir[dict[str, str]](seed, _SHOWN)

    def see(self, seen: Seen) -> None:
        for candidate, right in zip(seen.group.candidates, seen.right, strict=True):
            accepted = candidate.state == "accepted"
            way = self._way(candidate)
            way["made"] += 1
            way["accepted"] += accepted
            way["known"] += right is not None
            way["right"] += right is True
            way["truncated"] += candidate.finish_reason == "length"
            if candidate.state in ("accepted", "rejected"):
                self._lengths[candidate.state].add(len(candidate.text))
            for name, score in candidate.scores.items():
                self._score(name, accepted, score)
            for name, verdict in candidate.verdicts.items():
                self._verdicts[name, verdict.passed] += 1
                for axis, mark in verdict.data.get("axes", {}).items():
                    self._score(f"{name}: {axis}", accepted, mark)
            if candidate.reason == "contaminated":
                self._overlap(seen.group.candidate_id(candidate), candidate)

    def _way(self, candidate: Candidate) -> dict[str, int]:
        lineage, temperature = candidate.lineage, candidate.lineage.get("temperature")
        way = (
            lineage.get("model", candidate.origin),
            lineage.get("prompt"),
            None if temperature is None else round(temperature, 1),
        )
        if (counts := self._ways.get(way)) is None:
            if len(self._ways) == _WAYS:
                return self._other_ways
            counts = self._ways[way] = _nothing()
        return counts

    def _score(self, name: str, accepted: bool, score: float) -> None:
        """Take in a score among those of the others or of the accepted."""
        if (spreads := self._scores.get(name)) is None:
            if len(self._scores) == _SCORES:
                return
            spreads = self._scores[name] = (Spread(self._seed), Spread(self._seed))
        spreads[accepted].add(score)

    def _overlap(self, id_: str, candidate: Candidate) -> None:
        verdict = candidate.verdicts.get(candidate.stage)
        place = str(verdict.data.get("benchmark", "")) if verdict is not None else ""
        self._contaminated[candidate.stage].count(place.rpartition(":")[0] or place)
        self._examples.add({"id": id_, "detail": candidate.detail})

    def figures(self) -> dict[str, Any]:
        return {
            "verdicts": self._verdict_rows(),
            "scores": [
                {"name": name, **_histogram({"accepted": accepted, "others": others})}
                for name, (others, accepted) in self._scores.items()
            ],
            "lengths": _histogram({state: self._lengths[state] for state in ("accepted", "rejected")}),
            "yield": [
                {"model": way[0], "prompt": way[1], "temperature": way[2], **counts}
                for way, counts in sorted(self._ways.items(), key=lambda item: -item[1]["accepted"] / item[1]["made"])
            ],
            "other_yield": self._other_ways,
            "contamination": {
                "stages": {stage: dict(tops.most_common()) for stage, tops in self._contaminated.items()},
                "examples": self._examples.items,
            },
        }

    def _verdict_rows(self) -> list[dict[str, Any]]:
        return [
            {
                "stage": name,
                "passed": self._verdicts[name, True],
                "against": self._verdicts[name, False],
                "unreadable": self._verdicts[name, None],
            }
            for name in dict.fromkeys(name for name, _ in self._verdicts)
        ]


def _nothing() -> dict[str, int]:
    return dict.fromkeys(("made", "accepted", "known", "right", "truncated"), 0)


def _histogram(of: dict[str, Spread]) -> dict[str, Any]:
    """Return figures of each, and, of a sample, the share in each bin, the bins being those of all together."""
    values = {name: spread.values for name, spread in of.items()}
    together = np.concatenate(list(values.values()))
    edges = _edges(together) if together.size else []
    return {
        **{name: spread.figures() for name, spread in of.items()},
        "edges": [round(edge, 4) for edge in edges],
        "shares": {
            name: [round(float(count) / one.size, 4) for count in np.histogram(one, edges)[0]]
            for name, one in values.items()
            if one.size
        },
    }


def _edges(values: NDArray[np.float64]) -> list[float]:
    """Return the edges of bins from the least to all but the largest hundredth, whose tail would squeeze the others."""
    low, high = float(values.min()), float(np.quantile(values, 0.99))
    if high <= low:
        high = low + 1
    edges: list[float] = np.linspace(low, high, _BINS + 1).tolist()
    return edges
