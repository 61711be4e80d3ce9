"""A limit on the length of a queue, shared fairly among callers."""

from collections import Counter

from tuppence.errors import UserError


class QueueLimit:
    """Limits the weight of a queue, and reserves space for callers who have less in it than others.

    A caller may add to the queue if its own share then does not exceed the free space: one caller
    can fill half of the queue, and each further one half of the rest. This is the dynamic threshold
    of Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory packet switches",
    IEEE/ACM Transactions on Networking 6(2), 1998, with factor 1.

    Args:
        size: Maximum total weight. An empty queue accepts any weight.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._by_caller: Counter[str] = Counter()
        self.total = 0

    def enter(self, caller: str, weight: int = 1) -> None:
        """Add weight to a caller's share of the queue.

        Raises:
            UserError: `caller.busy` if the caller already has too much in the queue;
                `service.busy` if it has nothing there, but others have left too little space.
        """
        share = self._by_caller[caller]
        if self.total and share + weight > self._size - self.total - weight:
            if share:
                message = f"too many requests of {caller} are already waiting"
                hint = "wait for answers before sending more requests"
                raise UserError("caller.busy", message, hint)
            raise queue_full()
        self._by_caller[caller] += weight
        self.total += weight

    def leave(self, caller: str, weight: int = 1) -> None:
        """Remove weight from a caller's share: the request is handled now, or was cancelled."""
        self._by_caller[caller] -= weight
        self.total -= weight


def queue_full() -> UserError:
    """Return the error for a request that finds the queue full."""
    message = "the service cannot handle more requests at the moment"
    return UserError("service.busy", message, "try again in a second, or with fewer requests")
