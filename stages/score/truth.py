"""Which stages of a pipeline tell whether a candidate solves its seed."""

from __future__ import annotations

from collections.abc import Sequence

from config.schema import Difficulty, Judge, Stage, Verify
from config.sieving import RIGHT_OR_WRONG


def tells_right(earlier: Sequence[Stage], config: Difficulty) -> list[Stage]:
    """Return the stages that count for a difficulty stage after these: `of`, else the last check of truth, else all.

    All are those that judge one candidate at a time; a judge that only scores passes everyone, and tells nothing.
    """
    if config.of is not None:
        return [stage for stage in earlier if stage.name == config.of]
    checks = [stage for stage in earlier if isinstance(stage, Verify) and stage.check in RIGHT_OR_WRONG]
    return [checks[-1]] if checks else [stage for stage in earlier if decides(stage)]


def decides(stage: Stage) -> bool:
    """Tell whether a stage lets single candidates pass or not."""
    if isinstance(stage, Judge):
        return stage.mode == "eliminate" or stage.threshold is not None
    return stage.type in ("verify", "cross_check")
