"""What is a state rather than an event, read when a scrape asks for it: queues, gates, budgets, servers left alone.

Each function yields samples as `catalogue.py` names them: the name and the values of its labels, and the figure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from queues.bounded import QueueStatistics
from queues.gate import Gate
from service.observe.catalogue import LACKS, LIMIT_KINDS
from service.runs.session import Session
from stages.llm.endpoint import Endpoint

Sample = tuple[tuple[str, ...], float]


def of_queues(queues: Mapping[str, QueueStatistics]) -> Iterator[Sample]:
    """Yield what the queue before each stage holds."""
    for stage, queue in queues.items():
        yield ("queue_depth", stage), queue.depth
        yield ("queue_capacity", stage), queue.capacity
        yield ("queue_oldest_seconds", stage), queue.oldest_s


def of_gates(gates: Mapping[str, Gate]) -> Iterator[Sample]:
    """Yield the limits of each alias, and who waits for them; aliases of one group show the same figures."""
    for endpoint, gate in gates.items():
        now = gate.statistics()
        yield ("concurrency_limit", endpoint), now.limit
        for lack in LACKS:
            yield ("calls_waiting", endpoint, lack), now.waiting if lack == now.waiting_for else 0
        for kind in LIMIT_KINDS:
            if (most := gate.per_minute(kind)) is not None:
                yield ("limit_per_minute", endpoint, kind), most


def of_budgets(sessions: Iterable[Session]) -> Iterator[Sample]:
    """Yield, of the jobs that run, the least that is left of a budget."""
    left: dict[str, float] = {}
    for session in sessions:
        for budget, share in session.spending.left().items():
            left[budget] = min(share, left.get(budget, 1.0))
    yield from ((("budget_left_ratio", budget), share) for budget, share in left.items())


def of_servers(endpoints: Iterable[Endpoint]) -> Iterator[Sample]:
    """Yield the most servers that one of those who ask an alias leaves alone."""
    alone: dict[str, int] = {}
    for endpoint in endpoints:
        alone[endpoint.alias] = max(endpoint.left_alone, alone.get(endpoint.alias, 0))
    yield from ((("breaker_open", alias), servers) for alias, servers in alone.items())
