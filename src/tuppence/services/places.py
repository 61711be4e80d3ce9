"""Places to work at: a bounded number, and a bounded queue of requests that wait for one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tuppence.errors import UserError


class Places:
    """Lets some requests work while others wait; whoever is cancelled gives the place back.

    Args:
        count: How many there are.
        most_waiting: Requests that may wait; further ones are refused at once.
        seconds: How long they wait.
    """

    def __init__(self, count: int, most_waiting: int, seconds: float) -> None:
        self._free = asyncio.Semaphore(count)
        self._most_waiting = most_waiting
        self._seconds = seconds
        self.waiting = 0

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Hold a place.

        Raises:
            UserError: `service.busy`: too many wait already, or none became free in time.
        """
        if self.waiting >= self._most_waiting:
            raise _busy()
        self.waiting += 1
        try:
            async with asyncio.timeout(self._seconds):
                await self._free.acquire()
        except TimeoutError:
            raise _busy() from None
        finally:
            self.waiting -= 1
        try:
            yield
        finally:
            self._free.release()


def _busy() -> UserError:
    message = "the service is at work on as many requests as it can"
    return UserError("service.busy", message, "try again in a second, or with fewer requests")
