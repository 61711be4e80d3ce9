"""A synthetic population of the United Kingdom: customers, accounts and their transactions.

All customers are invented. The number, mix and amounts of transactions follow the figures of
`calibration`; other habits (pay days, direct debits that roll over weekends, price rises in spring,
transfers to savings) are plausible, not measured. The same arguments always give the same rows.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import polars as pl

from tuppence.bankdata.synthetic_events import (
    CATEGORIES,
    COUNTRIES,
    MERCHANTS,
    TYPES,
    Book,
    Months,
    add_bills,
    add_fees,
    add_income,
    add_purchases,
    add_savings,
    calendar_until,
)
from tuppence.bankdata.synthetic_people import (
    CURRENT,
    SAVINGS,
    Array,
    People,
    account_ids,
    accounts_of,
    customers_of,
    make_people,
)
from tuppence.facts.rows import Rows, with_confidence
from tuppence.feel.values import Date

CUSTOMERS_PER_PARTITION: Final = 10_000
LARGE_PURCHASES: Final = 0.0008


def population(
    customers: int, seed: int, until: Date, months: int, large: float = LARGE_PURCHASES
) -> Iterator[tuple[int, Rows]]:
    """Generate the population, partition by partition.

    Args:
        customers: Number of customers.
        seed: Seed of all random choices.
        until: The last day with transactions.
        months: Number of calendar months with transactions, including that of the last day.
        large: Share of purchases that are far larger than usual; it changes no other row.

    Yields:
        The number of transactions of a partition, and its rows.
    """
    calendar = calendar_until(until, months)
    for number, first in enumerate(range(0, customers, CUSTOMERS_PER_PARTITION)):
        count = min(CUSTOMERS_PER_PARTITION, customers - first)
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, number])))
        people = make_people(rng, count)
        book = Book()
        add_income(rng, people, calendar, book)
        add_bills(rng, people, calendar, book)
        add_savings(rng, people, calendar, book)
        add_purchases(rng, people, calendar, book, large)
        add_fees(rng, people, calendar, book)
        names = np.array([f"C{i:07d}" for i in range(first + 1, first + count + 1)])
        transactions = _transactions(rng, people, calendar, book, names)
        customers_frame = customers_of(rng, people, names, until)
        rows = Rows(customers_frame, accounts_of(rng, people, names), transactions)
        yield transactions.height, rows


def _transactions(
    rng: np.random.Generator, people: People, calendar: Months, book: Book, names: Array
) -> pl.DataFrame:
    """Return all transactions as a frame in the order of a store, with running balances."""
    customer, day = book.column("customer", np.int64), book.column("day", np.int64)
    joined = calendar.last_day - people.tenure[customer]  # the bank delivers two months before
    first = np.maximum(calendar.starts[0], joined - 60)
    inside = (day >= first) & (day <= calendar.last_day)
    shuffle = rng.integers(0, 1 << 20, len(day))  # the order within a day
    order = np.argsort(((customer << 17) + day << 20) + shuffle, kind="stable")
    order = order[inside[order]]
    customer, day = customer[order], day[order]
    kind = book.column("account", np.int64)[order]
    amount = book.column("amount", np.int64)[order]
    account = customer * 2 + kind
    ids = np.stack([account_ids(names, CURRENT), account_ids(names, SAVINGS)], axis=1).ravel()
    opening = np.stack([people.opening, people.opening * 1.5], axis=1).ravel()
    refunded = book.column("refunded", np.int64)[order]
    count = len(day)
    frame = pl.DataFrame(
        {
            "id": pl.int_range(count, eager=True).cast(pl.String),
            "sequence": pl.int_range(count, eager=True),
            "booking date": pl.Series(day.astype(np.int32)),
            "amount": pl.Series(amount),
            "category": _enum(book.column("category", np.int16)[order], CATEGORIES),
            "merchant": _enum(book.column("merchant", np.int16)[order], MERCHANTS),
            "type": _enum(book.column("type", np.int16)[order], TYPES),
            "text": _enum(
                book.column("text", np.int16)[order], [name.upper() for name in MERCHANTS]
            ),
            "refunded": pl.Series(refunded),
            "country": _enum(book.column("country", np.int16)[order], COUNTRIES),
            "own transfer": pl.Series(book.column("own", np.bool_)[order]),
            "account": _enum(account, ids.tolist()),
            "balance": pl.Series(_balances(account, amount, np.rint(opening * 100))),
        }
    )
    empty: dict[str, type[pl.DataType]] = dict.fromkeys(
        ("category confidence", "merchant confidence"), pl.Int64
    )
    empty |= {"foreign currency": pl.String}
    return with_confidence(
        frame.with_columns(
            pl.col("refunded").replace(0, None),
            *(pl.lit(None, kind).alias(name) for name, kind in empty.items()),
        )
    )


def _enum(codes: Array, names: Sequence[str]) -> pl.Series:
    series = pl.Series(np.where(codes < 0, 0, codes).astype(np.uint32)).cat.to(pl.Enum(names))
    if (codes < 0).any():
        return series.set(pl.Series(codes < 0), None)
    return series


def _balances(account: Array, amount: Array, opening: Array) -> Array:
    """Return the account's balance after each transaction, in minor units."""
    order = np.argsort(account, kind="stable")
    sums = np.cumsum(amount[order])
    sorted_accounts = account[order]
    first = np.flatnonzero(np.diff(sorted_accounts, prepend=-1))
    before = (sums - amount[order])[first]
    base = np.repeat(before, np.diff(np.append(first, len(sums))))
    balances = np.empty(len(sums), np.int64)
    balances[order] = sums - base + opening[sorted_accounts].astype(np.int64)
    return balances
