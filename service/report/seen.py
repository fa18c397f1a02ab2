"""A group as the parts of a report see it: what several of them need is found once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from stages.core.record import Group


@dataclass(frozen=True, slots=True)
class Seen:
    """A group with its `state` (solved, unsolved, failed, expanded, parked) and, per candidate, what is known as right.

    `bucket`: how hard a stage found the seed to be; empty where none did.
    """

    group: Group
    state: str
    right: list[bool | None]
    accepted: int

    @property
    def bucket(self) -> str:
        return next((str(one.fields["difficulty"]) for one in self.group.candidates if "difficulty" in one.fields), "")


class Part(Protocol):
    """One section's figures, counted group by group in memory that does not grow with the run."""

    def see(self, seen: Seen) -> None: ...
