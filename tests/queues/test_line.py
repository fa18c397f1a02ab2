from __future__ import annotations

import asyncio
from collections import Counter

from gates import line_up
from hypothesis import given
from hypothesis import strategies as st
from virtual_time import idle, run

from queues.gate import Gate, GateLimits
from queues.line import Line, Waiter


def waiter(job: str, tokens: int = 1, number: int = 0) -> Waiter:
    return Waiter(((), number), tokens, job, asyncio.get_running_loop().create_future())


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 100)), min_size=1, max_size=60))
def test_jobs_that_wait_all_the_time_are_served_alike_by_cost(asked: list[tuple[str, int]]) -> None:
    """Between two that still wait the difference is never more than the largest request."""

    async def main() -> None:
        line, cost = Line(), Counter[str]()
        for number, (job, tokens) in enumerate(asked):
            line.join(waiter(job, tokens, number))
        left = Counter(job for job, _ in asked)
        while (head := line.head()) is not None:
            assert head is line.head()
            line.take(head)
            cost[head.job] += head.tokens
            left[head.job] -= 1
            waiting = [cost[job] for job in left if left[job]]
            assert not waiting or max(waiting) - min(waiting) <= 100
        assert cost == sum((Counter({job: tokens}) for job, tokens in asked), Counter())

    run(main())


def test_whoever_comes_later_starts_level() -> None:
    async def main() -> None:
        line = Line()
        for number in range(10):
            line.join(waiter("old", 1, number))
        for _ in range(6):
            line.take(line.head() or waiter(""))
        for number in range(4):
            line.join(waiter("new", 1, number))
        turns = []
        while (head := line.head()) is not None:
            turns.append(head.job)
            line.take(head)
        assert Counter(turns[:4]) == {"old": 2, "new": 2}, "neither makes up for the past"

    run(main())


def test_whoever_left_the_line_is_passed_over() -> None:
    async def main() -> None:
        line, gone, there = Line(), waiter("a"), waiter("a", number=1)
        line.join(gone)
        line.join(there)
        gone.future.cancel()
        assert line.head() is there
        assert list(line) == [there]

    run(main())


def test_a_gate_shares_its_places_between_jobs_whatever_their_number_of_calls() -> None:
    async def main() -> None:
        gate, went = Gate(GateLimits(1)), Counter[str]()
        lease = await gate.admit()
        tasks = [line_up(gate, 0, (0, number), job="many") for number in range(100)]
        tasks += [line_up(gate, 0, (0, number), job="few") for number in range(20)]
        await idle()
        for _ in range(40):
            lease.done(0)
            await idle()
            [done] = [task for task in tasks if task.done()]
            tasks.remove(done)
            went[done.get_name()] += 1
            lease = done.result()
        assert went == {"many": 20, "few": 20}
        for task in tasks:
            task.cancel()

    run(main())
