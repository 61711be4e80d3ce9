"""A chart of what counted for an insight, month by month."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final, NamedTuple

MONTHS: Final = 12
"""Maximum number of bars."""
WIDTH: Final = 320
HEIGHT: Final = 96
MAX_BAR_WIDTH: Final = 40
"""Maximum width of a bar with the gap beside it."""
_GAP: Final = 4


class Bar(NamedTuple):
    """A bar of a chart.

    Attributes:
        month: The month, such as 2026-06.
        amount: Sum of the amounts of the month.
        x: Left edge.
        y: Upper edge.
        width: Width.
        height: Height.
    """

    month: str
    amount: Decimal
    x: int
    y: int
    width: int
    height: int


def bars(rows: Iterable[Mapping[str, str | None]]) -> tuple[Bar, ...]:
    """Return the bars of the last months in which something counted.

    There are none for a single month, nor where the sums of some months are above zero and those of
    others below: bars of one direction would hide the difference.

    Args:
        rows: Transactions with `booking date` and `amount`.
    """
    sums: dict[str, Decimal] = {}
    for row in rows:
        day, amount = row.get("booking date"), row.get("amount")
        if day and amount:
            sums[day[:7]] = sums.get(day[:7], Decimal(0)) + Decimal(amount)
    if len(sums) < 2 or min(sums.values()) < 0 < max(sums.values()):
        return ()
    first, last = min(sums), max(sums)
    months = list(_months(first, last))[-MONTHS:]
    most = max(abs(sums.get(month, Decimal(0))) for month in months)
    step = min(WIDTH // len(months), MAX_BAR_WIDTH)
    found = []
    for number, month in enumerate(months):
        total = sums.get(month, Decimal(0))
        height = int(abs(total) * HEIGHT / most) if most else 0
        found.append(Bar(month, total, number * step, HEIGHT - height, step - _GAP, height))
    return tuple(found)


def _months(first: str, last: str) -> Iterable[str]:
    """Yield all months from one to another."""
    year, month = map(int, first.split("-"))
    while f"{year:04}-{month:02}" <= last:
        yield f"{year:04}-{month:02}"
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
