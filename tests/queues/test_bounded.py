from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from virtual_time import idle, now, run

from queues.bounded import BoundedQueue, QueueClosed


def test_items_leave_in_the_order_they_came() -> None:
    async def main() -> list[int]:
        queue: BoundedQueue[int] = BoundedQueue(3)
        for item in (1, 2, 3):
            await queue.put(item)
        return [await queue.get() for _ in range(3)]

    assert run(main()) == [1, 2, 3]


def test_a_put_waits_for_room() -> None:
    async def main() -> None:
        queue: BoundedQueue[int] = BoundedQueue(1)
        await queue.put(1)
        second = asyncio.create_task(queue.put(2))
        await idle()
        assert not second.done()
        assert await queue.get() == 1
        await second
        assert await queue.get() == 2

    run(main())


def test_what_comes_again_needs_no_room_and_goes_first() -> None:
    async def main() -> list[str]:
        queue: BoundedQueue[str] = BoundedQueue(2)
        for item in ("new 1", "new 2"):
            await queue.put(item)
        for item in ("again 1", "again 2"):
            queue.put_again(item)
        assert len(queue) == 4
        return [await queue.get() for _ in range(4)]

    assert run(main()) == ["again 1", "again 2", "new 1", "new 2"]


def test_after_put_again_a_put_waits_until_the_queue_is_below_its_capacity() -> None:
    async def main() -> None:
        queue: BoundedQueue[int] = BoundedQueue(1)
        await queue.put(1)
        queue.put_again(0)
        put = asyncio.create_task(queue.put(2))
        await queue.get()
        await idle()
        assert not put.done()
        await queue.get()
        await idle()
        assert put.done()

    run(main())


def test_a_closed_queue_gives_what_it_holds_and_then_says_so() -> None:
    async def main() -> None:
        queue: BoundedQueue[int] = BoundedQueue(2)
        await queue.put(1)
        queue.close()
        queue.close()
        assert await queue.get() == 1
        with pytest.raises(QueueClosed):
            await queue.get()

    run(main())


@pytest.mark.parametrize("put", ["put", "put_again"])
def test_a_closed_queue_takes_nothing(put: str) -> None:
    async def main() -> None:
        queue: BoundedQueue[int] = BoundedQueue(2)
        queue.close()
        with pytest.raises(QueueClosed):
            if (waiting := getattr(queue, put)(1)) is not None:
                await waiting
        assert len(queue) == 0

    run(main())


def test_closing_wakes_everyone_who_waits() -> None:
    async def main() -> None:
        full: BoundedQueue[int] = BoundedQueue(1)
        await full.put(1)
        empty: BoundedQueue[int] = BoundedQueue(1)
        waiting = [asyncio.create_task(full.put(2)) for _ in range(3)]
        waiting += [asyncio.create_task(empty.get()) for _ in range(3)]
        await idle()
        full.close()
        empty.close()
        ends = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(end) for end in ends] == [QueueClosed] * 6

    run(main())


def test_statistics_and_repr_tell_the_live_state() -> None:
    async def main() -> None:
        queue: BoundedQueue[int] = BoundedQueue(1, "judge", clock=now)
        assert repr(queue) == "<BoundedQueue judge 0/1, oldest 0.0 s, 0 getting, 0 putting>"
        await queue.put(1)
        await asyncio.sleep(3.25)
        queue.put_again(2)
        put = asyncio.create_task(queue.put(3))
        await idle()
        seen = queue.statistics()
        assert (seen.depth, seen.capacity, seen.oldest_s, seen.getting, seen.putting) == (2, 1, 3.25, 0, 1)
        assert repr(queue) == "<BoundedQueue judge 2/1, oldest 3.2 s, 0 getting, 1 putting>"
        put.cancel()
        await idle()
        queue.close()
        assert repr(queue) == "<BoundedQueue judge 2/1, oldest 3.2 s, 0 getting, 0 putting, closed>"

    run(main())


def test_a_queue_that_holds_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="capacity is 0"):
        BoundedQueue(0)


def test_an_item_goes_to_the_next_when_the_one_it_was_for_is_cancelled() -> None:
    async def main() -> None:
        queue: BoundedQueue[int] = BoundedQueue(1)
        first, second = (asyncio.create_task(queue.get()) for _ in range(2))
        await idle()
        await queue.put(1)
        first.cancel()
        assert await second == 1
        assert first.cancelled()

    run(main())


def test_an_item_passes_by_the_one_that_was_just_cancelled() -> None:
    async def main() -> None:
        queue: BoundedQueue[int] = BoundedQueue(1)
        first, second = (asyncio.create_task(queue.get()) for _ in range(2))
        await idle()
        first.cancel()
        await queue.put(1)
        assert await second == 1
        assert first.cancelled()

    run(main())


def test_room_goes_to_the_next_when_the_one_it_was_for_is_cancelled() -> None:
    async def main() -> None:
        queue: BoundedQueue[int] = BoundedQueue(1)
        await queue.put(0)
        first, second = (asyncio.create_task(queue.put(item)) for item in (1, 2))
        await idle()
        await queue.get()
        first.cancel()
        await second
        assert await queue.get() == 2

    run(main())


def test_who_waits_for_room_keeps_the_place_while_the_queue_is_over_its_capacity() -> None:
    async def main() -> list[int]:
        queue: BoundedQueue[int] = BoundedQueue(1)
        await queue.put(0)
        queue.put_again(0)
        puts = [asyncio.create_task(queue.put(item)) for item in (1, 2)]
        taken = []
        for _ in range(4):
            await idle()
            taken.append(await queue.get())
        await asyncio.gather(*puts)
        return taken

    assert run(main()) == [0, 0, 1, 2]


_actions = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.just(0)),
        st.tuples(st.just("get"), st.just(0)),
        st.tuples(st.just("again"), st.just(0)),
        st.tuples(st.just("cancel"), st.integers(0, 20)),
        st.tuples(st.just("step"), st.just(0)),
    ),
    min_size=5,
    max_size=40,
)


@given(capacity=st.integers(1, 3), actions=_actions)
def test_nothing_is_lost_doubled_or_stuck_under_cancellation_at_any_moment(
    capacity: int, actions: list[tuple[str, int]]
) -> None:
    """A `cancel` without a `step` before it falls on a task that was just woken and has not run yet."""

    async def main() -> None:
        queue: BoundedQueue[int] = BoundedQueue(capacity)
        puts: dict[asyncio.Task[Any], int] = {}
        gets: list[asyncio.Task[int]] = []
        inside: set[int] = set()
        for number, (action, which) in enumerate(actions):
            tasks = [task for task in (*puts, *gets) if not task.done()]
            if action == "put":
                puts[asyncio.create_task(queue.put(number))] = number
            elif action == "get":
                gets.append(asyncio.create_task(queue.get()))
            elif action == "again":
                queue.put_again(number)
                inside.add(number)
            elif action == "cancel" and tasks:
                tasks[which % len(tasks)].cancel()
            elif action == "step":
                await asyncio.sleep(0)
            assert len(queue) <= capacity + len(inside)
        await idle()
        seen = queue.statistics()
        assert not (seen.getting and seen.depth), "someone waits for an item that is there"
        assert not (seen.putting and seen.depth < capacity), "someone waits for room that is there"
        assert seen.getting == sum(not task.done() for task in gets)
        assert seen.putting == sum(not task.done() for task in puts)

        inside |= {number for task, number in puts.items() if task.done() and not task.cancelled()}
        queue.close()
        await asyncio.gather(*puts, *gets, return_exceptions=True)
        taken = [task.result() for task in gets if not task.cancelled() and task.exception() is None]
        while len(queue):
            taken.append(await queue.get())
        assert sorted(taken) == sorted(inside)

    run(main())


@given(capacity=st.integers(1, 4), producers=st.integers(1, 4), consumers=st.integers(1, 4))
def test_each_producer_s_items_arrive_in_its_order(capacity: int, producers: int, consumers: int) -> None:
    async def main() -> None:
        queue: BoundedQueue[tuple[int, int]] = BoundedQueue(capacity)
        taken: list[tuple[int, int]] = []

        async def produce(who: int) -> None:
            for number in range(10):
                await queue.put((who, number))

        async def consume() -> None:
            while True:
                try:
                    taken.append(await queue.get())
                except QueueClosed:
                    return
                assert len(queue) <= capacity

        async with asyncio.TaskGroup() as tasks:
            for _ in range(consumers):
                tasks.create_task(consume())
            async with asyncio.TaskGroup() as putting:
                for who in range(producers):
                    putting.create_task(produce(who))
            queue.close()
        for who in range(producers):
            assert [number for producer, number in taken if producer == who] == list(range(10))

    run(main())
