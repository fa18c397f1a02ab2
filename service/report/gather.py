"""All that a report counts group by group, in one pass over the ledger."""

from __future__ import annotations

from pathlib import Path

from config.schema import Pipeline
from queues.ledger import Reader
from service.report.ablation import Ablation
from service.report.candidates import Candidates
from service.report.passk import PassAtK
from service.report.samples import Samples
from service.report.seeds import Seeds
from service.report.seen import Seen
from service.report.truth import Truth
from stages.io.store import Stored


class Gathered:
    """The figures of a run, for a while in the making."""

    def __init__(self, pipeline: Pipeline, reader: Reader, folder: Path) -> None:
        self.truth = Truth(pipeline, folder)
        self.ablation, self.samples = Ablation(pipeline), Samples(pipeline.seed)
        self.seeds = Seeds(reader, sum(row.total for row in reader.seed_counts()))
        self.candidates, self.pass_at_k = Candidates(pipeline.seed), PassAtK(pipeline, self.truth)
        self._parts = (self.ablation, self.samples, self.seeds, self.candidates, self.pass_at_k)

    def see(self, stored: Stored) -> None:
        group = stored.group
        right = [self.truth.of(group, candidate) for candidate in group.candidates]
        accepted = sum(candidate.state == "accepted" for candidate in group.candidates)
        seen = Seen(group, stored.state, right, accepted)
        for part in self._parts:
            part.see(seen)
