"""A bounded number of slots for requests, with a bounded queue of requests that wait for one."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from tuppence.services.queue_limit import QueueLimit, queue_full

SHARE: Final = 3
"""A caller may hold so many times the slots that it leaves free: three quarters if it is alone."""


class _Waiter(NamedTuple):
    caller: str
    granted: asyncio.Future[None]


class Slots:
    """Limits the number of requests that run at the same time; others wait in a queue.

    No caller can take all slots, so one whose requests do not end, because it does not read the
    answers, keeps nobody else out.

    Args:
        count: Number of slots.
        queue_limit: Maximum number of requests that wait, shared among callers as `QueueLimit`
            does; further requests are refused at once.
        timeout: Seconds that a request waits before it is refused.
    """

    def __init__(self, count: int, queue_limit: int, timeout: float) -> None:
        self._free = count
        self._held: Counter[str] = Counter()
        self._waiters: list[_Waiter] = []  # the oldest first
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
                await self._acquire(caller)
        except TimeoutError:
            raise queue_full() from None
        finally:
            self._queue.leave(caller)
        try:
            yield
        finally:
            self._release(caller)

    async def _acquire(self, caller: str) -> None:
        waiter = _Waiter(caller, asyncio.get_running_loop().create_future())
        self._waiters.append(waiter)
        self._grant()
        try:
            await waiter.granted
        except asyncio.CancelledError:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            else:  # granted in the moment of the cancellation
                self._release(caller)
            raise

    def _release(self, caller: str) -> None:
        self._free += 1
        self._held[caller] -= 1
        self._grant()

    def _grant(self) -> None:
        """Give free slots to those who wait and may hold another one."""
        for waiter in list(self._waiters):
            if waiter.granted.cancelled():  # it is about to leave the queue
                continue
            share = self._held[waiter.caller]
            if self._free and (not share or share < SHARE * (self._free - 1)):
                self._free -= 1
                self._held[waiter.caller] += 1
                self._waiters.remove(waiter)
                waiter.granted.set_result(None)
