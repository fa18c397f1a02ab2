"""A judge whose errors are known because they were made, and its audit. Numpy alone; seeded."""

from __future__ import annotations

from typing import Any

import numpy as np
from stored_groups import group

from config.schema import Judge
from stages.core.record import Candidate, Group, Verdict
from stages.judge.audit import JudgeAudit

SENSITIVITY, SPECIFICITY, BIAS, GOOD = 0.85, 0.70, 0.15, 0.4
JUDGED, LABELLED, SLICED = 1_500, 200, 150
TRUTH = {"sensitivity": SENSITIVITY, "specificity": SPECIFICITY, "flips": BIAS, "yield": GOOD}


def judge(**keys: Any) -> Judge:
    return Judge.model_validate({"type": "judge", "endpoint": "main", **keys})


def by_label(_: Group, candidate: Candidate) -> bool | None:
    label: bool | None = candidate.fields.get("good")
    return label


def said(passed: bool, score: float | None = None, text: str = "x", good: bool | None = None, **data: Any) -> Candidate:
    verdict = Verdict(passed, float(passed) if score is None else score, data=data)
    return Candidate(0, text, verdicts={"judge": verdict}, fields={} if good is None else {"good": good})


def audited(*candidates: Candidate, sees: Any = "all", canaries: Any = (), **keys: Any) -> dict[str, Any]:
    audit = JudgeAudit(judge(**keys), by_label, sees)
    for no, candidate in enumerate(candidates):
        audit.see(group(no, candidate))
    return audit.figures(canaries)


def simulated(seed: int) -> dict[str, Any]:
    """Audit a judge that goes by what stands first in 15 % of the cases, the order of options being drawn for each.

    In the other cases it errs just so often that 85 % of the good pass in all, and 70 % of the bad do not.
    """
    draw = np.random.default_rng(seed)
    good = draw.random(JUDGED) < GOOD
    first = draw.random(JUDGED) < 0.5
    skilled = [(rate - BIAS / 2) / (1 - BIAS) for rate in (SENSITIVITY, SPECIFICITY)]
    by_skill = draw.random(JUDGED) < np.where(good, skilled[0], 1 - skilled[1])
    by_place = draw.random(JUDGED) < BIAS
    passed, turned = np.where(by_place, first, by_skill).tolist(), np.where(by_place, ~first, by_skill).tolist()
    labelled, sliced = (set(draw.permutation(JUDGED)[:size].tolist()) for size in (LABELLED, SLICED))
    return audited(
        *(
            said(
                passed[at],
                good=bool(good[at]) if at in labelled else None,
                **({"reversed": {"passed": turned[at], "score": None}} if at in sliced else {}),
            )
            for at in range(JUDGED)
        )
    )
