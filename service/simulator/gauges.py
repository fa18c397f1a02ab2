"""What the simulator says of its load at /metrics, by the names that vLLM uses for the same things."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from service.simulator.options import Options

CONTENT_TYPE = "text/plain; version=0.0.4"
TEXTS = {
    "num_requests_running": "Requests that are worked on",
    "num_requests_waiting": "Requests that wait for a slot",
    "kv_cache_usage_perc": "Share of the tokens that all slots can hold, by what running requests may take; 1 is all",
}


class Load:
    """Requests on their way through a server, with the tokens that each may take.

    Without a bound on the tokens that fit in all slots nothing is said of the cache.
    """

    def __init__(self, options: Options) -> None:
        self._model = options.models[0]
        self._capacity = (options.slots or 0) * (options.context or 0)
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
            lines.append(f'vllm:{name}{{model_name="{self._model}"}} {value:g}')
        return "\n".join(lines) + "\n"
