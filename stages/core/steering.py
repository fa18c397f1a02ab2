"""How generation is steered away from repeating itself, and what a generate stage tells whoever steers it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Literal

from stages.core.record import Candidate, Group, Seed

Step = Literal["temperature", "prompt", "persona", "verbalized"]

WARMER = 0.2
"""What one step adds to every temperature."""


@dataclass(frozen=True, slots=True)
class Steering:
    """What has been changed about sampling; `number` counts from 0, where nothing has.

    `warmer` is added to every temperature, and the prompts are those so many places further. Each candidate speaks as
    one of the `personas`, where there are any. `verbalized`: several responses with probabilities are asked for, and
    one of them is taken (arXiv 2510.01171).
    """

    number: int = 0
    warmer: float = 0.0
    prompt: int = 0
    personas: Sequence[str] = ()
    verbalized: bool = False

    def after(self, step: Step, personas: Sequence[str]) -> Steering:
        """Return the next steering: this one and one thing more."""
        following = replace(self, number=self.number + 1)
        match step:
            case "temperature":
                return replace(following, warmer=round(self.warmer + WARMER, 3))
            case "prompt":
                return replace(following, prompt=self.prompt + 1)
            case "persona":
                return replace(following, personas=personas)
            case "verbalized":
                return replace(following, verbalized=True)


class Monitor:
    """Hears what a generate stage makes and says how to go on. This one never says anything."""

    one_prompt = False
    """Whether the stage's prompts are used one after another, each until the next is called for, and not in turn."""

    def __init__(self) -> None:
        self.steerings: list[Steering] = [Steering()]
        """All there were, the one in force last."""
        self.room: AbstractAsyncContextManager[object] = nullcontext()
        """Requests are drafted and made inside it: what is drafted early does not hear of a new steering."""

    async def start(self) -> None:
        """Take up what earlier processes decided."""

    async def saw(self, group: Group, candidate: Candidate, steering: Steering) -> None:
        """Take an output in, whether it stays or fell at once, with the steering it was made under."""

    def became(self, group: Group, candidate: Candidate, seed: Seed) -> None:
        """Be told that an output became a seed of its own."""

    def left(self, group: Group) -> None:
        """Be told that a group is done, or done with a phase."""
