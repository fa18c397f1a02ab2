"""A group as the parts of a report see it: what several of them need is found once."""

from __future__ import annotations

from dataclasses import dataclass

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
