"""What a run has done so far, counted once from its events: what the display shows and what Prometheus scrapes.

Plain numbers and no clock. What earlier processes of the same run did comes from the manifest they left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import chain
from typing import Any

from stages.core.events import (
    CallFinished,
    CallRetried,
    CallStarted,
    CandidatesMade,
    Collapsing,
    Event,
    GroupSettled,
    GroupStarted,
    InBatches,
    VerdictGiven,
)
from stages.io.manifest import SEED_STATES

SUMS = {"made": ("generated", "derived", "given"), "seen": ("passed", "rejected", "failed", "marked")}


class Counts(dict[tuple[str, ...], float]):
    """An observer that counts by name and labels, as `catalogue.py` lists them."""

    def __missing__(self, key: tuple[str, ...]) -> float:
        return 0

    def __call__(self, event: Event) -> None:
        match event:
            case CallStarted():
                self["calls_in_flight", event.endpoint] += 1
            case CallFinished():
                self._call_finished(event)
            case CallRetried():
                self["retries", event.endpoint, event.cause] += 1
                self["backoff_seconds", event.endpoint] += event.delay_s
            case InBatches():
                self["in_batches", event.endpoint] += event.change
            case CandidatesMade():
                self["candidates", event.stage, event.origin] += event.total
            case VerdictGiven():
                self._verdict_given(event)
            case GroupStarted():
                self["groups_in_flight",] += 1
            case GroupSettled():
                self["groups_in_flight",] -= 1
                self["seeds", event.outcome] += 1
                self["accepted",] += 0 if event.outcome in ("parked", "waiting") else event.accepted
            case Collapsing() if event.what != "effect":
                self._collapsing(event)

    def _verdict_given(self, event: VerdictGiven) -> None:
        self["candidates", event.stage, event.outcome] += 1
        if event.outcome == "rejected":
            self["rejections", event.stage, event.reason] += 1
        elif event.outcome == "failed":
            self["failures", event.stage, event.reason] += 1

    def _collapsing(self, event: Collapsing) -> None:
        alarm = event.what == "alarm"
        self["collapse_alarms", event.stage] += alarm
        if event.step:
            self["collapse_steps", event.stage, event.step, "taken" if alarm else "undone"] += 1

    def _call_finished(self, event: CallFinished) -> None:
        endpoint, stage, outcome, _, _, prompt, completion, reasoning, cached, cost_usd, truncated, _ = event
        self["calls_in_flight", endpoint] -= 1
        self["calls", endpoint, stage, outcome] += 1
        if outcome == "refused":
            self["rate_limited", endpoint] += 1
        if outcome == "ok":
            self["tokens", endpoint, "prompt"] += prompt
            self["tokens", endpoint, "completion"] += completion
            self["tokens", endpoint, "reasoning"] += reasoning
            self["tokens", endpoint, "cached"] += cached
            self["truncated", endpoint, stage] += truncated
            if cost_usd is None:
                self["unpriced_calls", endpoint, stage] += 1
            else:
                self["cost_usd", endpoint, stage] += cost_usd


class Tally:
    """The counts of a whole run: `counts` of this process, and those in `before`, the manifest when it began.

    `seeds` are those within `--limit`; `parked` those that waited in the ledger, by the phase they waited for. `phase`
    is the one that runs, `phase_seeds` those it has to take through in this process, and `phase_left` those it has.
    """

    def __init__(
        self,
        counts: Counts,
        seeds: int,
        before: Mapping[str, Any] | None = None,
        parked: Mapping[int, int] | None = None,
    ) -> None:
        self.seeds, self.counts = seeds, counts
        self._before = Counts() if before is None else _counted(before)
        self._parked = Counter(parked)
        self.phase = self.phase_left = 0
        done = int(self.total("seeds"))
        self.phase_seeds = seeds - done - self._parked.total() + self._parked[0]  # who waits in the first is in it

    def __call__(self, event: Event) -> None:
        """Follow the phases."""
        match event:
            case GroupStarted() if event.phase > self.phase:
                self.phase, self.phase_seeds, self.phase_left = event.phase, self._parked[event.phase], 0
            case GroupSettled() if event.outcome != "waiting":
                self.phase_left += 1
                self._parked[self.phase + 1] += event.outcome == "parked"

    def total(self, name: str, *last: str) -> float:
        """Return a count over all labels, or over those whose last is one of `last`."""
        counted = chain(self._before.items(), self.counts.items())
        return sum(count for key, count in counted if key[0] == name and (not last or key[-1] in last))

    def found(self, stage: str, what: str) -> float:
        """Return the candidates that a stage `made` or has `seen` in this process, or that had one outcome there."""
        return sum(self.counts["candidates", stage, outcome] for outcome in SUMS.get(what, (what,)))


def _counted(manifest: Mapping[str, Any]) -> Counts:
    """Return what a manifest counts, by the same names."""
    candidates, seeds = manifest["counts"]["candidates"], manifest["counts"]["seeds"]
    counts = Counts({("seeds", state): seeds[state] for state in SEED_STATES})
    counts["accepted",] = candidates["accepted"]
    counts["candidates", "rejected"] = sum(candidates["rejected"].values())
    counts["candidates", "failed"] = candidates["failed"]
    counts["calls", "ok"], counts["unpriced_calls",] = manifest["calls"]["calls"], manifest["calls"]["unpriced"]
    counts["tokens", "prompt"] = manifest["tokens"]["prompt"]
    counts["tokens", "completion"] = manifest["tokens"]["completion"]
    counts["cost_usd",] = manifest["cost_usd"] or 0.0
    return counts
