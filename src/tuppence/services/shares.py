"""Shares of callers in something limited, such as the places in a queue."""

from collections import Counter


class Shares:
    """The amounts that callers hold of something limited.

    A caller may hold at most `factor` times of what is then free, so callers who hold less than
    others find some left: with factor 1 one caller gets half, and each further one half of the
    rest. This is the dynamic threshold of Choudhury and Hahne, "Dynamic queue length thresholds for
    shared-memory packet switches", IEEE/ACM Transactions on Networking 6(2), 1998.

    Args:
        size: Maximum total amount.
        factor: See above.

    Attributes:
        total: Amount that all callers hold.
    """

    def __init__(self, size: int, factor: int = 1) -> None:
        self._size = size
        self._factor = factor
        self._by_caller: Counter[str] = Counter()
        self.total = 0

    def of(self, caller: str) -> int:
        """Return the amount that a caller holds."""
        return self._by_caller[caller]

    def allow(self, caller: str, amount: int) -> bool:
        """Return True if a caller may hold that much more."""
        free = self._size - self.total - amount
        return self._by_caller[caller] + amount <= self._factor * free

    def allow_one(self, caller: str) -> bool:
        """Return True if a caller may hold one more; a caller who holds nothing always may."""
        return not self._by_caller[caller] or self.allow(caller, 1)

    def add(self, caller: str, amount: int = 1) -> None:
        """Add to what a caller holds."""
        self._by_caller[caller] += amount
        self.total += amount

    def remove(self, caller: str, amount: int = 1) -> None:
        """Remove from what a caller holds."""
        self.add(caller, -amount)
