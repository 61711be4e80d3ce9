"""A limit on the length of a queue, shared fairly among callers."""

from tuppence.errors import UserError
from tuppence.services.shares import Shares


class QueueLimit:
    """Limits the weight of a queue, of which one caller can fill half, see `Shares`.

    Args:
        size: Maximum total weight. An empty queue accepts any weight.
    """

    def __init__(self, size: int) -> None:
        self._shares = Shares(size)

    @property
    def total(self) -> int:
        """Weight of the queue."""
        return self._shares.total

    def of(self, caller: str) -> int:
        """Return the weight of a caller's share."""
        return self._shares.of(caller)

    def enter(self, caller: str, weight: int = 1) -> None:
        """Add weight to a caller's share of the queue.

        Raises:
            UserError: `caller.busy` if the caller already has too much in the queue;
                `service.busy` if it has nothing there, but others have left too little space.
        """
        if self.total and not self._shares.allow(caller, weight):
            if self.of(caller):
                message = f"too many requests of {caller} are already waiting"
                hint = "wait for answers before sending more requests"
                raise UserError("caller.busy", message, hint)
            raise queue_full()
        self._shares.add(caller, weight)

    def leave(self, caller: str, weight: int = 1) -> None:
        """Remove weight from a caller's share: the request is handled now, or was cancelled."""
        self._shares.remove(caller, weight)


def queue_full() -> UserError:
    """Return the error for a request that finds the queue full."""
    message = "the service cannot handle more requests at the moment"
    return UserError("service.busy", message, "try again in a second, or with fewer requests")
