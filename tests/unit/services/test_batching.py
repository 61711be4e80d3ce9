"""Requests that wait together are handled in one batch."""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.serving import log_lines

from tuppence import logs
from tuppence.errors import UserError
from tuppence.services.batching import Batcher


class Desk:
    """Doubles numbers, records the batches, and refuses negative numbers."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, list[int]]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.begun = threading.Event()
        self.code = "request.body"

    def handle(self, key: str, items: Sequence[int]) -> list[int]:
        self.begun.set()
        self.gate.wait()
        self.batches.append((key, list(items)))
        if any(item < 0 for item in items):
            raise UserError(self.code, "negative")
        if 0 in items:
            raise ZeroDivisionError
        return [2 * item for item in items]


def batcher(
    desk: Desk, executor: ThreadPoolExecutor | None, max_batch: int = 10, queue_limit: int = 100
) -> Batcher[str, int, int]:
    return Batcher(desk.handle, executor, 1, max_batch, queue_limit)


async def ask(
    one: Batcher[str, int, int], *items: int, key: str = "a"
) -> list[int | BaseException]:
    answers = (one.answer(key, key, item, 1) for item in items)
    return await asyncio.gather(*answers, return_exceptions=True)


def test_items_that_arrive_together_form_one_batch() -> None:
    desk = Desk()
    assert asyncio.run(ask(batcher(desk, None), 1, 2, 3)) == [2, 4, 6]
    assert desk.batches == [("a", [1, 2, 3])]


def test_items_that_arrive_during_a_batch_form_the_next_one() -> None:
    desk = Desk()
    desk.gate.clear()

    async def arrive() -> list[int | BaseException]:
        with ThreadPoolExecutor(1) as pool:
            one = batcher(desk, pool)
            first = asyncio.create_task(ask(one, 1))
            await asyncio.to_thread(desk.begun.wait)
            others = asyncio.create_task(ask(one, 2, 3))
            while one.waiting < 2:
                await asyncio.sleep(0)
            desk.gate.set()
            return [*await first, *await others]

    assert asyncio.run(arrive()) == [2, 4, 6]
    assert desk.batches == [("a", [1]), ("a", [2, 3])]


def test_a_batch_has_a_maximum_weight_and_one_key() -> None:
    desk = Desk()

    async def arrive() -> None:
        one = batcher(desk, None, max_batch=2)
        await asyncio.gather(ask(one, 1, 2, 3), ask(one, 4, key="b"))

    asyncio.run(arrive())
    assert desk.batches == [("a", [1, 2]), ("b", [4]), ("a", [3])]


@pytest.mark.parametrize("code", ["request.body", "relay.refused"])
@pytest.mark.parametrize("threads", [False, True])
def test_only_the_item_that_causes_an_error_is_refused(threads: bool, code: str) -> None:
    desk = Desk()
    desk.code = code

    async def arrive() -> list[int | BaseException]:
        with ThreadPoolExecutor(1) as pool:
            return await ask(batcher(desk, pool if threads else None), 1, -2, 3)

    first, second, third = asyncio.run(arrive())
    assert (first, third) == (2, 6)
    assert isinstance(second, UserError)


def test_an_error_of_the_service_fails_the_whole_batch_at_once() -> None:
    desk = Desk()
    desk.code = "relay.unreachable"
    answers = asyncio.run(ask(batcher(desk, None), 1, -2))
    assert [type(answer) for answer in answers] == [UserError, UserError]
    assert len(desk.batches) == 1, "it is not tried again one by one"


def test_a_bug_fails_its_batch_and_not_the_next_one() -> None:
    desk = Desk()

    async def arrive() -> list[int | BaseException]:
        one = batcher(desk, None)
        return [*await ask(one, 0, 1), *await ask(one, 5)]

    *failed, last = asyncio.run(arrive())
    assert [type(answer) for answer in failed] == [ZeroDivisionError, ZeroDivisionError]
    assert last == 10


def refused(answers: Sequence[int | BaseException]) -> list[str]:
    return [answer.code for answer in answers if isinstance(answer, UserError)]


def test_a_caller_can_fill_half_of_the_queue() -> None:
    desk = Desk()
    answers = asyncio.run(ask(batcher(desk, None, queue_limit=4), 1, 2, 3))
    assert answers[:2] == [2, 4]
    assert refused(answers) == ["caller.busy"]


def test_a_caller_with_a_full_queue_does_not_block_others() -> None:
    desk = Desk()
    desk.gate.clear()

    async def arrive() -> tuple[list[int | BaseException], list[int | BaseException]]:
        with ThreadPoolExecutor(1) as pool:
            one = batcher(desk, pool, max_batch=1, queue_limit=100)
            first = asyncio.create_task(ask(one, 1, key="greedy"))
            await asyncio.to_thread(desk.begun.wait)
            greedy = asyncio.create_task(ask(one, *range(1_000), key="greedy"))
            while one.waiting < 50:
                await asyncio.sleep(0)
            others = asyncio.create_task(ask(one, *range(1, 11), key="other"))
            while one.waiting < 60:
                await asyncio.sleep(0)
            desk.gate.set()
            await first
            return await greedy, await others

    greedy, others = asyncio.run(arrive())
    assert refused(greedy) == ["caller.busy"] * 950
    assert others == [2 * item for item in range(1, 11)]
    places = [place for place, (key, _) in enumerate(desk.batches) if key == "other"]
    assert places == list(range(2, 22, 2)), "callers take turns"


def test_a_caller_with_many_keys_gets_one_turn_like_others() -> None:
    desk = Desk()

    async def arrive() -> None:
        one = batcher(desk, None)
        greedy = (one.answer("greedy", f"key {i}", i, 1) for i in range(1, 11))
        await asyncio.gather(*greedy, one.answer("other", "other", 11, 1))

    asyncio.run(arrive())
    assert [key for key, _ in desk.batches][:3] == ["key 1", "other", "key 2"]


@pytest.mark.parametrize("workers", [2, 3, 8])
def test_a_caller_whose_batches_do_not_end_leaves_a_worker_to_others(workers: int) -> None:
    gate = threading.Event()

    def handle(key: str, items: Sequence[int]) -> Sequence[int]:
        if key == "greedy":
            gate.wait()
        return items

    async def arrive() -> list[int]:
        with ThreadPoolExecutor(workers) as pool:
            one = Batcher[str, int, int](handle, pool, workers, 1, 100)
            greedy = [asyncio.create_task(one.answer("greedy", "greedy", i, 1)) for i in range(20)]
            while one.waiting == 0:
                await asyncio.sleep(0)
            others = [await one.answer("other", "other", i, 1) for i in range(20)]
            assert not any(task.done() for task in greedy)
            gate.set()
            await asyncio.gather(*greedy)
            return others

    assert asyncio.run(arrive()) == list(range(20))


def test_an_item_whose_turn_would_come_too_late_is_refused_at_once() -> None:
    """Each item takes a second, by a clock of the test's own."""
    now = [0.0]
    gate, begun = threading.Event(), threading.Event()

    def handle(key: str, items: Sequence[int]) -> Sequence[int]:
        if key == "later":
            begun.set()
            gate.wait()
        now[0] += len(items)
        return items

    async def arrive() -> None:
        with ThreadPoolExecutor(1) as pool:
            one = Batcher[str, int, int](handle, pool, 1, 1, 100, lambda: now[0])
            await one.answer("greedy", "first", 0, 1, 0.5)  # nobody knows yet how long it takes
            waiting = [
                asyncio.create_task(one.answer("greedy", "later", i, 1, 60.0)) for i in range(4)
            ]
            await asyncio.to_thread(begun.wait)
            with pytest.raises(UserError, match="the caller waits 2") as busy:
                await one.answer("greedy", "later", 5, 1, 2.0)
            assert busy.value.code == "service.busy"
            assert "about 3.0 seconds" in busy.value.message
            assert one.waiting == 3, "it took no place in the queue"
            waiting.append(asyncio.create_task(one.answer("greedy", "later", 6, 1, 4.0)))
            waiting.append(asyncio.create_task(one.answer("other", "later", 7, 1, 0.1)))
            await asyncio.sleep(0)
            gate.set()
            assert await asyncio.gather(*waiting) == [0, 1, 2, 3, 6, 7]

    asyncio.run(arrive())


def test_a_cancelled_item_is_not_handled() -> None:
    desk = Desk()

    async def leave() -> None:
        one = batcher(desk, None)
        task = asyncio.create_task(one.answer("caller", "a", 1, 1))
        await asyncio.sleep(0)
        task.cancel()
        while one.waiting:
            await asyncio.sleep(0)

    asyncio.run(leave())
    assert desk.batches == []


def test_a_cancelled_item_frees_its_share_of_the_queue_at_once() -> None:
    desk = Desk()
    desk.gate.clear()

    async def arrive() -> int:
        with ThreadPoolExecutor(1) as pool:
            one = batcher(desk, pool, queue_limit=1)
            first = asyncio.create_task(one.answer("caller", "a", 1, 1))
            await asyncio.to_thread(desk.begun.wait)
            gone = asyncio.create_task(one.answer("caller", "a", 2, 1))
            await asyncio.sleep(0)
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)
            third = asyncio.create_task(one.answer("caller", "a", 3, 1))
            await asyncio.sleep(0)
            desk.gate.set()
            await first
            return await third

    assert asyncio.run(arrive()) == 6
    assert desk.batches == [("a", [1]), ("a", [3])]


def test_nobody_waits_longer_than_they_said_and_what_is_late_is_not_handled() -> None:
    desk = Desk()
    desk.gate.clear()

    async def arrive() -> int:
        with ThreadPoolExecutor(1) as pool:
            one = batcher(desk, pool)
            first = asyncio.create_task(one.answer("caller", "a", 1, 1))
            await asyncio.to_thread(desk.begun.wait)
            with pytest.raises(TimeoutError):
                await one.answer("caller", "a", 2, 1, 0.01)
            assert one.waiting == 0
            desk.gate.set()
            return await first

    assert asyncio.run(arrive()) == 2
    assert desk.batches == [("a", [1])]


def test_an_item_that_causes_an_error_is_found_in_few_attempts() -> None:
    desk = Desk()
    answers = asyncio.run(
        ask(batcher(desk, None, max_batch=256, queue_limit=512), *range(1, 256), -1)
    )
    assert answers[:-1] == [2 * item for item in range(1, 256)]
    assert isinstance(answers[-1], UserError)
    assert len(desk.batches) == 17, "the batch, and two halves eight times"


def test_one_item_can_fail_while_the_others_are_answered() -> None:
    def handle(_: str, items: Sequence[int]) -> list[int | UserError]:
        batches.append(list(items))
        return [item if item > 0 else UserError("rule.unknown", "none") for item in items]

    batches: list[list[int]] = []
    one: Batcher[str, int, int] = Batcher(handle, None, 1, 10, 100)
    first, second, third = asyncio.run(ask(one, 1, -2, 3))
    assert (first, third) == (1, 3)
    assert isinstance(second, UserError)
    assert batches == [[1, -2, 3]]


def test_a_batch_has_the_id_of_its_first_request_and_a_line_names_all_of_them() -> None:
    seen: list[str | None] = []

    def handle(key: str, items: Sequence[int]) -> Sequence[int]:
        del key
        seen.append(logs.request_id())
        return items

    async def request(one: Batcher[str, int, int], request_id: str, key: str) -> None:
        logs.begin(request_id)
        await one.answer("caller", key, 1, 1)

    async def arrive(pool: ThreadPoolExecutor | None) -> None:
        one = Batcher[str, int, int](handle, pool, 1, 10, 100)
        named = ("first", "a"), ("second", "a"), ("third", "b")
        await asyncio.gather(*(request(one, name, key) for name, key in named))

    with log_lines() as lines, ThreadPoolExecutor(1) as pool:
        asyncio.run(arrive(pool))
        asyncio.run(arrive(None))
    assert seen == ["first", "third"] * 2
    assert [(line["request_id"], line["requests"]) for line in lines] == [
        ("first", ["first", "second"])
    ] * 2
