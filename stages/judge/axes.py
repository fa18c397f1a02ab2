"""What a candidate is judged by: principles of a constitution, axes of the pipeline's own, or a seed's checklist."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from statistics import fmean
from typing import Any, NamedTuple

from config.schema import Judge
from stages.core.chance import draw, some
from stages.core.errors import CandidateError
from stages.core.record import Seed
from stages.judge.constitution import Constitution, Principle


class Axis(NamedTuple):
    """One thing to judge: its id, its weight beside the others, and all that prompts see of it."""

    id: str
    weight: float
    shown: dict[str, Any]


def principles_of(
    constitution: Constitution | None, count: int | None, run_seed: int, stage: str, seed: Seed
) -> list[Principle]:
    """Return the principles that a stage uses for a seed, in their order: all of them, or `count` drawn at random."""
    principles = () if constitution is None else constitution.principles
    return some(principles, count, lambda one: draw(run_seed, stage, "principle", seed.id, one.id))


def axes_of(config: Judge, constitution: Constitution | None, run_seed: int, seed: Seed) -> list[Axis]:
    """Return what a judge stage looks at for a seed. Raises CandidateError where the seed's checklist is none."""
    if config.rubric is not None:
        return _checklist(seed.row.get(config.rubric), config.rubric)
    if config.axes:
        return [_axis(name, text) for name, text in config.axes.items()]
    return [_of_principle(one) for one in principles_of(constitution, config.principles, run_seed, config.name, seed)]


def means(marks: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Return the mean mark by axis."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for axis, mark in marks:
        found[axis].append(mark)
    return {axis: fmean(marks) for axis, marks in found.items()}


def _of_principle(principle: Principle) -> Axis:
    shown = principle.model_dump() | {"eliminations": principle.eliminations}
    return Axis(principle.id, principle.weight, shown | {"question": " ".join(principle.axis) or principle.text})


def _axis(name: str, question: str, weight: float = 1.0) -> Axis:
    return Axis(name, weight, {"id": name, "question": question, "weight": weight})


def _checklist(value: object, column: str) -> list[Axis]:
    """Read a seed's checklist: lines of a text, or a list of texts or of objects with `text` and perhaps `weight`."""
    lines = [line.lstrip("-*• \t") for line in value.splitlines()] if isinstance(value, str) else value
    axes: list[Axis] = []
    for item in lines if isinstance(lines, list) else ():
        entry = item if isinstance(item, dict) else {"text": item}
        text, weight = entry.get("text"), entry.get("weight", 1)
        if isinstance(text, str) and text.strip() and isinstance(weight, int | float) and weight > 0:
            axes.append(_axis(str(len(axes) + 1), text.strip(), float(weight)))
        elif text != "":
            axes.clear()
            break
    if not axes:
        raise CandidateError("no_checklist", f"the column {column} holds no list of criteria but {value!r:.100}")
    return axes
