"""How large an index is: kept below a limit, and told in the run's manifest."""

from __future__ import annotations

from stages.core.base import Decisions
from stages.core.errors import RunStopped

KIND = "index"
_MB = 1_000_000


class IndexSize:
    """The limit of one stage's index, and where its size is written down: a decision row `{documents, mb}`."""

    def __init__(self, stage: str, limit_mb: int, decisions: Decisions) -> None:
        self._stage, self._limit_mb, self._decisions = stage, limit_mb, decisions

    def check(self, nbytes: int) -> None:
        """Raise RunStopped where the index is larger than it may be."""
        if nbytes > self._limit_mb * _MB:
            raise RunStopped(
                f"the index of {self._stage} has reached memory_mb: {self._limit_mb:,}",
                "Raise memory_mb, or compare less: leave out `near` or `semantic`",
            )

    async def tell(self, documents: int, nbytes: int) -> None:
        await self._decisions.make(KIND, self._stage, {"documents": documents, "mb": round(nbytes / _MB, 1)})
