"""The first half of the reference for streams: payments, and the chains that they form.

It follows docs/explanation/streams.md step by step, under the same headings and names, and shares
no code with the columnar form in `streams`; `streams_reference` goes on from here. Money is in
minor units, dates are days since 1970-01-01.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

# -- payments and payees ---------------------------------------------------------------------------


class Transaction(NamedTuple):
    """The fields of a transaction that streams and forecasts depend on; None stands for null."""

    account: str
    day: int
    amount: int
    own_transfer: bool
    type: str | None
    category: str | None
    merchant: str | None
    text: str | None


class Payee(NamedTuple):
    """A merchant, or a name made from a text."""

    name: str
    is_merchant: bool


class Payment(NamedTuple):
    """A payment and its position among the transactions."""

    position: int
    account: str
    payee: Payee
    is_income: bool
    day: int
    size: int
    by_mandate: bool
    by_card: bool
    category: str | None


TOO_LARGE: Final = 2**52
NOISE: Final = re.compile(r"[0-9*#/]+")
WHITE_SPACE: Final = re.compile(
    r"[\u0009-\u000d\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+"
)
"""Runs of the characters with Unicode's property White_Space; Python's own class has four more."""


def find_payments(transactions: Sequence[Transaction], as_of: int) -> list[Payment]:
    """Return the transactions that are payments, in their order."""
    payments = []
    for position, row in enumerate(transactions):
        payee = payee_of(row)
        if (
            row.day <= as_of
            and not row.own_transfer
            and row.type not in {"cash", "fee", "interest"}
            and 0 < abs(row.amount) < TOO_LARGE
            and payee is not None
        ):
            payments.append(
                Payment(
                    position,
                    row.account,
                    payee,
                    row.amount > 0,
                    row.day,
                    abs(row.amount),
                    row.type in {"direct debit", "standing order"},
                    row.type == "card",
                    row.category,
                )
            )
    return payments


def payee_of(row: Transaction) -> Payee | None:
    """Return the merchant, or else the text without its numbers."""
    if row.merchant is not None:
        return Payee(row.merchant, is_merchant=True)
    without_numbers = NOISE.sub(" ", (row.text or "").upper())
    name = WHITE_SPACE.sub(" ", without_numbers).strip(" ")
    return Payee(name, is_merchant=False) if name else None


# -- cadences --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cadence:
    """A cadence and its window of `fewest` to `most` days; `months` is 0 if it counts in days."""

    name: str
    days: int
    fewest: int
    most: int
    months: int = 0


CADENCES: Final = (
    Cadence("weekly", 7, 6, 8),
    Cadence("fortnightly", 14, 13, 15),
    Cadence("monthly", 30, 25, 36, 1),
    Cadence("every two months", 61, 55, 67, 2),
    Cadence("quarterly", 91, 83, 100, 3),
    Cadence("half-yearly", 182, 174, 192, 6),
    Cadence("yearly", 365, 353, 378, 12),
)
FOUR_WEEKLY: Final = Cadence("four-weekly", 28, 25, 36)


def cadence_of(gap: float) -> Cadence | None:
    """Return the cadence in whose window a gap lies."""
    for cadence in CADENCES:
        if cadence.fewest <= gap <= cadence.most:
            return cadence
    return None


# -- chains ----------------------------------------------------------------------------------------

PLACES: Final = 16


@dataclass(slots=True, eq=False)
class Chain:
    """A series of payments in which each seems to follow the one before it.

    Attributes:
        payments: At least one, by day.
        cadence: The cadence that its second payment fixes.
    """

    payments: list[Payment]
    cadence: Cadence | None = None

    @property
    def first(self) -> Payment:
        """The first payment."""
        return self.payments[0]

    @property
    def last(self) -> Payment:
        """The last payment."""
        return self.payments[-1]


def link_chains(payments: Sequence[Payment]) -> list[Chain]:
    """Return the chains of all groups of an account, a payee and a direction."""
    groups: dict[tuple[str, Payee, bool], list[Payment]] = {}
    for payment in payments:
        key = (payment.account, payment.payee, payment.is_income)
        groups.setdefault(key, []).append(payment)
    return [chain for group in groups.values() for chain in link_group(group)]


def link_group(payments: Sequence[Payment]) -> list[Chain]:
    """Return the chains of one group."""
    chains: list[Chain] = []
    places: list[Chain] = []
    for payment in sorted(payments, key=lambda payment: (payment.day, payment.size)):
        best = best_candidate(payment, places)
        if best is not None:
            chain, cadence = best
            chain.payments.append(payment)
            chain.cadence = cadence
            continue
        opened = Chain([payment])
        chains.append(opened)
        if len(places) < PLACES:
            places.append(opened)
        else:
            earliest = min(range(PLACES), key=lambda place: places[place].last.day)
            places[earliest] = opened
    return chains


def best_candidate(payment: Payment, places: Sequence[Chain]) -> tuple[Chain, Cadence] | None:
    """Return the candidate with the lowest cost, and its cadence."""
    best: tuple[Chain, Cadence] | None = None
    lowest = 0
    for chain in places:
        if not amount_fits(payment, chain):
            continue
        cadence = fitting_cadence(payment, chain)
        if cadence is None:
            continue
        cost = cost_of(payment, chain, cadence)
        if best is None or cost < lowest:
            best, lowest = (chain, cadence), cost
    return best


def amount_fits(payment: Payment, chain: Chain) -> bool:
    """Return whether the payment's size differs little enough from the chain's last one."""
    allowed = 60 if payment.by_mandate or payment.is_income else 25
    return 100 * abs(payment.size - chain.last.size) <= allowed * chain.last.size


def fitting_cadence(payment: Payment, chain: Chain) -> Cadence | None:
    """Return the cadence at which the payment follows the chain."""
    gap = payment.day - chain.last.day
    if chain.cadence is None:
        return cadence_of(gap)
    for times in (1, 2, 3):
        if times * chain.cadence.fewest <= gap <= times * chain.cadence.most:
            return chain.cadence
    return None


def cost_of(payment: Payment, chain: Chain, cadence: Cadence) -> int:
    """Return the cost of linking the payment to the chain."""
    gap = payment.day - chain.last.day
    change = abs(payment.size - chain.last.size)
    cost = 10 * abs(gap - (cadence.fewest + cadence.most) // 2)
    cost += 1000 * change // chain.last.size
    if change != 0:
        cost += 500
    if len(chain.payments) == 1:
        cost += 200
    return cost


# -- renamed payees --------------------------------------------------------------------------------


def join_renamed(chains: Sequence[Chain]) -> list[list[Payment]]:
    """Return the payments of each chain, with chains joined whose payee changed its name."""
    ended = [chain for chain in chains if cadence_of_ended(chain) is not None]
    begun = [chain for chain in chains if len(chain.payments) >= 3 or chain.first.by_mandate]
    pairs = [(a, b) for a in ended for b in begun if continues(a, b)]
    times_a = Counter(a for a, _ in pairs)
    times_b = Counter(b for _, b in pairs)
    next_of = {a: b for a, b in pairs if times_a[a] == times_b[b] == 1}
    continuations = set(next_of.values())
    return [payments_of(chain, next_of) for chain in chains if chain not in continuations]


def cadence_of_ended(chain: Chain) -> Cadence | None:
    """Return the cadence of a chain that may continue under another name."""
    times = len(chain.payments)
    if times < 3 or chain.first.size != chain.last.size:
        return None
    return cadence_of((chain.last.day - chain.first.day) / (times - 1))


def continues(a: Chain, b: Chain) -> bool:
    """Return whether B begins where and when A's next payment is expected."""
    cadence = cadence_of_ended(a)
    return (
        cadence is not None
        and a.first.account == b.first.account
        and a.first.is_income == b.first.is_income
        and a.first.payee != b.first.payee
        and a.first.by_mandate == b.first.by_mandate
        and a.last.size == b.first.size
        and cadence.fewest <= b.first.day - a.last.day <= cadence.most
    )


def payments_of(chain: Chain, next_of: Mapping[Chain, Chain]) -> list[Payment]:
    """Return the payments of a chain, of the chain that continues it, and so on."""
    payments = [*chain.payments]
    while chain in next_of:
        chain = next_of[chain]
        payments += chain.payments
    return payments
