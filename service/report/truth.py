"""What is right, as far as a run knows: by a gold file, else by its first check against known answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from config.schema import Pipeline
from config.sieving import RIGHT_OR_WRONG
from service.audit.gold import FILE, Gold
from stages.core.record import Candidate, Group


class Truth:
    """Tells whether candidates are right. `source`: the file or the stage that says so; empty where nothing does.

    Of a text that was rewritten after the check nothing is known: the check saw another one.
    """

    def __init__(self, pipeline: Pipeline, folder: Path) -> None:
        file = folder / FILE
        self._gold = Gold.load(file) if file.exists() else None
        names = [stage.name for stage in pipeline.stages]
        self._check = next(
            (one.name for one in pipeline.stages if one.type == "verify" and one.check in RIGHT_OR_WRONG), ""
        )
        self._later: Sequence[str] = names[names.index(self._check) + 1 :] if self._check else ()
        self.source = FILE if self._gold is not None else self._check

    def of(self, group: Group, candidate: Candidate) -> bool | None:
        """Return whether a candidate is right; None where that is not known."""
        if self._gold is not None:
            return self._gold.truth(group, candidate)
        verdict = candidate.verdicts.get(self._check)
        if verdict is None or self._rewritten(candidate):
            return None
        return verdict.passed

    def _rewritten(self, candidate: Candidate) -> bool:
        if "transforms" not in candidate.lineage:
            return False
        verdicts = candidate.verdicts
        return any("before" in verdicts[name].data for name in self._later if name in verdicts)
