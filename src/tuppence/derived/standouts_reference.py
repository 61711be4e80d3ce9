"""The reference for amounts that stand out among earlier ones: plain Python over one customer.

It follows docs/explanation/insights-from-data.md step by step, under the same headings, and shares
no code with the columnar form in `standouts`, `merchants` and `categories`. Money is in minor
units.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final, NamedTuple


class Spent(NamedTuple):
    """A transaction as the reference reads it; None stands for null.

    Attributes:
        day: Day of booking.
        amount: Signed amount.
        own_transfer: Whether it is between the customer's own accounts.
        type: Way of payment.
        category: Category.
        merchant: Merchant.
        refunded: Refunded amount.
    """

    day: int
    amount: int
    own_transfer: bool
    type: str | None
    category: str | None
    merchant: str | None
    refunded: int | None


class AtMerchant(NamedTuple):
    """The derived fields of a transaction that compare it with others; None stands for null."""

    unusual: bool | None
    largest_before: int | None
    after_trial: bool


class UnusualCategory(NamedTuple):
    """The derived fields of a customer about spending; None stands for null."""

    unusual_category: str | None
    unusual_spending: int | None
    usual_spending: int | None


TOO_LARGE: Final = 2**30
NOTHING: Final = UnusualCategory(None, None, None)


def stands_out(amount: int, earlier: Sequence[int], noticeable: int, factor: int) -> bool:
    """Return whether an amount stands out among earlier ones by a factor."""
    largest = max(earlier)
    is_far = amount * doubled_median(earlier) >= 2 * factor * largest**2
    return is_far and amount - largest >= noticeable


def is_payment(row: Spent) -> bool:
    """Return whether a transaction is a payment."""
    return (
        -TOO_LARGE < row.amount < 0
        and not row.own_transfer
        and row.type not in {"cash", "fee", "interest"}
    )


def doubled_median(values: Sequence[int]) -> int:
    """Return twice the median, which is a whole number."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] + ordered[-1 - middle]


# -- payments at merchants -------------------------------------------------------------------------


def compare_at_merchants(transactions: Sequence[Spent], noticeable: int | None) -> list[AtMerchant]:
    """Return the derived fields of each transaction of one customer.

    Args:
        transactions: All transactions of the customer, in the order of the batch.
        noticeable: The noticeable difference in the customer's currency; None if not known.
    """
    at_merchant: defaultdict[str, list[Spent]] = defaultdict(list)
    largest_at: defaultdict[str, int] = defaultdict(int)
    found = []
    for row in transactions:
        unusual: bool | None = None if noticeable is None else False
        largest_before, after_trial = None, False
        if row.merchant is not None and is_payment(row):
            earlier, largest, size = (
                at_merchant[row.merchant],
                largest_at[row.merchant],
                -row.amount,
            )
            after_trial = is_after_trial(row, earlier)
            if len(earlier) >= 12:
                largest_before = largest
                if noticeable is not None and size - largest >= noticeable:
                    unusual = stands_out(size, [-one.amount for one in earlier], noticeable, 3)
            earlier.append(row)
            largest_at[row.merchant] = max(largest, size)
        found.append(AtMerchant(unusual, largest_before, after_trial))
    return found


def is_after_trial(row: Spent, earlier: Sequence[Spent]) -> bool:
    """Return whether a payment is the first of a full price, after one payment for a trial."""
    if len(earlier) != 1 or row.type not in {"card", None} or row.category != "subscriptions":
        return False
    (trial,) = earlier
    return 3 <= row.day - trial.day <= 35 and 3 * -trial.amount <= -row.amount


# -- spending on categories ------------------------------------------------------------------------


def find_unusual_category(
    transactions: Sequence[Spent], as_of: int, noticeable: int | None
) -> UnusualCategory:
    """Return the category whose spending in the last 30 days is unusual for a customer.

    Args:
        transactions: All transactions of the customer, in the order of the batch.
        as_of: The date.
        noticeable: The noticeable difference in the customer's currency; None if not known.
    """
    if noticeable is None or not transactions or transactions[0].day > as_of - 390:
        return NOTHING
    found, most = NOTHING, 0
    for name, periods in purchases_of_periods(transactions, as_of).items():
        recent, *earlier = map(sum, periods)
        is_looked_at = min(earlier) > 0 and max(recent, *earlier) < TOO_LARGE
        others = recent - max(periods[0], default=0)
        excess = 2 * recent - doubled_median(earlier)
        if is_looked_at and stands_out(others, earlier, noticeable, 2) and excess > most:
            found, most = UnusualCategory(name, recent, doubled_median(earlier) // 2), excess
    return found


def purchases_of_periods(transactions: Sequence[Spent], as_of: int) -> dict[str, list[list[int]]]:
    """Return the purchases of each category in 13 periods of 30 days, the last one first."""
    purchases: dict[str, list[list[int]]] = {}
    for row in transactions:
        age = as_of - row.day
        if (
            0 <= age < 390
            and row.category is not None
            and is_payment(row)
            and row.type in {"card", None}
        ):
            own = purchases.setdefault(row.category, [[] for _ in range(13)])
            own[age // 30].append(max(-row.amount - max(row.refunded or 0, 0), 0))
    return purchases
