"""A bounded number of slots for requests, with a bounded queue of requests that wait for one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from tuppence.services.queue_limit import QueueLimit, queue_full
from tuppence.services.shares import Shares

FACTOR: Final = 3
"""One caller can hold three quarters of the slots, see `Shares`."""


class Slots:
    """Limits the number of requests that run at the same time; others wait in a queue.

    No caller can take all of several slots, so one whose requests do not end, because it does not
    read the answers, keeps nobody else out.

    Args:
        count: Number of slots.
        queue_limit: Maximum number of requests that wait, shared among callers as `QueueLimit`
            does; further requests are refused at once.
        timeout: Seconds that a request waits before it is refused.
    """

    def __init__(self, count: int, queue_limit: int, timeout: float) -> None:
        self._count = count
        self._held = Shares(count, FACTOR)
        self._waiting: dict[asyncio.Future[None], str] = {}  # their callers; the oldest first
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
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[granted] = caller
        self._grant()
        try:
            await granted
        except asyncio.CancelledError:
            if self._waiting.pop(granted, None) is None:  # granted in the moment of cancellation
                self._release(caller)
            raise

    def _release(self, caller: str) -> None:
        self._held.remove(caller)
        self._grant()

    def _grant(self) -> None:
        """Give free slots to those who wait and may hold another one."""
        for granted, caller in list(self._waiting.items()):
            if self._held.total == self._count:
                return
            if granted.cancelled():  # it is about to leave the queue
                continue
            if self._held.allow_one(caller):
                del self._waiting[granted]
                self._held.add(caller)
                granted.set_result(None)
