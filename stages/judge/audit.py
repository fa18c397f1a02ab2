"""The audit of a judge: how far what it said in a run can be trusted. Counted group by group, in bounded memory.

Figures of a judge that passes and fails are about just that. One that only scores is taken as if its threshold were its
own median.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from itertools import combinations
from statistics import median
from typing import Any, Literal

from config.schema import Judge
from stages.core.estimates import Estimate, wilson
from stages.core.record import Candidate, Group, Verdict
from stages.judge.agreement import Errors, cohen_kappa, corrected_yield, krippendorff_alpha

Truth = Callable[[Group, Candidate], bool | None]
Sees = Literal["all", "right", "passed"]
"""Of what a judge saw, whose truth is known: of all alike, of right ones only, or only of those that it passed."""

MOST = 1_000
"""Verdicts of a panel that its agreement is measured on, the first ones: two seconds; of a hundred thousand, 36."""
HOPEFUL = 0.4
"""A kappa that, if the interval still reaches it, more labels might show."""


class JudgeAudit:
    """What one judge stage said. `sees`: whose truth `truth` knows."""

    def __init__(self, config: Judge, truth: Truth, sees: Sees = "all") -> None:
        self.config, self._truth, self._sees = config, truth, sees
        self._decides = config.mode == "eliminate" or config.threshold is not None
        self._marks: Counter[float | None] = Counter()
        self._gold: Counter[tuple[float, bool]] = Counter()
        self._again: Counter[tuple[float, float]] = Counter()
        self._longer: Counter[bool] = Counter()
        self._panel: list[dict[str, float]] = []

    def see(self, group: Group) -> None:
        """Take in what it said about a group's candidates."""
        marked = []
        for candidate in group.candidates:
            verdict = candidate.verdicts.get(self.config.name)
            if verdict is None:
                continue
            mark = self._mark(verdict.passed, verdict.score)
            self._marks[mark] += 1
            if mark is not None:
                marked.append((mark, len(candidate.text)))
                self._compare(mark, verdict, self._truth(group, candidate))
        if marked:
            (worst, short), (best, long) = min(marked), max(marked)
            if worst < best and short != long:
                self._longer[long > short] += 1

    def _compare(self, mark: float, verdict: Verdict, truth: bool | None) -> None:
        if truth is not None:
            self._gold[mark, truth] += 1
        if again := verdict.data.get("reversed"):
            turned = self._mark(**again)
            if turned is not None:
                self._again[mark, turned] += 1
        if len(self._panel) < MOST:
            votes = [vote for vote in verdict.data.get("votes", ()) if not vote.get("escalated")]
            said = {vote["judge"]: self._mark(vote["passed"], vote.get("score")) for vote in votes}
            self._panel.append({judge: mark for judge, mark in said.items() if mark is not None})

    def _mark(self, passed: bool | None, score: float | None) -> float | None:
        """Return what it made of a candidate: 1 or 0, or its score; None where that could not be read."""
        if passed is None or self._decides:
            return None if passed is None else float(passed)
        return None if score is None else round(score, 3)

    def figures(self, canaries: Iterable[dict[str, Any]]) -> dict[str, Any]:
        """Return everything that is known, plain data; intervals are of 95 %. What cannot be told is None."""
        marks = [mark for mark in self._marks.elements() if mark is not None]
        cut = 0.5 if self._decides or not marks else median(marks)
        gold = [(mark >= cut, truth) for mark, truth in self._gold.elements()]
        flips = sum((one >= cut) != (other >= cut) for one, other in self._again.elements())
        passing = sum(mark >= cut for mark in marks)
        shown = sorted((one["canary"], self._mark(one["passed"], one["score"])) for one in canaries)
        found = {
            "judged": len(marks),
            "unreadable": self._marks[None],
            "cut": None if self._decides else cut,
            "passed": _plain(wilson(passing, len(marks))),
            **_against(gold, self._sees, passing, len(marks)),
            "flips": _plain(wilson(flips, self._again.total())),
            "longer_wins": _plain(wilson(self._longer[True], self._longer.total())),
            "panel": self._agreement(cut),
            "canaries": {
                "shown": [name for name, mark in shown if mark is not None],
                "passed": [name for name, mark in shown if mark is not None and mark >= cut],
            },
        }
        return {"stage": self.config.name, "trust": trust(found), **found}

    def _agreement(self, cut: float) -> dict[str, Any] | None:
        judges = sorted({judge for votes in self._panel for judge in votes})
        if len(judges) < 2:
            return None
        rows = [[votes.get(judge) for votes in self._panel] for judge in judges]
        alpha = krippendorff_alpha(rows, "nominal" if self._decides else "interval")
        kappas = {}
        for (one, of_one), (other, of_other) in combinations(zip(judges, rows, strict=True), 2):
            rated = ((a, b) for a, b in zip(of_one, of_other, strict=True) if a is not None and b is not None)
            both = [(a >= cut, b >= cut) for a, b in rated]
            kappas[f"{one} {other}"] = _plain(cohen_kappa(both))
        return {"alpha": _plain(alpha), "kappa": kappas}


def _against(gold: Sequence[tuple[bool, bool]], sees: Sees, passing: int, judged: int) -> dict[str, Any]:
    """Return what the truth says about verdicts, as far as whom it is known of allows."""
    errors = Errors.count(gold)
    told = sees == "all" and errors.good > 0 and errors.bad > 0
    return {
        "gold": {"good": errors.good, "bad": errors.bad, "sees": sees},
        "sensitivity": _plain(errors.sensitivity) if sees != "passed" else None,
        "specificity": _plain(errors.specificity) if sees == "all" else None,
        "precision": _plain(wilson(errors.passed, errors.passed + errors.bad - errors.failed))
        if sees != "right"
        else None,
        "kappa": _plain(cohen_kappa(gold)) if told else None,
        "yield": _plain(corrected_yield(passing, judged, errors)) if told else None,
    }


def _plain(estimate: Estimate | None) -> dict[str, float] | None:
    return None if estimate is None else {name: round(value, 4) for name, value in asdict(estimate).items()}


def trust(found: dict[str, Any]) -> str:
    """Return in one sentence how far a judge can be trusted, the loudest first."""
    gold, kappa = found["gold"], found["kappa"]
    labels = gold["good"] + gold["bad"]
    if kappa is None:
        why = {
            "right": "it stands after the check by gold and saw only right answers",
            "passed": "the check by gold stands after it and saw only what it passed",
            "all": "no gold; `tamis label` makes some"
            if not labels
            else f"all {labels} of the gold are {'good' if gold['good'] else 'bad'}",
        }
        return f"unaudited: {why[gold['sees'] if labels else 'all']}"
    shown = f"kappa {kappa['value']:.2f}, 95 % {kappa['low']:.2f} to {kappa['high']:.2f}"
    if kappa["low"] > 0:
        return f"agrees with gold beyond chance ({shown})"
    if kappa["high"] >= HOPEFUL:
        return f"UNPROVEN: {labels} labels do not tell it from chance ({shown}); label more"
    return f"UNRELIABLE: agreement with gold no better than chance ({shown})"
