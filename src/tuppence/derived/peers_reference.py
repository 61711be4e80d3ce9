"""The reference for comparisons with other people: plain Python over one customer.

It follows docs/explanation/insights-from-data.md step by step, under the same headings, and shares
no code with the columnar form in `peers`. Money is in minor units.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from tuppence.derived.standouts_reference import TOO_LARGE, Spent, is_payment
from tuppence.feel.values import civil


class Figures(Protocol):
    """A census, as the reference reads it."""

    @property
    def day(self) -> int:
        """The first of a month."""
        ...

    @property
    def usual(self) -> Mapping[str, Mapping[str, int]]:
        """The usual spending in a month, by cohort and category."""
        ...

    @property
    def rises(self) -> Mapping[str, Mapping[str, int]]:
        """The usual rise of last month, by currency and payee."""
        ...


class AmongPeers(NamedTuple):
    """The derived fields of a customer who is compared with others; None stands for null."""

    census_day: int | None
    above_peers: bool | None
    peer_category: str | None
    own_spending: int | None
    peer_spending: int | None


class Compared(NamedTuple):
    """The facts about a customer that the comparison depends on; None where not known.

    Attributes:
        currency: The currency.
        noticeable: The noticeable difference in it.
        birth_year: The year of birth.
        transactions: All booked transactions, in the order of the batch.
    """

    currency: str
    noticeable: int | None
    birth_year: int | None
    transactions: Sequence[Spent]


NOT_KNOWN: Final = AmongPeers(None, None, None, None, None)


def is_read(census: Figures, as_of: int) -> bool:
    """Return whether a census is read on a day."""
    return 0 <= as_of - census.day < 62


# -- people like you -------------------------------------------------------------------------------


def compare_with_peers(one: Compared, as_of: int, census: Figures | None) -> AmongPeers:
    """Return the category in which a customer spends far more than people like them."""
    if census is None or not is_read(census, as_of):
        return NOT_KNOWN
    cohort = cohort_of(one, as_of)
    usual = census.usual.get(cohort, {}) if cohort is not None else {}
    nothing = NOT_KNOWN._replace(census_day=census.day)
    if not usual or one.noticeable is None:
        return nothing
    found, most = nothing._replace(above_peers=False), 0
    for category in sorted(usual):
        recent, before = (spent_on(one, category, as_of - ago) for ago in (0, 90))
        excess = recent - 3 * usual[category]
        is_far = min(recent, before) >= 3 * 3 * usual[category] and excess >= 3 * one.noticeable
        if is_far and excess > most:
            most = excess
            found = AmongPeers(census.day, True, category, recent // 3, usual[category])
    return found


def cohort_of(one: Compared, as_of: int) -> str | None:
    """Return the cohort of a customer; None if it is not known."""
    rows = one.transactions
    if one.birth_year is None or one.noticeable is None or not rows or rows[0].day > as_of - 360:
        return None
    age = civil(as_of)[0] - one.birth_year
    income = sum(
        row.amount
        for row in rows
        if as_of - 360 < row.day <= as_of
        and row.category in {"income", "benefits"}
        and not row.own_transfer
        and 0 < row.amount < TOO_LARGE
    )
    if not 0 <= age <= 120 or income == 0:
        return None
    ages = sum(age >= bound for bound in (30, 45, 60))
    incomes = sum(income >= 12 * bound * one.noticeable for bound in (80, 120, 180, 280))
    return f"{one.currency} {ages} {incomes}"


def spent_on(one: Compared, category: str, last: int) -> int:
    """Return the purchases of a category in 90 days, less what was refunded."""
    return sum(
        max(-row.amount - max(row.refunded or 0, 0), 0)
        for row in one.transactions
        if last - 90 < row.day <= last
        and row.category == category
        and is_payment(row)
        and row.type in {"card", None}
    )


# -- a price that rose for many --------------------------------------------------------------------


def rises_in(census: Figures | None, currency: str, as_of: int) -> Mapping[str, int]:
    """Return the usual rise at each payee whose prices rose for many, by its name."""
    if census is None or not is_read(census, as_of):
        return {}
    return census.rises.get(currency, {})
