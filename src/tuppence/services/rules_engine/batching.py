"""Requests that come while the engine is at work are worked on together next.

One request alone is begun at once. Under load many small ones become one batch, and what a batch
costs (asking the relay, binding the plan, a transaction of the store) is paid once for all.

Work that waits for others is done in threads. Work that only computes is done between requests: a
thread beside them would only contend for the interpreter.
"""

import asyncio
import contextvars
import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Executor
from typing import Final, Generic, NamedTuple, TypeVar

from tuppence import logs
from tuppence.errors import UserError
from tuppence.services.problems import RETRYABLE, STATUSES
from tuppence.services.waiting import WaitingRoom

K = TypeVar("K", bound=Hashable)
I = TypeVar("I")  # noqa: E741 - an item
R = TypeVar("R")


_logger: Final = logging.getLogger(__name__)


class _Waiting(NamedTuple, Generic[I, R]):
    item: I
    caller: str
    weight: int
    answer: "asyncio.Future[R]"
    context: contextvars.Context


class Batcher(Generic[K, I, R]):
    """Hands items of the same key over in batches.

    Args:
        handle: Answers the items of a key: for each its answer, or why it has none. It raises a
            UserError if it cannot tell which of them is to blame.
        executor: Whose threads do the work; None for the thread of the requests.
        workers: How many batches may be worked on at once.
        most: Weight of a batch at most; one item may be heavier.
        most_waiting: Weight of all that waits at most, shared among callers as in a `WaitingRoom`.
    """

    def __init__(
        self,
        handle: Callable[[K, Sequence[I]], Sequence[R | UserError]],
        executor: Executor | None,
        workers: int,
        most: int,
        most_waiting: int,
    ) -> None:
        self._handle = handle
        self._executor = executor
        self._workers = workers
        self._most = most
        self._room = WaitingRoom(most_waiting)
        self._queues: OrderedDict[K, dict[asyncio.Future[R], _Waiting[I, R]]] = OrderedDict()
        self._running = 0
        self._scheduled = False

    @property
    def waiting(self) -> int:
        """Weight of all that waits."""
        return self._room.total

    async def answer(self, caller: str, key: K, item: I, weight: int) -> R:
        """Return the answer to an item of a caller; one whose task is cancelled leaves the queue.

        Raises:
            UserError: Too much is waiting, of this caller or of all; or what `handle` raised.
        """
        self._room.enter(caller, weight)
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(key, {})[future] = _Waiting(
            item, caller, weight, future, contextvars.copy_context()
        )
        if not self._scheduled:  # after the requests that have arrived together with this one
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._begin)
        try:
            return await future
        finally:
            self._leave(key, future)

    def _leave(self, key: K, future: "asyncio.Future[R]") -> None:
        queue = self._queues.get(key, {})
        waited = queue.pop(future, None)
        if waited is not None:
            self._room.leave(waited.caller, waited.weight)
            if not queue:
                del self._queues[key]

    def _begin(self) -> None:
        self._scheduled = False
        while self._running < self._workers and self._queues:
            key, queue = self._queues.popitem(last=False)
            taken: list[_Waiting[I, R]] = []
            weight = 0
            for one in queue.values():
                if taken and weight + one.weight > self._most:
                    break
                weight += one.weight
                taken.append(one)
            for one in taken:
                del queue[one.answer]
                self._room.leave(one.caller, one.weight)
            if queue:
                self._queues[key] = queue  # behind the others
            self._running += 1
            task = asyncio.get_running_loop().create_task(self._work(key, taken))
            task.add_done_callback(lambda _: self._ended())

    def _ended(self) -> None:
        self._running -= 1
        self._begin()

    async def _work(self, key: K, batch: Sequence[_Waiting[I, R]]) -> None:
        batch = [one for one in batch if not one.answer.done()]  # the others have gone
        if not batch:
            return
        answers: Sequence[R | UserError | Exception]
        try:
            if self._executor is None:
                answers = self._handle_together(key, batch)
            else:
                loop = asyncio.get_running_loop()
                answers = await loop.run_in_executor(
                    self._executor, self._handle_together, key, batch
                )
        except UserError as error:
            if len(batch) > 1 and _may_be_about_one(error):
                half = len(batch) // 2  # only who is to blame is refused
                await self._work(key, batch[:half])
                await self._work(key, batch[half:])
                return
            answers = [error] * len(batch)
        except Exception as error:
            answers = [error] * len(batch)
        for one, answer in zip(batch, answers, strict=True):
            if one.answer.done():
                continue
            if isinstance(answer, Exception):
                one.answer.set_exception(answer)
            else:
                one.answer.set_result(answer)

    def _handle_together(self, key: K, batch: Sequence[_Waiting[I, R]]) -> Sequence[R | UserError]:
        """Handle a batch in the context of its first item, so that its logs have that request's id.

        If there are more items a line names the requests of all of them.
        """
        context = batch[0].context
        if len(batch) > 1:
            requests = [one.context.run(logs.request_id) for one in batch]
            context.run(_logger.info, "batch", extra={"requests": requests})
        return context.run(self._handle, key, [one.item for one in batch])


def _may_be_about_one(error: UserError) -> bool:
    """Return False for trouble that each item of a batch would have by itself, too."""
    return error.code == "relay.refused" or STATUSES.get(error.code) not in RETRYABLE
