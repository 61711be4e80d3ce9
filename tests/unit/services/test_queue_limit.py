"""The queue of requests, and the slots they wait for, are shared among callers."""

import asyncio
from collections import Counter

import pytest

from tuppence.errors import UserError
from tuppence.services.queue_limit import QueueLimit
from tuppence.services.slots import Slots


def fill(queue: QueueLimit, caller: str) -> int:
    """Add as many requests of a caller as possible; return their number."""
    codes: list[str] = []
    before = queue.total
    while not codes:
        try:
            queue.enter(caller)
        except UserError as error:
            codes.append(error.code)
    count = queue.total - before
    assert codes == ["caller.busy" if count else "service.busy"]
    return count


def test_each_caller_fills_at_most_half_of_the_free_queue() -> None:
    queue = QueueLimit(100)
    assert [fill(queue, caller) for caller in "abcdefgh"] == [50, 25, 12, 6, 3, 2, 1, 0]
    queue.leave("a", 50)
    assert queue.total == 49
    assert fill(queue, "i") == 25


def test_an_empty_queue_accepts_any_weight() -> None:
    queue = QueueLimit(1)
    queue.enter("a", 1_000)
    with pytest.raises(UserError):
        queue.enter("b")
    queue.leave("a", 1_000)
    queue.enter("b")


def test_a_caller_who_fills_the_queue_for_slots_leaves_room_for_others() -> None:
    async def work(slots: Slots, caller: str, release: asyncio.Event) -> str:
        try:
            async with slots.hold(caller):
                await release.wait()
        except UserError as error:
            return error.code
        return "done"

    async def arrive() -> tuple[list[str], str]:
        slots, release = Slots(1, 8, 60.0), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            greedy = [group.create_task(work(slots, "greedy", release)) for _ in range(8)]
            while slots.waiting < 4:
                await asyncio.sleep(0)
            other = group.create_task(work(slots, "other", release))
            while slots.waiting < 5:
                await asyncio.sleep(0)
            release.set()
        assert slots.waiting == 0
        return [one.result() for one in greedy], other.result()

    assert asyncio.run(arrive()) == (["done"] * 5 + ["caller.busy"] * 3, "done")


def test_a_caller_whose_requests_never_end_leaves_slots_to_others() -> None:
    async def hold(slots: Slots, caller: str, entered: list[str]) -> None:
        async with slots.hold(caller):
            entered.append(caller)
            await asyncio.Event().wait()

    async def arrive(count: int) -> Counter[str]:
        slots, entered = Slots(count, 96, 60.0), list[str]()
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(hold(slots, caller, entered))
                for caller in [*["greedy"] * 20, *["other"] * 5, "third"]
            ]
            for _ in range(100):
                await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
        assert slots.waiting == 0
        return Counter(entered)

    assert asyncio.run(arrive(8)) == {"greedy": 6, "other": 1, "third": 1}
    assert asyncio.run(arrive(2)) == {"greedy": 1, "other": 1}
    assert asyncio.run(arrive(1)) == {"greedy": 1}


def test_a_cancelled_request_gives_its_slot_back() -> None:
    """One is cancelled while it waits, and one at the moment when it gets the slot."""

    async def hold(slots: Slots, release: asyncio.Event) -> None:
        async with slots.hold("a"):
            await release.wait()

    async def arrive() -> None:
        slots, release = Slots(1, 8, 60.0), asyncio.Event()
        holding = asyncio.create_task(hold(slots, release))
        waiting = [asyncio.create_task(hold(slots, release)) for _ in range(2)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        waiting[0].cancel()
        holding.cancel()
        await asyncio.wait([holding])
        waiting[1].cancel()
        await asyncio.wait(waiting)
        release.set()
        await asyncio.wait_for(hold(slots, release), 60.0)

    asyncio.run(arrive())
