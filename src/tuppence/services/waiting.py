"""A bounded room for what waits, in which no caller takes the place of the others."""

from collections import Counter

from tuppence.errors import UserError


class WaitingRoom:
    """Bounds what waits, and keeps room for callers who have less waiting than others.

    A caller may add to what it has waiting if it then holds no more than what stays free: one
    caller takes half of the room at most, and each further one half of what others have left. This
    is the dynamic threshold of Choudhury and Hahne, "Dynamic queue length thresholds for
    shared-memory packet switches", IEEE/ACM Transactions on Networking 6(2), 1998, with factor 1.

    Args:
        size: Weight of all that waits at most. Into an empty room anything may come.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._of_caller: Counter[str] = Counter()
        self.total = 0

    def enter(self, caller: str, weight: int = 1) -> None:
        """Add to what a caller has waiting.

        Raises:
            UserError: `caller.busy`: the caller has too much waiting already; `service.busy`: it
                has nothing waiting, and too little room is left by others.
        """
        held = self._of_caller[caller]
        if self.total and held + weight > self._size - self.total - weight:
            if held:
                message = f"too much of {caller} waits already"
                raise UserError("caller.busy", message, "wait for answers before you ask for more")
            message = "the service is at work on as many requests as it can"
            hint = "try again in a second, or with fewer requests"
            raise UserError("service.busy", message, hint)
        self._of_caller[caller] += weight
        self.total += weight

    def leave(self, caller: str, weight: int = 1) -> None:
        """Take back what was added: it is worked on now, or its caller has gone."""
        self._of_caller[caller] -= weight
        self.total -= weight
