"""Single answers with labels: TRL's unpaired preference (KTO), and its stepwise supervision (process rewards)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from stages.core.record import Candidate, Group
from stages.core.task import conversation
from stages.io.exports.format import Format, Made
from stages.io.exports.pairs import BY_COMPARISON, not_passed, reason_of, same_answer

STEPS = "steps"
"""The name under which a stage's verdict, or a plugin's fields, hold a label per step."""


class Kto(Format):
    """A row per candidate that is known to be good or bad: `prompt`, `completion`, `label`.

    False: it did not pass a stage that tells good from bad, be it rejected or only marked. True: any other accepted
    one. Never both for one answer to a seed: what says the same as an accepted one is left out. Not balanced.
    """

    def rows(self, group: Group) -> Iterator[Made]:
        stages = self._output.pairs.rejected
        labels = {c.n: label for c in group.candidates if (label := quality(c, stages)) is not None}
        good = [c for c in group.candidates if labels.get(c.n)]
        for candidate in group.candidates:
            label = labels.get(candidate.n)
            if label is None or (not label and any(same_answer(candidate, one) for one in good)):
                continue
            if self._lets_in(group, candidate):
                row = {
                    "prompt": self._prompt(group, candidate),
                    "completion": [self._turns.answer(candidate)],
                    "label": label,
                    **self._more(group),
                }
                yield Made(row, candidate)


def quality(candidate: Candidate, stages: Sequence[str] = ()) -> bool | None:
    """Return whether a candidate is good, by these stages or by any; None where nobody says so."""
    stage = not_passed(candidate, stages)
    if stage is None:
        return True if candidate.state == "accepted" else None
    return None if reason_of(candidate, stage) in BY_COMPARISON else False


class Prm(Format):
    """A row per candidate whose steps have known labels: `prompt` a text, `completions` its steps, `labels`.

    The labels are those that a stage gave, one for each step. Without them, all are true for an accepted answer that no
    stage found fault with; of a wrong one nobody knows which step is, so it makes no row unless it has only one.
    """

    def rows(self, group: Group) -> Iterator[Made]:
        for candidate in group.candidates:
            steps = steps_of(candidate.text)
            labels = step_labels(candidate, len(steps))
            if labels and self._lets_in(group, candidate):
                prompt = conversation(self._prompt(group, candidate))
                yield Made({"prompt": prompt, "completions": steps, "labels": labels, **self._more(group)}, candidate)


_NUMBERED = re.compile(r"^\s*(?:step\s+)?\d+[.):]\s", re.IGNORECASE | re.MULTILINE)


def steps_of(text: str) -> list[str]:
    """Return the steps of an answer: its numbered items, else its paragraphs, else its lines.

    What stands before the first number goes with the first step.
    """
    starts = [match.start() for match in _NUMBERED.finditer(text)]
    if len(starts) > 1:
        ends = [*starts[1:], len(text)]
        pieces = [text[begin:end] for begin, end in zip([0, *starts[1:]], ends, strict=True)]
    else:
        paragraphs = re.split(r"\n\s*\n", text)
        pieces = paragraphs if len(paragraphs) > 1 else text.splitlines()
    return [piece.strip() for piece in pieces if piece.strip()]


def step_labels(candidate: Candidate, count: int) -> list[bool] | None:
    """Return a label for each of so many steps; None where they are not known."""
    if candidate.state not in ("accepted", "rejected") or not count:
        return None
    told = [verdict.data.get(STEPS) for verdict in reversed(candidate.verdicts.values())]
    for labels in (*told, candidate.fields.get(STEPS)):
        if isinstance(labels, list) and len(labels) == count and all(isinstance(one, bool) for one in labels):
            return labels
    good = quality(candidate)
    if good:
        return [True] * count
    return [False] if good is False and count == 1 else None
