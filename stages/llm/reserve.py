"""How many tokens a request may take, before anybody has counted them.

There is no tokenizer: the ratio of a request's bytes to its prompt tokens is learned from the usage in the replies.
What a reply takes is reserved in full (`max_tokens`), or as 95 of 100 recent replies were seen to take (`p95`); where
it takes more, the gate's bucket is in debt when it comes, and what follows waits for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, Literal

from stages.llm.protocol import Usage


class TokenEstimate:
    """What is learned about one endpoint's tokens."""

    LEARN = 0.05
    """The weight of a new reply in the ratio: about the last twenty decide."""
    RECENT, EVERY = 400, 20
    """The quantile is that of so many replies, and looked up anew after so many; before the first time all counts."""

    def __init__(self, reserve: Literal["max_tokens", "p95"] = "max_tokens") -> None:
        self.bytes_per_token = 4.0
        self._longest = 512
        self._recent = deque[int](maxlen=self.RECENT) if reserve == "p95" else None
        self._learned = 0
        self._p95: int | None = None

    def of(self, body: Mapping[str, Any], extra: Mapping[str, Any], size: int) -> int:
        """Return the tokens to reserve for a request of `size` bytes: its prompt's estimate and what it may generate.

        A request without a limit of its own is taken to need what the longest reply so far took.
        """
        merged = {**body, **extra}
        most = merged.get("max_completion_tokens") or merged.get("max_tokens") or self._longest
        most *= merged.get("n") or 1
        return int(size / self.bytes_per_token + (most if self._p95 is None else min(most, self._p95))) + 1

    def learn(self, size: int, usage: Usage) -> None:
        """Correct the ratio by what a request of `size` bytes really took."""
        if usage.prompt_tokens:
            self.bytes_per_token += self.LEARN * (size / usage.prompt_tokens - self.bytes_per_token)
        self._longest = max(self._longest, usage.completion_tokens)
        if self._recent is not None and usage.completion_tokens:
            self._recent.append(usage.completion_tokens)
            self._learned += 1
            if self._learned % self.EVERY == 0:
                self._p95 = sorted(self._recent)[-1 - len(self._recent) // 20]
