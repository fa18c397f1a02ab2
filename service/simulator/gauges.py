"""What the simulator says of its load at /metrics, by the names that vLLM uses for the same things."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

CONTENT_TYPE = "text/plain; version=0.0.4"
TEXTS = {
    "num_requests_running": "Requests that are worked on",
    "num_requests_waiting": "Requests that wait for a slot",
    "kv_cache_usage_perc": "Share of the tokens that all slots can hold, by what running requests may take; 1 is all",
}


class Load:
    """Requests on their way through a server, with the tokens that each may take.

    `capacity` is how many tokens fit in all slots; None: without a bound, and nothing is said of the cache.
    """

    def __init__(self, models: Sequence[str], capacity: int | None) -> None:
        self._models, self._capacity = models, capacity
        self._running = self._tokens = 0

    @contextmanager
    def running(self, tokens: int) -> Iterator[None]:
        """Count a request as one that has its slot, while the block lasts."""
        self._running += 1
        self._tokens += tokens
        try:
            yield
        finally:
            self._running -= 1
            self._tokens -= tokens

    def exposed(self, in_flight: int) -> str:
        """Return the figures in Prometheus's text format, under the first model's name: all share the slots."""
        figures: dict[str, float] = {
            "num_requests_running": self._running,
            "num_requests_waiting": max(0, in_flight - self._running),
        }
        if self._capacity:
            figures["kv_cache_usage_perc"] = min(1.0, self._tokens / self._capacity)
        lines = []
        for name, value in figures.items():
            lines += [f"# HELP vllm:{name} {TEXTS[name]}", f"# TYPE vllm:{name} gauge"]
            lines.append(f'vllm:{name}{{model_name="{self._models[0]}"}} {value:g}')
        return "\n".join(lines) + "\n"
