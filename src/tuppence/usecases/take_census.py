"""Takes a census of a store: figures about many customers, which rules read beside those of one.

A figure is in it only if it would be the same whichever `FEW` people joined or left those whom it
is about. So nobody can learn about a person from it, or from two of them before and after a change.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from tuppence.derived.groups import FIELDS as OF_STREAMS
from tuppence.derived.peers import FIELDS as OF_PEERS
from tuppence.derived.peers import MONTHS, spending
from tuppence.derived.streams import find_streams
from tuppence.facts.batch import FactBatch
from tuppence.facts.census import COMPARED, Census, cohort_name
from tuppence.facts.consent import Use
from tuppence.facts.permitted import PermittedFacts
from tuppence.facts.schema import AMONG_PEERS
from tuppence.feel.values import Date, civil, days_from_civil
from tuppence.plan.plan import PlannedRule
from tuppence.rules.ruleset import Ruleset
from tuppence.usecases.run import in_order

Array = npt.NDArray[Any]

LEAST: Final = 50
"""Minimum number of people whom a figure is about."""
FEW: Final = 5
"""Number of people whose joining or leaving changes no figure."""
MOST: Final = 200_000
"""Number of people of the partitions after which no other partition is counted."""
_STEPS: Final = (100, 125, 160, 200, 250, 315, 400, 500, 630, 800)
"""Figures between 100 and 1,000; others are these times a power of ten (Renard's series)."""
ROUND: Final = np.array([step * 10**power for power in range(8) for step in _STEPS], np.int64)
"""All figures that a census may have."""
_LAST_PAID: Final = 31
"""Maximum number of days before a census of the payment by which a price is said to have risen."""


class CensusStore(Protocol):
    """A locked store that keeps one census."""

    def census(self) -> Census | None:
        """Return the census, if there is one."""
        ...

    def keep_census(self, census: Census) -> None:
        """Keep a census in place of the one that is there."""
        ...

    def permitted_facts(self, use: Use) -> PermittedFacts:
        """Return the facts that consents allow to be used."""
        ...


class _Counted(NamedTuple):
    """Figures of a batch.

    Attributes:
        spent: Purchases of the people of each cohort, by person and category of `COMPARED`.
        prices: Fixed prices, a row for each payee of each person.
    """

    spent: Mapping[str, Array]
    prices: pl.DataFrame


def renew_census(
    store: CensusStore,
    ruleset: Ruleset,
    use: Use,
    threads: int = 1,
    begin: Callable[[int], Callable[[int], None]] = lambda _: lambda _: None,
) -> bool:
    """Take a census if rules read one and the store has none of the month.

    Within a month it stays the same, whatever is imported. A night of an earlier month takes none:
    its run may be refused, and the newer census belongs to the results that are kept.

    Args:
        store: The store.
        ruleset: The rules of the night.
        use: The use of facts that consents must allow; its day is that of the night.
        threads: Number of threads that count.
        begin: Called with the number of people if a census is taken; what it returns is called with
            the number of people who were counted since.

    Returns:
        Whether one was taken.
    """
    as_of = Date(use.as_of)
    year, month, _ = civil(as_of.day)
    first = Date(days_from_civil(year, month, 1))
    before = store.census()
    if before is not None and before.day >= first.day:
        return False
    if not any(_reads_census(PlannedRule(one, as_of)) for one in ruleset.rules):
        return False
    facts = store.permitted_facts(use)
    parts = parts_to_count(facts, first)
    advance = begin(sum(count for _, count in parts))
    store.keep_census(take_census(facts, first, parts, threads, advance))
    return True


def take_census(
    facts: PermittedFacts,
    first: Date,
    parts: Sequence[tuple[str, int]],
    threads: int = 1,
    advance: Callable[[int], None] = lambda _: None,
) -> Census:
    """Return the figures as of the day before the first of a month.

    Args:
        facts: The facts; people whose consents allow nothing have none.
        first: The first of the month.
        parts: The partitions that are counted, with their numbers of people: `parts_to_count`.
        threads: Number of threads that count.
        advance: Called with the number of people of each partition that was counted.
    """
    last = Date(first.day - 1)
    cohorts: dict[str, list[Array]] = {}
    prices: list[pl.DataFrame] = []

    def count(part: tuple[str, int]) -> _Counted:
        batch = facts.read(part[0], OF_STREAMS | OF_PEERS)
        return _Counted(_by_cohort(batch, last), _fixed_prices(batch, last))

    with ThreadPoolExecutor(threads) as pool:
        for (_, people), found in in_order(parts, lambda one: pool.submit(count, one), threads):
            prices.append(found.prices)
            for name, sums in found.spent.items():
                cohorts.setdefault(name, []).append(sums)
            advance(people)
    usual = {name: _usual(np.concatenate(sums)) for name, sums in sorted(cohorts.items())}
    return Census(first.day, {name: one for name, one in usual.items() if one}, _rises(prices))


def parts_to_count(facts: PermittedFacts, first: Date) -> list[tuple[str, int]]:
    """Return the partitions that a census counts: all, or as many as have `MOST` people.

    Which ones follows from a hash of their names and the month, and from nothing about people.
    """

    def key(part: tuple[str, int]) -> bytes:
        return hashlib.sha256(f"{first} {part[0]}".encode()).digest()

    drawn: list[tuple[str, int]] = []
    for part in sorted(facts.partitions(), key=key):
        if sum(count for _, count in drawn) >= MOST:
            break
        drawn.append(part)
    return drawn


def stable_median(values: Array) -> int | None:
    """Return the median, rounded up to a figure of `ROUND`.

    None if there are too few values, if it is not positive, or if it could be another figure after
    `FEW` values in all were added or removed: the median is then at most half as many places away.
    """
    count = len(values)
    if count < LEAST + FEW:
        return None
    ordered = np.sort(values)
    low, high = int(ordered[(count - FEW) // 2]), int(ordered[(count + FEW) // 2])
    places = np.searchsorted(ROUND, [low, high])
    if low <= 0 or places[0] != places[1] or places[1] == len(ROUND):
        return None
    return int(ROUND[places[0]])


def _by_cohort(batch: FactBatch, last: Date) -> Mapping[str, Array]:
    """Return the purchases of the people of each cohort, by person and category."""
    found = spending(batch, last)
    currency = batch.customers["currency"]
    keys = np.stack([currency.values, found.age, found.income])[:, found.age >= 0]
    sums = found.sums[found.age >= 0, :, 0]
    spent: dict[str, Array] = {}
    for code, age, income in np.unique(keys, axis=1).T.tolist():
        own = (keys == np.array([[code], [age], [income]])).all(axis=0)
        spent[cohort_name(str(currency.dictionary[code]), age, income)] = sums[own]
    return spent


def _usual(sums: Array) -> dict[str, int]:
    """Return what half of a cohort spends less than in a month, by category."""
    monthly = -(-sums // MONTHS)
    found = {name: stable_median(monthly[:, place]) for place, name in enumerate(COMPARED)}
    return {name: figure for name, figure in found.items() if figure is not None}


def _fixed_prices(batch: FactBatch, last: Date) -> pl.DataFrame:
    """Return the currency and the payee of fixed prices, and by how much each rose last month.

    A price is fixed if the last payment, or the one before, is the usual amount of the stream. It
    has risen if the one before was, and the last is more. A person counts once at each payee.
    """
    table = find_streams(batch, last).table
    column = {name: one.values for name, one in table.columns.items()}
    kind, state = table.columns["kind"].dictionary, table.columns["state"].dictionary
    amount, previous, usual = (column[f"{n}amount"] for n in ("", "previous ", "typical "))
    kept = np.isin(column["kind"], [kind.index("bill"), kind.index("subscription")])
    kept &= column["state"] == state.index("mature")
    kept &= column["last date"] > last.day - _LAST_PAID
    kept &= (amount == usual) | (previous == usual)
    rises = np.where((previous == usual) & (amount > previous), amount - previous, 0)
    currency = batch.customers["currency"]
    owner = np.repeat(np.arange(len(batch)), table.row_counts)
    names = pl.Series(table.columns["payee"].dictionary, dtype=pl.String)
    currencies = pl.Series(currency.dictionary, dtype=pl.String)
    return pl.DataFrame(
        {
            "owner": owner[kept],
            "currency": currencies.gather(currency.values[owner][kept]),
            "payee": names.gather(column["payee"][kept]),
            "rise": (10_000 * rises // previous)[kept],
        }
    ).unique(["owner", "payee"], keep="first", maintain_order=True)


def _rises(prices: Iterable[pl.DataFrame]) -> dict[str, dict[str, int]]:
    """Return the usual rise of each payee whose price rose for many, and for most."""
    found: dict[str, dict[str, int]] = {}
    groups = pl.concat(prices).group_by("currency", "payee").agg("rise") if prices else None
    for currency, payee, rise in [] if groups is None else groups.sort("currency", "payee").rows():
        rises = np.array(rise, np.int64)
        risen = rises[rises > 0]
        figure = stable_median(risen)
        if figure is not None and 2 * (len(risen) - FEW) >= len(rises):
            found.setdefault(currency, {})[payee] = figure
    return found


def _reads_census(rule: PlannedRule) -> bool:
    return not (AMONG_PEERS | {"rise of many"}).isdisjoint(rule.names)
