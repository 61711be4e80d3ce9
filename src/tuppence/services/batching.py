"""Batching: requests that arrive while a service is busy are handled together next.

A request that arrives alone starts at once. Under load many small requests form one batch, so that
the fixed cost of a batch is paid once for all of them: in an engine a request to the relay, binding
the plan, and a transaction of the store; in the feed a thread, and a query of the database.

Batches that wait for other services run in threads. Batches that only compute run on the event
loop, where a thread would only contend for the interpreter's lock.

A request that would wait longer than its caller does is refused at once: under overload an engine
answers what it can in time, and does not work on answers that nobody reads.

Callers take turns, and none of them can have all workers: the batch of a caller who orders a few
evaluations does not wait until the large batches of another one are done.
"""

import asyncio
import contextvars
import functools
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Hashable, MutableMapping, Sequence
from concurrent.futures import Executor
from typing import Any, Final, Generic, NamedTuple, TypeAlias, TypeVar

from tuppence import logs
from tuppence.errors import RETRYABLE, UserError
from tuppence.services.problems import STATUSES
from tuppence.services.queue_limit import QueueLimit
from tuppence.services.shares import Shares

K = TypeVar("K", bound=Hashable)
I = TypeVar("I")  # noqa: E741 - an item
R = TypeVar("R")

_logger: Final = logging.getLogger(__name__)
FACTOR: Final = 2
"""One caller can have two of three workers, see `Shares`."""
RECENT: Final = 8
"""Number of the last batches by which the time of waiting is estimated."""


class _Waiting(NamedTuple, Generic[I, R]):
    item: I
    weight: int
    answer: "asyncio.Future[R]"
    context: contextvars.Context


_Queues: TypeAlias = dict[K, dict["asyncio.Future[R]", _Waiting[I, R]]]


class Batcher(Generic[K, I, R]):
    """Collects items of the same caller and key into batches.

    Args:
        handle: Answers the items of a key: for each item its answer or its error. It raises a
            UserError if it cannot tell which item caused the error.
        executor: Provides the threads for batches; None to run them on the event loop.
        workers: Maximum number of batches that run at the same time; shared among callers.
        max_batch: Maximum weight of a batch; a single item may exceed it.
        queue_limit: Maximum weight of all waiting items, shared among callers by `QueueLimit`.
        clock: Returns seconds that never go backwards.
    """

    def __init__(
        self,
        handle: Callable[[K, Sequence[I]], Sequence[R | UserError]],
        executor: Executor | None,
        workers: int,
        max_batch: int,
        queue_limit: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._handle = handle
        self._executor = executor
        self._workers = workers
        self._running = Shares(workers, FACTOR)
        self._max_batch = max_batch
        self._queue_limit = QueueLimit(queue_limit)
        self._queues: dict[str, _Queues[K, R, I]] = {}  # by caller; whose turn is next, first
        self._scheduled = False
        self._clock = clock
        self._recent: deque[tuple[float, int]] = deque(maxlen=RECENT)  # seconds and weights
        self._pace = 0.0  # seconds for each unit of weight in the last batches

    @property
    def waiting(self) -> int:
        """Weight of all waiting items."""
        return self._queue_limit.total

    async def answer(
        self, caller: str, key: K, item: I, weight: int, timeout: float = math.inf
    ) -> R:
        """Return the answer to an item; it leaves the queue if the task is cancelled.

        Args:
            caller: Name of the caller.
            key: Items of the same key may share a batch.
            item: Passed to `handle`.
            weight: Share of a batch that it takes.
            timeout: Seconds that the caller waits.

        Raises:
            UserError: `service.busy` if its turn is not expected in time, or `handle` raised the
                error; see `QueueLimit` for a full queue.
            TimeoutError: The caller has waited that long.
        """
        wait = self._expected_wait(caller)
        if wait > timeout:
            message = f"the queue takes about {wait:.1f} seconds, and the caller waits {timeout:g}"
            raise UserError("service.busy", message, "try again later, or wait longer")
        self._queue_limit.enter(caller, weight)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        waiting = _Waiting(item, weight, future, contextvars.copy_context())
        self._queues.setdefault(caller, {}).setdefault(key, {})[future] = waiting
        if not self._scheduled:  # start after the requests that arrived together with this one
            self._scheduled = True
            loop.call_soon(self._start_batches)
        end = None if timeout == math.inf else loop.call_later(timeout, _give_up, future)
        try:
            return await future
        finally:
            if end is not None:
                end.cancel()
            queue = self._queues.get(caller, {}).get(key, {})
            if future in queue:
                self._leave(caller, key, [queue[future]])

    def _expected_wait(self, caller: str) -> float:
        """Return the seconds until the items of a caller that wait now are likely to be handled."""
        turns = max(len(self._queues), 1)
        return self._pace * self._queue_limit.of(caller) * turns / self._workers

    def _start_batches(self) -> None:
        self._scheduled = False
        while self._running.total < self._workers:
            caller = next(filter(self._running.allow_one, self._queues), None)
            if caller is None:
                return
            key, queue = next(iter(self._queues[caller].items()))
            batch: list[_Waiting[I, R]] = []
            weight = 0
            for one in queue.values():
                if batch and weight + one.weight > self._max_batch:
                    break
                weight += one.weight
                batch.append(one)
            self._leave(caller, key, batch)
            _to_end(self._queues.get(caller, {}), key)
            _to_end(self._queues, caller)
            self._running.add(caller)
            task = asyncio.get_running_loop().create_task(self._run(key, batch))
            on_done = functools.partial(self._on_done, caller, weight, self._clock())
            task.add_done_callback(on_done)

    def _leave(self, caller: str, key: K, items: Sequence[_Waiting[I, R]]) -> None:
        """Take items out of their queue."""
        queue = self._queues[caller][key]
        for one in items:
            del queue[one.answer]
            self._queue_limit.leave(caller, one.weight)
        if not queue:
            del self._queues[caller][key]
        if not self._queues[caller]:
            del self._queues[caller]

    def _on_done(self, caller: str, weight: int, start: float, _: asyncio.Task[None]) -> None:
        self._recent.append((self._clock() - start, weight))
        seconds, weights = map(sum, zip(*self._recent, strict=True))
        self._pace = seconds / weights if weights else 0.0
        self._running.remove(caller)
        self._start_batches()

    async def _run(self, key: K, batch: Sequence[_Waiting[I, R]]) -> None:
        batch = [one for one in batch if not one.answer.done()]  # the others were cancelled
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
                half = len(batch) // 2  # until only the item that causes the error is refused
                await self._run(key, batch[:half])
                await self._run(key, batch[half:])
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
        """Handle a batch in the context of its first item, whose request id its log lines get.

        A line of its own lists the requests of a batch of several items.
        """
        context = batch[0].context
        if len(batch) > 1:
            requests = [one.context.run(logs.request_id) for one in batch]
            context.run(_logger.info, "batch", extra={"requests": requests})
        return context.run(self._handle, key, [one.item for one in batch])


def _give_up(answer: "asyncio.Future[Any]") -> None:
    """Let a caller wait no longer."""
    if not answer.done():
        answer.set_exception(TimeoutError())


def _to_end(queues: MutableMapping[Any, Any], key: Hashable) -> None:
    """Put what is left of a queue behind the others."""
    if key in queues:
        queues[key] = queues.pop(key)


def _may_be_about_one(error: UserError) -> bool:
    """Return False for an error that would affect each item of a batch on its own, too."""
    return error.code == "relay.refused" or STATUSES.get(error.code) not in RETRYABLE
