"""Places to work at: a bounded number, and a bounded queue of requests that wait for one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tuppence.errors import UserError
from tuppence.services.waiting import WaitingRoom


class Places:
    """Lets some requests work while others wait; whoever is cancelled gives the place back.

    Args:
        count: How many there are.
        most_waiting: Requests that may wait, shared among callers as in a `WaitingRoom`; further
            ones are refused at once.
        seconds: How long they wait.
    """

    def __init__(self, count: int, most_waiting: int, seconds: float) -> None:
        self._free = asyncio.Semaphore(count)
        self._room = WaitingRoom(most_waiting)
        self._seconds = seconds

    @property
    def waiting(self) -> int:
        """Number of requests that wait."""
        return self._room.total

    @asynccontextmanager
    async def one(self, caller: str) -> AsyncIterator[None]:
        """Hold a place for a request of a caller.

        Raises:
            UserError: `service.busy`: too many wait already, or none became free in time;
                `caller.busy`: too many of this caller wait.
        """
        self._room.enter(caller)
        try:
            async with asyncio.timeout(self._seconds):
                await self._free.acquire()
        except TimeoutError:
            message = "the service is at work on as many requests as it can"
            hint = "try again in a second, or with fewer requests"
            raise UserError("service.busy", message, hint) from None
        finally:
            self._room.leave(caller)
        try:
            yield
        finally:
            self._free.release()
