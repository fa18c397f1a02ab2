"""How many tokens a request may take, before anybody has counted them.

There is no tokenizer: the ratio of a request's bytes to its prompt tokens is learned from the usage in the replies.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stages.llm.protocol import Usage


class TokenEstimate:
    """What is learned about one endpoint's tokens."""

    LEARN = 0.05
    """The weight of a new reply: about the last twenty decide."""

    def __init__(self) -> None:
        self.bytes_per_token = 4.0
        self._longest = 512

    def of(self, body: Mapping[str, Any], extra: Mapping[str, Any], size: int) -> int:
        """Return the tokens to reserve for a request of `size` bytes: its prompt's estimate and all it may generate.

        A request without a limit of its own is taken to need what the longest reply so far took.
        """
        merged = {**body, **extra}
        most = merged.get("max_completion_tokens") or merged.get("max_tokens") or self._longest
        return int(size / self.bytes_per_token + most * (merged.get("n") or 1)) + 1

    def learn(self, size: int, usage: Usage) -> None:
        """Correct the ratio by what a request of `size` bytes really took."""
        if usage.prompt_tokens:
            self.bytes_per_token += self.LEARN * (size / usage.prompt_tokens - self.bytes_per_token)
        self._longest = max(self._longest, usage.completion_tokens)
