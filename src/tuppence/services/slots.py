"""A bounded number of slots for requests, with a bounded queue of requests that wait for one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tuppence.services.queue_limit import QueueLimit, queue_full


class Slots:
    """Limits the number of requests that run at the same time; others wait in a queue.

    Args:
        count: Number of slots.
        queue_limit: Maximum number of requests that wait, shared among callers as `QueueLimit`
            does; further requests are refused at once.
        timeout: Seconds that a request waits before it is refused.
    """

    def __init__(self, count: int, queue_limit: int, timeout: float) -> None:
        self._free = asyncio.Semaphore(count)
        self._queue = QueueLimit(queue_limit)
        self._timeout = timeout

    @property
    def waiting(self) -> int:
        """Number of requests in the queue."""
        return self._queue.total

    @asynccontextmanager
    async def hold(self, caller: str) -> AsyncIterator[None]:
        """Hold a slot for a request of a caller; it is released even if the request is cancelled.

        Raises:
            UserError: `service.busy` if the queue is full, or no slot became free in time;
                `caller.busy` if too many requests of this caller wait.
        """
        self._queue.enter(caller)
        try:
            async with asyncio.timeout(self._timeout):
                await self._free.acquire()
        except TimeoutError:
            raise queue_full() from None
        finally:
            self._queue.leave(caller)
        try:
            yield
        finally:
            self._free.release()
