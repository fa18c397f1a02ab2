"""What a run has done so far, counted from its events: what the display and the log lines are made of.

Plain numbers and no clock. What earlier processes of the same run did comes from the manifest they left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from stages.core.events import (
    CallFinished,
    CallStarted,
    CandidatesMade,
    Event,
    GroupSettled,
    GroupStarted,
    VerdictGiven,
)


class Tally:
    """An observer that counts.

    `seeds` are those within `--limit`; `before` is the manifest that stood when the process began, and `parked` the
    seeds that then waited in the ledger, by the phase they waited for. `found` counts by stage: candidates `made`,
    those `seen`, and of these what was `passed`, `rejected`, `failed` or `marked`. `phase` is the one that runs,
    `phase_seeds` those it has to take through in this process, and `phase_left` those it has.
    """

    def __init__(
        self, seeds: int, before: Mapping[str, Any] | None = None, parked: Mapping[int, int] | None = None
    ) -> None:
        self.seeds = seeds
        self.found: Counter[tuple[str, str]] = Counter()
        self.in_flight = self.served = self.refused = self.tokens = self.unpriced = 0
        self.accepted = self.rejected = self.failed = self.solved = self.done = 0
        self.usd = 0.0
        self._parked = Counter(parked)
        if before is not None:
            self._continue(before)
        self.phase = self.phase_left = 0
        self.phase_seeds = seeds - self.done - self._parked.total()

    def __call__(self, event: Event) -> None:
        match event:
            case CallStarted():
                self.in_flight += 1
            case CallFinished():
                self._call_finished(event)
            case CandidatesMade():
                self.found[event.stage, "made"] += event.total
            case VerdictGiven():
                self.found[event.stage, "seen"] += 1
                self.found[event.stage, event.outcome] += 1
                self.rejected += event.outcome == "rejected"
                self.failed += event.outcome == "failed"
            case GroupStarted() if event.phase > self.phase:
                self.phase, self.phase_seeds, self.phase_left = event.phase, self._parked[event.phase], 0
            case GroupSettled() if event.outcome != "waiting":
                self._group_settled(event)

    def _continue(self, manifest: Mapping[str, Any]) -> None:
        candidates, seeds = manifest["counts"]["candidates"], manifest["counts"]["seeds"]
        self.accepted, self.failed = candidates["accepted"], candidates["failed"]
        self.rejected = sum(candidates["rejected"].values())
        self.solved = seeds["solved"]
        self.done = sum(seeds[state] for state in ("solved", "unsolved", "failed", "expanded"))
        self.served, self.unpriced = manifest["calls"]["calls"], manifest["calls"]["unpriced"]
        self.tokens = manifest["tokens"]["prompt"] + manifest["tokens"]["completion"]
        self.usd = manifest["cost_usd"] or 0.0

    def _call_finished(self, event: CallFinished) -> None:
        self.in_flight -= 1
        self.refused += event.outcome == "refused"
        if event.outcome == "ok":
            self.served += 1
            self.tokens += event.prompt_tokens + event.completion_tokens
            self.unpriced += event.cost_usd is None
            self.usd += event.cost_usd or 0.0

    def _group_settled(self, event: GroupSettled) -> None:
        self.phase_left += 1
        if event.outcome == "parked":
            self._parked[self.phase + 1] += 1
        else:
            self.done += 1
            self.solved += event.outcome == "solved"
            self.accepted += event.accepted
