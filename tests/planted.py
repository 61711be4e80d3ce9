"""A synthetic population in which some cases are planted, each with the truth about it."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np
import polars as pl

from tuppence.bankdata.calibration import WEEKLY_SPENDING
from tuppence.bankdata.synthetic import population
from tuppence.facts.batch import FactBatch, Table
from tuppence.facts.coded import batch_from, coded, ordered
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date

CARD: Final = {"type": "card"}
REGULAR: Final = ("groceries", "eating out", "transport", "clothing", "entertainment")
"""Categories of purchases that most people make every month."""
STANDOUTS: Final = ("category", "payment", "trial", "subscription")
"""Kinds of cases that compare a person with their own past."""
Row = dict[str, Any]


class Planted(NamedTuple):
    """A population, and the truth about it.

    Attributes:
        batch: The facts.
        cases: The identifiers of the customers for whom each kind of case was planted.
        old: Those whose history is long enough for every kind.
    """

    batch: FactBatch
    cases: dict[str, frozenset[str]]
    old: frozenset[str]


def planted(
    customers: int,
    seed: int,
    last: Date,
    share: float,
    large: float = 0.0,
    months: int = 15,
    kinds: Collection[str] = STANDOUTS,
) -> Planted:
    """Return a population with cases of each kind within the 30 days until `last`.

    Args:
        customers: Number of customers.
        seed: Seed of all choices.
        last: The last day with transactions.
        share: Share of customers for whom a case of each kind is planted.
        large: Share of purchases that are far larger than usual although nothing was planted.
        months: Number of months with transactions.
        kinds: The kinds of cases.
    """
    ((_, rows),) = population(customers, seed, last, months, large)
    frame = rows.transactions
    assert frame is not None
    rng = np.random.Generator(np.random.PCG64(seed))
    texts = ("account", "merchant", "category", "type", "text", "country")
    frame = frame.with_columns(
        pl.col("account").cast(pl.String).str.slice(0, 8).alias("customer"),
        *(pl.col(name).cast(pl.String) for name in texts),
    )
    first = frame.group_by("customer").agg(pl.col("booking date").min())
    old = first.filter(pl.col("booking date") <= last.day - 30 - 390)["customer"].sort().to_list()
    places = rng.permutation(len(old))
    each = int(share * len(old))
    added: list[Row] = []
    cases: dict[str, frozenset[str]] = {}
    for number, kind in enumerate(kinds):
        chosen = [old[place] for place in places[number * each : (number + 1) * each].tolist()]
        parts = frame.filter(pl.col("customer").is_in(chosen)).partition_by(
            "customer", as_dict=True
        )
        hit = set[str]()
        for (customer,), own in sorted(parts.items()):
            made = list(PLANTS[kind](rng, own, last.day))
            hit |= {str(customer)} if made else set()
            added += [{"account": f"{customer}-C", **row} for row in made]
        cases[kind] = frozenset(hit)
    count = frame.height
    numbered = [
        {"id": str(count + n), "sequence": count + n, "own transfer": False, "country": "GB", **row}
        for n, row in enumerate(added)
    ]
    columns = [name for name in frame.columns if name != "customer"]
    frame = frame.select(columns)
    if numbered:
        more = pl.DataFrame(numbered, schema_overrides=dict(frame.schema), infer_schema_length=None)
        missing = [pl.lit(None).alias(name) for name in columns if name not in more.columns]
        more = more.with_columns(missing).select(columns).cast(dict(frame.schema))  # type: ignore[arg-type]
        frame = pl.concat([frame, more])
    tables = {**rows.tables(), "transactions": frame}
    return Planted(batch_from(ordered(coded(tables, Schema())), Schema()), cases, frozenset(old))


def _much_of_a_category(rng: np.random.Generator, own: pl.DataFrame, last: int) -> Iterator[Row]:
    """Yield purchases of a month that come to five to eight times the usual of a category."""
    spent = own.filter((pl.col("amount") < 0) & pl.col("category").is_in(REGULAR))
    monthly = (
        spent.filter(pl.col("booking date") > last - 390)
        .group_by("category")
        .agg(-pl.col("amount").sum() / 13, pl.col("booking date").floordiv(30).n_unique())
        .filter((pl.col("booking date") >= 12) & (pl.col("amount") >= 3_000))
        .sort("category")
    )
    if monthly.height:
        category, usual, _ = monthly.row(int(rng.integers(monthly.height)))
        count = int(rng.integers(4, 10))
        for _ in range(count):
            size = usual * rng.uniform(5, 8) / count
            day = last - int(rng.integers(0, 26))
            yield {"booking date": day, "amount": -round(size), "category": category, **CARD}


def _slip_of_the_decimal_point(
    rng: np.random.Generator, own: pl.DataFrame, last: int
) -> Iterator[Row]:
    """Yield a payment of ten times what is usual at a merchant."""
    shops = (
        own.filter((pl.col("amount") < 0) & (pl.col("type") == "card"))
        .drop_nulls("merchant")
        .filter(pl.col("booking date") <= last - 30)
        .group_by("merchant", "category")
        .agg(-pl.col("amount").median(), pl.len())
        .filter((pl.col("len") >= 12) & (pl.col("amount") >= 300))
        .sort("merchant", "category")
    )
    if shops.height:
        merchant, category, usual, _ = shops.row(int(rng.integers(shops.height)))
        day = last - int(rng.integers(0, 26))
        size = round(10 * usual * rng.uniform(0.8, 1.25))
        what = {"merchant": merchant, "category": category, **CARD}
        yield {"booking date": day, "amount": -size, **what}


def _trial(rng: np.random.Generator, _: pl.DataFrame, last: int) -> Iterator[Row]:
    """Yield a payment for a trial, and the first full price some weeks later."""
    paid = last - int(rng.integers(0, 26))
    begun = paid - int(rng.choice([7, 14, 28, 30, 31]))
    what = {"merchant": "Trial Box", "category": "subscriptions", **CARD}
    yield {"booking date": begun, "amount": -int(rng.choice([1, 99, 100, 199])), **what}
    yield {"booking date": paid, "amount": -int(rng.choice([799, 999, 2499])), **what}


def _second_subscription(rng: np.random.Generator, own: pl.DataFrame, last: int) -> Iterator[Row]:
    """Yield a second series of payments like one that the customer pays for a subscription."""
    paid = own.filter(
        (pl.col("category") == "subscriptions") & (pl.col("booking date") > last - 185)
    )
    shift = int(rng.integers(7, 22))
    for row in paid.sort("booking date").iter_rows(named=True):
        day = row["booking date"] + shift
        if day <= last:
            what = {name: row[name] for name in ("amount", "merchant", "category", "type")}
            yield {"booking date": day, **what}


def _much_more_than_others(rng: np.random.Generator, _: pl.DataFrame, last: int) -> Iterator[Row]:
    """Yield purchases of eight months that come to five to eight times what people spend."""
    category = str(rng.choice(("clothing", "eating out", "groceries", "transport")))
    monthly = 100 * np.mean(WEEKLY_SPENDING[category]) * 52 / 12 * rng.uniform(5, 8)
    for day in range(last - 240, last + 1, 6):
        yield {"booking date": day, "amount": -round(monthly / 5), "category": category, **CARD}


def with_raised_prices(found: Planted, raised: Mapping[str, float], until: Date) -> Planted:
    """Return a population in which billers raised their prices in the month before a day.

    Args:
        found: The population.
        raised: The factor by which each biller's prices rise.
        until: The day after the month.
    """
    table = found.batch.transactions
    days, merchant = (table.columns[name] for name in ("booking date", "merchant"))
    amounts = table.columns["amount"].values.copy()
    for name, factor in raised.items():
        own = merchant.values == merchant.dictionary.index(name)
        own &= (days.values >= until.day - 30) & (days.values < until.day + 30)
        amounts[own] = np.rint(factor * amounts[own])
    columns = {**table.columns, "amount": replace(table.columns["amount"], values=amounts)}
    return found._replace(batch=replace(found.batch, transactions=Table(table.offsets, columns)))


PLANTS: Final = {
    "category": _much_of_a_category,
    "payment": _slip_of_the_decimal_point,
    "trial": _trial,
    "subscription": _second_subscription,
    "peers": _much_more_than_others,
}
