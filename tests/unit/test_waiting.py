"""The room for requests that wait is shared among callers."""

import asyncio

import pytest

from tuppence.errors import UserError
from tuppence.services.places import Places
from tuppence.services.waiting import WaitingRoom


def filled_by(room: WaitingRoom, caller: str) -> int:
    """Return how much a caller can add, one at a time."""
    codes: list[str] = []
    before = room.total
    while not codes:
        try:
            room.enter(caller)
        except UserError as error:
            codes.append(error.code)
    count = room.total - before
    assert codes == ["caller.busy" if count else "service.busy"]
    return count


def test_each_caller_takes_at_most_half_of_what_others_left() -> None:
    room = WaitingRoom(100)
    assert [filled_by(room, caller) for caller in "abcdefgh"] == [50, 25, 12, 6, 3, 2, 1, 0]
    room.leave("a", 50)
    assert room.total == 49
    assert filled_by(room, "i") == 25


def test_anything_may_come_into_an_empty_room() -> None:
    room = WaitingRoom(1)
    room.enter("a", 1_000)
    with pytest.raises(UserError):
        room.enter("b")
    room.leave("a", 1_000)
    room.enter("b")


def test_a_caller_who_fills_the_queue_for_connections_leaves_room_for_others() -> None:
    async def work(places: Places, caller: str, release: asyncio.Event) -> str:
        try:
            async with places.one(caller):
                await release.wait()
        except UserError as error:
            return error.code
        return "done"

    async def arrive() -> tuple[list[str], str]:
        places, release = Places(1, 8, 60.0), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            greedy = [group.create_task(work(places, "greedy", release)) for _ in range(8)]
            while places.waiting < 4:
                await asyncio.sleep(0)
            other = group.create_task(work(places, "other", release))
            while places.waiting < 5:
                await asyncio.sleep(0)
            release.set()
        assert places.waiting == 0
        return [one.result() for one in greedy], other.result()

    assert asyncio.run(arrive()) == (["done"] * 5 + ["caller.busy"] * 3, "done")
