"""pass@k: the chance that of k candidates of a seed one is right, by the unbiased estimator of arXiv 2107.03374.

It wants a number of candidates that does not depend on how they turn out. Of seeds that stop at their successes it
would see only hard ones at a large k; of them the share is told that is solved within the first k candidates.
"""

from __future__ import annotations

from collections import Counter
from math import comb, sqrt
from typing import Any

from config.schema import Pipeline
from service.report.seen import Seen
from service.report.truth import Truth
from stages.core.estimates import Z
from stages.core.record import Candidate
from stages.registry import ONE_AT_A_TIME


class PassAtK:
    """Counts seeds by (candidates, right ones). `right` is by gold; without it, to have passed the last single check.

    What was cut off or empty is wrong. What fell before the check could look at it is not known, and left out.
    """

    def __init__(self, pipeline: Pipeline, truth: Truth) -> None:
        single = [stage.name for stage in pipeline.stages if stage.type in ONE_AT_A_TIME]
        makers = [stage.name for stage in pipeline.stages if stage.type == "generate"]
        self._check = "" if truth.source or not single else single[-1]
        self._wrong = {*makers, *single} if self._check else set(makers)
        self._source = truth.source or self._check
        self._adaptive = any(stage.type == "generate" and stage.until is not None for stage in pipeline.stages)
        self._seeds: Counter[tuple[int, int]] = Counter()
        self._firsts: Counter[int] = Counter()
        self._unknown = 0

    def see(self, seen: Seen) -> None:
        if not self._source or seen.state == "expanded":
            return
        said = [
            self._right(candidate, right)
            for candidate, right in zip(seen.group.candidates, seen.right, strict=True)
            if candidate.origin != "derived"
        ]
        unknown = said.count(None)
        self._unknown += unknown
        if len(said) > unknown:
            self._seeds[len(said) - unknown, said.count(True)] += 1
            self._firsts[said.index(True) + 1 if True in said else 0] += 1

    def _right(self, candidate: Candidate, right: bool | None) -> bool | None:
        if self._check and (verdict := candidate.verdicts.get(self._check)) is not None:
            right = verdict.passed
        return False if right is None and candidate.state == "rejected" and candidate.stage in self._wrong else right

    def figures(self) -> dict[str, Any] | None:
        """Return the curve, its points over the seeds that have k candidates or more; None where nothing tells."""
        if not self._seeds:
            return None
        most = max(n for n, _ in self._seeds)
        return {
            "by": self._source,
            "adaptive": self._adaptive,
            "unknown": self._unknown,
            "points": [self._point(k) for k in sorted({k for k in _KS if k < most} | {most})],
        }

    def _point(self, k: int) -> dict[str, Any]:
        if self._adaptive:
            values = [(float(0 < first <= k), seeds) for first, seeds in self._firsts.items()]
        else:
            values = [(pass_at(n, right, k), seeds) for (n, right), seeds in self._seeds.items() if n >= k]
        total = sum(seeds for _, seeds in values)
        mean = sum(value * seeds for value, seeds in values) / total
        spread = sum((value - mean) ** 2 * seeds for value, seeds in values) / max(total - 1, 1)
        half = Z * sqrt(spread / total)
        return {
            "k": k,
            "seeds": total,
            "value": round(mean, 4),
            "low": round(max(0.0, mean - half), 4),
            "high": round(min(1.0, mean + half), 4),
        }


_KS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 512, 1024)


def pass_at(n: int, right: int, k: int) -> float:
    """Return 1 - C(n - right, k) / C(n, k), for k up to n."""
    return 1 - comb(n - right, k) / comb(n, k)
