"""Which part a seed's rows go into, such that what belongs together stands in one.

Together belong the seeds that came of one row of the source (or each seed for itself), and seeds that a dedupe called
twins. The part is a hash of these and of nothing else: the same in every run, at any concurrency, for every format.
Memory: 100 bytes or so for each twin and each seed that came of another one.
"""

from __future__ import annotations

from collections.abc import Iterator

from config.outputs import Split as SplitConfig
from stages.core.chance import draw, uniform
from stages.core.record import Group

TRAIN, VALIDATION = "train", "validation"


class Split:
    """Sees all groups, then tells the part of each."""

    def __init__(self, config: SplitConfig) -> None:
        self._share, self._by_root = config.validation, config.by == "root"
        self._leader: dict[int, int] = {}

    def see(self, group: Group) -> None:
        """Join what belongs together."""
        for one, other in self._bonds(group):
            low, high = sorted((self._find(one), self._find(other)))
            if low != high:
                self._leader[high] = low  # the lowest leads, whatever came first

    def part(self, group: Group) -> str | None:
        """Return the part of a group; None where it has bonds that were not seen, having come in between."""
        if any(self._find(one) != self._find(other) for one, other in self._bonds(group)):
            return None
        return VALIDATION if uniform(0, "part", self._find(_node(self._unit(group)))) < self._share else TRAIN

    def _unit(self, group: Group) -> str:
        return group.seed.root if self._by_root else group.seed.id

    def _bonds(self, group: Group) -> Iterator[tuple[int, int]]:
        """Yield what a group is bound to. A twin is named by its seed's id, or by its candidate's: `<seed>/<n>`."""
        unit = self._unit(group)
        names = {group.seed.id}
        for candidate in group.candidates:
            for verdict in candidate.verdicts.values():
                if (twin := verdict.data.get("twin")) is not None:
                    names |= {twin, twin.rpartition("/")[0] or twin}
        names.discard(unit)
        if names:
            node = _node(unit)
            yield from ((node, _node(name)) for name in sorted(names))

    def _find(self, node: int) -> int:
        """Return who leads what a node belongs to, and shorten the way there."""
        leader = self._leader
        top = node
        while (above := leader.get(top, top)) != top:
            top = above
        while node != top:
            node, leader[node] = leader[node], top
        return top


def _node(name: str) -> int:
    return draw(0, "node", name)
