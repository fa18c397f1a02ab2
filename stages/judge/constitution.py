"""A constitution: the principles that a person wrote for judges, in plain words, read from a YAML file.

    principles:
      - id: shows-steps                                   # what verdicts and reports call it
        text: The answer shows the steps that lead to it.
        weight: 1                                         # beside the other principles, where scores are combined
        applies_if: the question asks for a calculation   # left out: always
        examples: ["'12.' alone breaks it: no step is shown."]
        eliminate: [The answer states a result and no step that leads to it.]

`critique`, `eliminate`, `compare`, `revise` and `axis` say the principle as a judge's question of that kind; a model
can draft them, a person reads and edits them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field, ValidationError, field_validator

from config import yamlfile
from config.base import Config, Name, OneOrMany, Positive, wrong
from config.problems import ConfigError, Places, Problem
from stages.core.errors import InputError

Words = OneOrMany[str]


class Principle(Config):
    """One thing that a good response does. Every list is a tuple after reading, empty where left out."""

    id: Name
    text: str = Field(min_length=1)
    weight: Positive = 1.0
    applies_if: str = ""
    examples: Words = ()
    critique: Words = ()
    eliminate: Words = ()
    compare: Words = ()
    revise: Words = ()
    axis: Words = ()

    @property
    def eliminations(self) -> tuple[str, ...]:
        """The criteria by which a response is eliminated: those written, or that the principle is broken."""
        return self.eliminate or (f'The response breaks this principle: "{self.text}"',)


class Constitution(Config):
    """Principles in the order of the file, their ids unique."""

    principles: tuple[Principle, ...]

    @field_validator("principles")
    @classmethod
    def _some(cls, principles: tuple[Principle, ...]) -> tuple[Principle, ...]:
        if not principles:  # `min_length` says so too where every principle is wrong, and hides what is wrong with each
            raise wrong("must not be empty")
        return principles


def load_constitution(path: str | Path) -> Constitution:
    """Read a constitution. Raises InputError with every mistake, each as `file:line: place: message`."""
    try:
        data, places, problems = yamlfile.read_file(Path(path))
    except ConfigError as error:
        raise InputError([str(problem) for problem in error.problems]) from None
    if not isinstance(data, dict):
        problems.append(places.problem((), "write a list of principles under the key `principles:`"))
        raise InputError([str(problem) for problem in problems])
    try:
        constitution = Constitution.model_validate(data)
        problems += _repeated(constitution, places)
    except ValidationError as error:
        problems += [places.problem(one["loc"], one["msg"]) for one in error.errors()]
    if problems:
        raise InputError([str(problem) for problem in sorted(problems, key=lambda problem: problem.line)])
    return constitution


def _repeated(constitution: Constitution, places: Places) -> Iterator[Problem]:
    ids = [principle.id for principle in constitution.principles]
    for index, name in enumerate(ids):
        if name in ids[:index]:
            yield places.problem(("principles", index, "id"), f'the id "{name}" is taken; ids are unique')
