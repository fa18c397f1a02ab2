"""Which calls go wrong, and how: a function of the seed, the body and how often that body has arrived."""

from __future__ import annotations

from typing import Literal

import orjson

from service.simulator.draws import Draws
from service.simulator.options import FaultShares

Fault = Literal["refuse", "error", "reset", "hang", "malformed"]


class Faults:
    """Decides the fate of a call."""

    def __init__(self, seed: int, shares: FaultShares) -> None:
        self._seed, self._refuse = seed, shares.refuse
        self._others: tuple[tuple[Fault, float], ...] = (
            ("error", shares.error),
            ("reset", shares.reset),
            ("hang", shares.hang),
            ("malformed", shares.malformed),
        )

    def of(self, digest: str, arrival: int) -> Fault | None:
        """Return what goes wrong with the `arrival`-th (from 1) call of a body, or None."""
        draws = Draws(self._seed, "fault", digest, arrival)
        if arrival == 1 and draws.chance("refuse", self._refuse):
            return "refuse"
        return next((fault for fault, share in self._others if draws.chance(fault, share)), None)

    def malform(self, body: bytes, digest: str, arrival: int) -> bytes:
        """Break a good reply: cut off in the middle, without choices, or with none in the list."""
        draws = Draws(self._seed, "malform", digest, arrival)
        how = draws.pick("how", ("cut", "missing", "empty"))
        if how == "cut":
            return body[: len(body) // 2]
        reply = orjson.loads(body)
        if how == "missing":
            del reply["choices"]
        else:
            reply["choices"] = []
        return orjson.dumps(reply)
