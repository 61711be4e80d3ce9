"""The queue of requests is shared among callers."""

import asyncio

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
