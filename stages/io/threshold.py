"""A threshold moved after the run: who goes on when a stage asks for another value than it did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from stages.core.errors import InputError
from stages.core.record import Candidate
from stages.io.store import Stored


@dataclass(slots=True)
class Threshold:
    """`STAGE.FIELD=X`: of the candidates that a stage judged, those with X and above pass it, the others do not.

    So those that the stage rejected may come back, and accepted ones may go. `counts` tells how many are `known` to
    the stage, came `back`, are `gone`, `fell_before` (rejected or failed without a value of this stage), and were
    `unjudged` (accepted without one: left out, as where an expression cannot be told).
    """

    stage: str
    name: str
    least: float
    counts: Counter[str] = field(default_factory=Counter)

    @classmethod
    def parse(cls, text: str, stages: Sequence[str]) -> Threshold:
        """Read the form on the command line. Raises InputError; `stages` are the names there are."""
        place, _, least = text.rpartition("=")
        named = [stage for stage in stages if place.startswith(f"{stage}.")]
        try:
            stage = max(named, key=len)
            return cls(stage, place.removeprefix(f"{stage}."), float(least))
        except ValueError:
            form = "write STAGE.FIELD=NUMBER, such as judge.score=0.7"
            raise InputError(f"--threshold {text}: {form}; the stages are: {', '.join(stages)}") from None

    def fresh(self) -> Threshold:
        """Return one that moves the same and has counted nothing."""
        return Threshold(self.stage, self.name, self.least)

    def see(self, stored: Stored) -> None:
        """Move the candidates of a group that was read from a ledger."""
        for candidate in stored.group.candidates:
            value = self._value(candidate)
            passes = value is not None and value >= self.least
            if value is not None:
                self.counts["known"] += 1
                candidate.verdicts[self.stage].passed = passes
            if passes and candidate.state == "rejected" and candidate.stage == self.stage:
                self.counts["back"] += 1
                candidate.state, candidate.stage, candidate.reason, candidate.detail = "accepted", "", "", ""
            elif candidate.state == "accepted" and not passes:
                self.counts["unjudged" if value is None else "gone"] += 1
                candidate.state, candidate.stage, candidate.reason = "rejected", self.stage, "below_threshold"
            elif value is None and candidate.state != "live":
                self.counts["fell_before"] += 1

    def end(self) -> None:
        """Raise InputError where no verdict of all that were looked at has the number."""
        if not self.counts["known"]:
            raise InputError(f"--threshold: no verdict of {self.stage} in this run has a number {self.name}")

    def _value(self, candidate: Candidate) -> float | None:
        """Return the number that the stage's verdict has under the name, through dots; yes is 1 and no is 0."""
        verdict = candidate.verdicts.get(self.stage)
        value: Any = None if verdict is None else verdict.as_dict()
        for key in self.name.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        return float(value) if isinstance(value, (int, float)) else None
