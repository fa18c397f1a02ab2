"""What a run has done so far, counted from its events: what the display and the log lines are made of.

Plain numbers and no clock. What earlier processes of the same run did comes from the manifest they left.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from stages.core.events import (
    CallFinished,
    CallReplayed,
    CallStarted,
    CandidatesMade,
    Event,
    GroupSettled,
    GroupStarted,
    VerdictGiven,
)


@dataclass(slots=True)
class StageTally:
    """Candidates that a stage made, and what it found about those it looked at."""

    made: int = 0
    passed: int = 0
    rejected: int = 0
    failed: int = 0
    marked: int = 0

    @property
    def seen(self) -> int:
        return self.passed + self.rejected + self.failed + self.marked


@dataclass(slots=True)
class PhaseTally:
    """The phase that runs: its number, the seeds it has to take through in this process, and those it has."""

    number: int
    seeds: int
    left: int = 0


class Tally:
    """An observer that counts.

    `seeds` are those within `--limit`; `before` is the manifest that stood when the process began, and `parked` the
    seeds that then waited in the ledger, by the phase they waited for.
    """

    def __init__(
        self,
        stages: Iterable[str],
        seeds: int,
        before: Mapping[str, Any] | None = None,
        parked: Mapping[int, int] | None = None,
    ) -> None:
        self.stages = defaultdict(StageTally, {name: StageTally() for name in stages})
        self.seeds = seeds
        self.in_flight = self.sent = self.served = self.refused = self.replayed = 0
        self.tokens = self.unpriced = self.accepted = self.rejected = self.failed = self.solved = self.done = 0
        self.usd = 0.0
        self._parked = Counter(parked)
        if before is not None:
            self._continue(before)
        self.phase = PhaseTally(0, seeds - self.done - self._parked.total())
        self._handlers: dict[type, Callable[[Any], None]] = {
            CallStarted: self._call_started,
            CallFinished: self._call_finished,
            CallReplayed: self._call_replayed,
            CandidatesMade: self._candidates_made,
            VerdictGiven: self._verdict_given,
            GroupStarted: self._group_started,
            GroupSettled: self._group_settled,
        }

    def __call__(self, event: Event) -> None:
        handler = self._handlers.get(type(event))
        if handler is not None:
            handler(event)

    def _continue(self, manifest: Mapping[str, Any]) -> None:
        candidates, seeds = manifest["counts"]["candidates"], manifest["counts"]["seeds"]
        self.accepted, self.failed = candidates["accepted"], candidates["failed"]
        self.rejected = sum(candidates["rejected"].values())
        self.solved = seeds["solved"]
        self.done = sum(seeds[state] for state in ("solved", "unsolved", "failed", "expanded"))
        self.served, self.unpriced = manifest["calls"]["calls"], manifest["calls"]["unpriced"]
        self.tokens = manifest["tokens"]["prompt"] + manifest["tokens"]["completion"]
        self.usd = manifest["cost_usd"] or 0.0

    def _call_started(self, _: CallStarted) -> None:
        self.in_flight += 1
        self.sent += 1

    def _call_finished(self, event: CallFinished) -> None:
        self.in_flight -= 1
        if event.outcome == "refused":
            self.refused += 1
        elif event.outcome == "ok":
            self.served += 1
            self.tokens += event.prompt_tokens + event.completion_tokens
            if event.cost_usd is None:
                self.unpriced += 1
            else:
                self.usd += event.cost_usd

    def _call_replayed(self, _: CallReplayed) -> None:
        self.replayed += 1

    def _candidates_made(self, event: CandidatesMade) -> None:
        self.stages[event.stage].made += event.count

    def _verdict_given(self, event: VerdictGiven) -> None:
        stage = self.stages[event.stage]
        match event.outcome:
            case "passed":
                stage.passed += 1
            case "marked":
                stage.marked += 1
            case "rejected":
                stage.rejected += 1
                self.rejected += 1
            case "failed":
                stage.failed += 1
                self.failed += 1

    def _group_started(self, event: GroupStarted) -> None:
        if event.phase > self.phase.number:
            self.phase = PhaseTally(event.phase, self._parked[event.phase])

    def _group_settled(self, event: GroupSettled) -> None:
        self.phase.left += 1
        if event.outcome == "parked":
            self._parked[self.phase.number + 1] += 1
            return
        self.done += 1
        self.solved += event.outcome == "solved"
        self.accepted += event.accepted
