"""Readiness: whether a service can do its work now. Load balancers, and anybody else, may ask."""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from typing import Final

from tuppence.errors import UserError

_logger: Final = logging.getLogger(__name__)
FRESH_SECONDS: Final = 0.5
"""Age in seconds up to which the outcome of a check is reused."""
CHECK_SECONDS: Final = 2.0
"""Timeout of a check."""


class Readiness:
    """Runs one check at a time, and shares its outcome with everybody who asks meanwhile.

    Args:
        check: Raises a UserError if the service cannot do its work now.
    """

    def __init__(self, check: Callable[[], Awaitable[None]]) -> None:
        self._check = check
        self._running: asyncio.Task[UserError | None] | None = None
        self._began = -math.inf
        self._logged: str | None = None

    async def check(self) -> None:
        """Return if the service can do its work.

        Raises:
            UserError: The reason why it cannot; `service.timeout` if the check took too long.
        """
        now = time.monotonic()
        if self._running is None or (self._running.done() and now >= self._began + FRESH_SECONDS):
            self._began, self._running = now, asyncio.create_task(self._outcome())
        left = max(self._began + CHECK_SECONDS - now, 0)
        done, _ = await asyncio.wait([self._running], timeout=left)
        if not done:
            message = f"the readiness check takes more than {CHECK_SECONDS:g} seconds"
            raise UserError("service.timeout", message, "try again later")
        error = self._running.result()
        if error is not None:
            raise error

    async def begin(self) -> None:
        """Run the check once to its end, however long it takes, and log its outcome."""
        await self._outcome()

    async def _outcome(self) -> UserError | None:
        error = None
        try:
            await self._check()
        except UserError as found:
            error = found
        self._log(error)
        return error

    def _log(self, error: UserError | None) -> None:
        """Log the outcome only when it changes, because anybody may ask at any rate."""
        outcome = "" if error is None else error.code
        if outcome == self._logged:
            return
        self._logged = outcome
        if error is None:
            _logger.info("ready")
        else:
            _logger.warning("not ready", extra={"code": error.code})
