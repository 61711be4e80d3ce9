"""Requests that come while the engine is at work are worked on together next.

One request alone is begun at once. Under load many small ones become one batch, and what a batch
costs (asking the relay, binding the plan, a transaction of the store) is paid once for all.

Work that waits for others is done in threads. Work that only computes is done between requests: a
thread beside them would only contend for the interpreter.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Executor
from typing import Generic, NamedTuple, TypeVar

from tuppence.errors import UserError
from tuppence.services.problems import RETRYABLE, STATUSES

K = TypeVar("K", bound=Hashable)
I = TypeVar("I")  # noqa: E741 - an item
R = TypeVar("R")


class _Waiting(NamedTuple, Generic[I, R]):
    item: I
    weight: int
    answer: "asyncio.Future[R]"


class Batcher(Generic[K, I, R]):
    """Hands items of the same key over in batches.

    Args:
        handle: Answers the items of a key, one for each; it may raise a UserError.
        executor: Whose threads do the work; None for the thread of the requests.
        workers: How many batches may be worked on at once.
        most: Weight of a batch at most; one item may be heavier.
        most_waiting: Weight of all that waits at most.
    """

    def __init__(
        self,
        handle: Callable[[K, Sequence[I]], Sequence[R]],
        executor: Executor | None,
        workers: int,
        most: int,
        most_waiting: int,
    ) -> None:
        self._handle = handle
        self._executor = executor
        self._workers = workers
        self._most = most
        self._most_waiting = most_waiting
        self._queues: OrderedDict[K, deque[_Waiting[I, R]]] = OrderedDict()
        self._running = 0
        self._scheduled = False
        self.waiting = 0

    async def answer(self, key: K, item: I, weight: int) -> R:
        """The answer to an item.

        Raises:
            UserError: Too much is waiting, or what `handle` raised.
        """
        if self.waiting + weight > self._most_waiting and self.waiting:
            raise UserError("service.busy", "the engine has more to do than it can", "try again")
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(key, deque()).append(_Waiting(item, weight, future))
        self.waiting += weight
        if not self._scheduled:  # after the requests that have arrived together with this one
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._begin)
        return await future

    def _begin(self) -> None:
        self._scheduled = False
        while self._running < self._workers and self._queues:
            key, queue = self._queues.popitem(last=False)
            taken: list[_Waiting[I, R]] = []
            weight = 0
            while queue and (not taken or weight + queue[0].weight <= self._most):
                weight += queue[0].weight
                taken.append(queue.popleft())
            if queue:
                self._queues[key] = queue  # behind the others
            self.waiting -= weight
            wanted = [one for one in taken if not one.answer.done()]
            if wanted:
                self._running += 1
                task = asyncio.get_running_loop().create_task(self._work(key, wanted))
                task.add_done_callback(lambda _: self._ended())

    def _ended(self) -> None:
        self._running -= 1
        self._begin()

    async def _work(self, key: K, batch: list[_Waiting[I, R]]) -> None:
        items = [one.item for one in batch]
        try:
            if self._executor is None:
                answers = self._handle(key, items)
            else:
                loop = asyncio.get_running_loop()
                answers = await loop.run_in_executor(self._executor, self._handle, key, items)
        except UserError as error:
            if len(batch) == 1 or STATUSES.get(error.code) in RETRYABLE:
                for one in batch:
                    _fail(one, error)
                return
            for one in batch:  # only who is to blame is refused
                await self._work(key, [one])
        except Exception as error:
            for one in batch:
                _fail(one, error)
        else:
            for one, answer in zip(batch, answers, strict=True):
                if not one.answer.done():
                    one.answer.set_result(answer)


def _fail(one: "_Waiting[I, R]", error: Exception) -> None:
    if not one.answer.done():
        one.answer.set_exception(error)
