"""The second step of the reference for streams: the chains that payments form.

It follows docs/explanation/streams.md step by step, under the same headings and names, and shares
no code with the columnar form in `chains`; `streams_reference` goes on from here. Money is in minor
units, dates are days since 1970-01-01.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from tuppence.derived.payments_reference import Payee, Payment

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
YEARLY: Final = CADENCES[-1]
FOUR_WEEKLY: Final = Cadence("four-weekly", 28, 25, 36)


def cadence_of(gap: float) -> Cadence | None:
    """Return the cadence in whose window a gap lies."""
    for cadence in CADENCES:
        if cadence.fewest <= gap <= cadence.most:
            return cadence
    return None


# -- chains ----------------------------------------------------------------------------------------

Group = Sequence[Payment]
GroupKey = tuple[str, Payee, bool]
PLACES: Final = 16


@dataclass(slots=True, eq=False)
class Chain:
    """A series of payments in which each seems to follow the one before it.

    Attributes:
        payments: Payments by day, at least one.
        cadence: The cadence that its second payment, or its dues, fixed.
        is_due: Whether it is one of several yearly dues, of which three were paid again.
    """

    payments: list[Payment]
    cadence: Cadence | None = None
    is_due: bool = False

    @property
    def first(self) -> Payment:
        """The first payment."""
        return self.payments[0]

    @property
    def last(self) -> Payment:
        """The last payment."""
        return self.payments[-1]


def key_of(payment: Payment) -> GroupKey:
    """Return the account, the payee and the direction of a payment."""
    return payment.account, payment.payee, payment.is_income


def groups_of(payments: Sequence[Payment]) -> dict[GroupKey, Group]:
    """Return the payments of each group, by day and size."""
    groups: dict[GroupKey, list[Payment]] = {}
    for payment in sorted(payments, key=lambda payment: (payment.day, payment.size)):
        groups.setdefault(key_of(payment), []).append(payment)
    return {**groups}


def make_chains(groups: Mapping[GroupKey, Group], as_of: int) -> list[Chain]:
    """Return the chains of all groups, at new prices and under new names too."""
    chains: list[Chain] = []
    for group in groups.values():
        found = several_dues(group)
        if found is None:
            found = link_one_by_one(group, as_of)
        chains += at_new_prices(found, group)
    return under_new_names(chains)


# -- several dues ----------------------------------------------------------------------------------


def several_dues(group: Group) -> list[Chain] | None:
    """Return the chains of a group that is best read as several dues of one cadence."""
    if not 3 <= len(group) <= 64 or any(payment.size >= 2**43 for payment in group):
        return None
    for cadence in CADENCES:
        if cadence.name in {"quarterly", "half-yearly", "yearly"}:
            chains = dues_of(group, cadence)
            if chains is not None and explain_more(chains, group, cadence):
                return chains
    return None


def dues_of(group: Group, cadence: Cadence) -> list[Chain] | None:
    """Return a group as dues of a cadence, or None if not each payment fits."""
    opening = [p for p in group if p.day < group[0].day + cadence.fewest]
    if not 2 <= len(opening) <= 4:
        return None
    chains = [Chain([payment], cadence) for payment in opening]
    for payment in group[len(opening) :]:
        fitting = [
            chain
            for chain in chains
            if cadence.fewest <= payment.day - chain.last.day <= cadence.most
            and 4 * abs(payment.size - chain.last.size) <= chain.last.size
        ]
        if not fitting:
            return None
        min(fitting, key=lambda c: distance(payment, c, cadence)).payments.append(payment)
    joined = len(group) - len(opening)
    for chain in chains:
        chain.is_due = joined >= 3 and cadence == YEARLY
        if len(chain.payments) == 1:
            chain.cadence = None
    return chains


def explain_more(chains: Sequence[Chain], group: Group, cadence: Cadence) -> bool:
    """Return whether several dues explain a group better than a single bill."""
    changes = [change for chain in chains for change in changes_within(chain.payments)]
    alone = changes_within(group)
    if not changes or sum(alone) == 0:
        return False
    times = 1 if cadence == YEARLY else 2
    if times * sum(changes) * len(alone) > sum(alone) * len(changes):
        return False
    cadences = {cadence_of(b.day - a.day) for a, b in pairwise(group)}
    if len(cadences) == 1 and None not in cadences:
        return len(changes) >= 2 and 2 * changes.count(0) >= len(changes)
    return True


def changes_within(payments: Group) -> list[int]:
    """Return the difference between the sizes of each payment and the one before it."""
    return [abs(b.size - a.size) for a, b in pairwise(payments)]


def distance(payment: Payment, chain: Chain, cadence: Cadence) -> int:
    """Return how badly a payment fits a chain, by its day and its size."""
    gap = payment.day - chain.last.day
    change = abs(payment.size - chain.last.size)
    middle = (cadence.fewest + cadence.most) // 2
    return 10 * abs(gap - middle) + 1000 * change // chain.last.size


# -- one by one ------------------------------------------------------------------------------------


def link_one_by_one(group: Group, as_of: int) -> list[Chain]:
    """Return the chains of a group in which each payment joins the chain that it fits best."""
    chains: list[Chain] = []
    places: list[Chain] = []
    for number, payment in enumerate(group):
        following = group[number + 1 : number + 65]
        best = best_candidate(payment, places, following, as_of)
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


def best_candidate(
    payment: Payment, places: Sequence[Chain], following: Group, as_of: int
) -> tuple[Chain, Cadence] | None:
    """Return the candidate with the lowest cost, and its cadence."""
    best: tuple[Chain, Cadence] | None = None
    lowest = 0
    for chain in places:
        if not amount_fits(payment, chain.last):
            continue
        cadence = fitting_cadence(payment, chain)
        if cadence is None:
            continue
        if chain.cadence is None and not is_confirmed(payment, cadence, following, as_of):
            continue
        if payment.size != chain.last.size and comes_unchanged(chain, cadence, following):
            continue
        cost = cost_of(payment, chain, cadence)
        if best is None or cost < lowest:
            best, lowest = (chain, cadence), cost
    return best


def is_confirmed(payment: Payment, cadence: Cadence, following: Group, as_of: int) -> bool:
    """Return whether a second payment may fix a cadence."""
    return (
        cadence.name not in {"weekly", "fortnightly"}
        or as_of <= payment.day + cadence.most
        or any(
            cadence.fewest <= after.day - payment.day <= cadence.most
            and amount_fits(after, payment)
            for after in following
        )
    )


def comes_unchanged(chain: Chain, cadence: Cadence, following: Group) -> bool:
    """Return whether a later payment has the chain's size and comes in time."""
    return any(
        after.size == chain.last.size
        and cadence.fewest <= after.day - chain.last.day <= cadence.most
        for after in following
    )


def amount_fits(payment: Payment, before: Payment) -> bool:
    """Return whether the payment's size differs little enough from that of the one before."""
    allowed = 60 if payment.by_mandate or payment.is_income else 25
    return 100 * abs(payment.size - before.size) <= allowed * before.size


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
    cost = distance(payment, chain, cadence)
    if payment.size != chain.last.size:
        cost += 500
    if len(chain.payments) == 1:
        cost += 200
    return cost


# -- new prices, renamed payees --------------------------------------------------------------------


def at_new_prices(chains: Sequence[Chain], group: Group) -> list[Chain]:
    """Return the chains of a group, with those joined that continue each other at a new price."""
    followers = [(a, b) for a in chains if (b := only_follower(a, chains)) is not None]
    return join(chains, [(a, b) for a, b in followers if is_new_price(a, b, group)])


def only_follower(a: Chain, chains: Sequence[Chain]) -> Chain | None:
    """Return the chain that begins when A's next payment is expected, if there is only one."""
    found = [b for b in chains if begins_in_time(a, b)]
    return found[0] if len(found) == 1 else None


def begins_in_time(a: Chain, b: Chain) -> bool:
    """Return whether B begins when A's next payment is expected."""
    gap = b.first.day - a.last.day
    return a.cadence is not None and a.cadence.fewest <= gap <= a.cadence.most


def is_new_price(a: Chain, b: Chain, group: Group) -> bool:
    """Return whether B, which follows A in time, is more than a purchase."""
    if b.cadence not in {None, a.cadence}:
        return False
    if len(b.payments) >= 3:
        return True
    others = len(group) - len(a.payments) - len(b.payments)
    sizes = a.last.size, b.first.size
    return len(a.payments) >= 3 and max(sizes) <= 2 * min(sizes) and others < len(a.payments)


def under_new_names(chains: Sequence[Chain]) -> list[Chain]:
    """Return the chains, with those joined whose payee changed its name."""
    long = [chain for chain in chains if len(chain.payments) >= 3]
    ended = [chain for chain in long if chain.first.size == chain.last.size]
    begun = [chain for chain in chains if len(chain.payments) >= 3 or chain.first.by_mandate]
    return join(chains, [(a, b) for a in ended for b in begun if is_renamed(a, b)])


def is_renamed(a: Chain, b: Chain) -> bool:
    """Return whether B begins where and when A's next payment is expected, under another name."""
    return (
        a.last.size == b.first.size
        and a.first.account == b.first.account
        and a.first.is_income == b.first.is_income
        and a.first.by_mandate == b.first.by_mandate
        and a.last.payee != b.first.payee
        and begins_in_time(a, b)
    )


def join(chains: Sequence[Chain], pairs: Sequence[tuple[Chain, Chain]]) -> list[Chain]:
    """Return the chains, with the pairs joined whose chains are in no other pair as A or as B."""
    times_a = Counter(a for a, _ in pairs)
    times_b = Counter(b for _, b in pairs)
    next_of = {a: b for a, b in pairs if times_a[a] == times_b[b] == 1}
    continuations = set(next_of.values())
    return [with_continuations(c, next_of) for c in chains if c not in continuations]


def with_continuations(chain: Chain, next_of: Mapping[Chain, Chain]) -> Chain:
    """Return a chain with the payments of the chain that continues it, and so on."""
    whole = Chain([*chain.payments], chain.cadence, chain.is_due)
    while chain in next_of:
        chain = next_of[chain]
        whole.payments += chain.payments
    return whole
