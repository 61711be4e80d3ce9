"""Recurring payments and income: found in the transactions of each account.

First every payment is put behind the earlier one of the same payee that it seems to follow, so that
several streams to one payee are told apart and a price rise continues its stream. Then streams that
are regular enough are kept.

    transactions -> payees -> chains of payments -> streams
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from tuppence.compiled import loop, part_of_loops
from tuppence.facts.batch import DTYPES, NULLS, Column, FactBatch, Table
from tuppence.facts.schema import STREAMS, Kind
from tuppence.feel.values import Date

Array = npt.NDArray[Any]

CADENCES: Final = (
    ("weekly", 7, 6, 8),
    ("fortnightly", 14, 13, 15),
    ("monthly", 30, 25, 36),
    ("every two months", 61, 55, 67),
    ("quarterly", 91, 83, 100),
    ("half-yearly", 182, 174, 192),
    ("yearly", 365, 353, 378),
)
"""Names, days, and the fewest and most days between two payments: weekends, holidays and lengths of
months leave some room. Four-weekly is told from monthly when a stream is known."""
FOUR_WEEKLY: Final = "four-weekly"
MANDATES: Final = ("direct debit", "standing order")
"""Types of payments that somebody has agreed to once: their amounts may vary."""
OF_BANK: Final = ("cash", "fee", "interest")
"""Types of transactions that nobody else is paid by, or pays."""
VARIES: Final = 60
"""Percent by which such an amount, or income, may differ from the one before it."""
RISES: Final = 25
"""Percent by which other amounts may: that much is a price rise, more is another purchase."""
LARGEST: Final = 2**53
"""In minor units: money of nobody, and more than can be computed with exactly."""
LEAST: Final = 3
"""Payments that make a stream; of a mandate one less."""
EARLY: Final = 4
"""With fewer payments a stream is early."""
SAME: Final = 0.005
"""Amounts that differ by no larger share are the same."""
_OPEN: Final = 16
"""Streams of one payee that are followed at the same time."""
_STATE: Final = 5
_FEWEST: Final = np.array([fewest for _, _, fewest, _ in CADENCES])
_MOST: Final = np.array([most for _, _, _, most in CADENCES])
_DAYS: Final = [days for _, days, _, _ in CADENCES]


FIELDS: Final = frozenset(
    {"account", "amount", "booking date", "category", "merchant", "own transfer", "text", "type"}
)
"""Of transactions: what streams are found by."""


class Found(NamedTuple):
    """Streams, before they are a table.

    Attributes:
        streams: A row each, with its `chain`.
        rows: The transactions that were looked at, with their `row` in the batch and their `chain`.
        payees: Names by number.
    """

    streams: pl.DataFrame
    rows: pl.DataFrame
    payees: tuple[str | None, ...]


def search(batch: FactBatch, as_of: Date) -> Found:
    """Find the streams of every customer of a batch, in the transactions booked until a date.

    Args:
        batch: Transactions with `FIELDS`.
        as_of: Nothing after it is known.
    """
    rows, payees = _rows(batch, as_of)
    chained = _with_renames(_chained(rows))
    return Found(_streams(chained, as_of), chained, payees)


def table_of(streams: Found, batch: FactBatch) -> Table:
    """Streams as a table: a row each, a customer's by first day, then by payee."""
    found, payees = streams.streams, streams.payees
    order = np.argsort(np.argsort(np.array([name or "" for name in payees])))
    rank = pl.Series(order.astype(np.int64)).gather(found["payee"])
    found = found.with_columns(rank=rank).sort("customer", "first date", "rank", "amount")
    offsets = np.searchsorted(found["customer"].to_numpy(), np.arange(len(batch) + 1))
    texts = {
        "account": batch.transactions.columns["account"].dictionary,
        "payee": payees,
        "category": batch.transactions.columns["category"].dictionary,
    }
    columns: dict[str, Column] = {}
    for field in STREAMS:
        series = found[field.name]
        if field.kind is Kind.TEXT and field.name not in texts:
            names = sorted(series.unique().to_list())
            codes = series.replace_strict(names, range(1, len(names) + 1), return_dtype=pl.UInt32)
            columns[field.name] = Column(
                Kind.TEXT, codes.to_numpy().astype(np.uint32), (None, *names)
            )
            continue
        series = series.fill_null(NULLS[field.kind])
        values: Array = series.to_numpy().astype(DTYPES[field.kind])
        dictionary = texts.get(field.name, (None,))
        columns[field.name] = Column(field.kind, values, tuple(dictionary), field.decimals)
    return Table(offsets.astype(np.int64), columns)


def _rows(batch: FactBatch, as_of: Date) -> tuple[pl.DataFrame, tuple[str | None, ...]]:
    """What the search needs of each transaction that is none of a customer's own transfers."""
    table = batch.transactions
    given = {name: table.columns[name] for name in FIELDS}
    types = given["type"].dictionary
    is_mandate = np.array([name in MANDATES for name in types])
    is_card = np.array([name == "card" for name in types])
    of_bank = np.array([name in OF_BANK for name in types])
    kind, amount = given["type"].values, given["amount"].values
    payee, payees = _payees(given["merchant"], given["text"])
    days = given["booking date"].values
    own = given["own transfer"].values == 1
    size = np.abs(amount)
    real = (size > 0) & (size < LARGEST)
    kept = ~own & real & ~of_bank[kind] & (payee > 0) & (days <= as_of.day)
    mandate = is_mandate[kind]
    columns = {
        "row": np.arange(int(table.offsets[-1])),
        "customer": np.repeat(np.arange(len(batch)), np.diff(table.offsets)),
        "account": given["account"].values,
        "payee": payee,
        "category": given["category"].values,
        "is_in": amount > 0,
        "day": days.astype(np.int64),
        "size": size,
        "mandate": mandate,
        "card": is_card[kind],
        "room": np.where(mandate | (amount > 0), VARIES, RISES),
    }
    return pl.DataFrame({name: values[kept] for name, values in columns.items()}), payees


def _payees(merchant: Column, text: Column) -> tuple[Array, tuple[str | None, ...]]:
    """For each row the number of its payee, 0 for none, and their names.

    A payee is the merchant, or what is left of the text without numbers, which change from payment
    to payment.
    """
    upper = pl.Series(text.dictionary, dtype=pl.String).str.to_uppercase()
    plain = upper.str.replace_all(r"[0-9*#/]+", " ").str.replace_all(r"\s+", " ")
    plain = plain.str.strip_chars().replace("", None)
    names = plain.drop_nulls().unique().sort()
    numbers = plain.replace_strict(
        names, pl.int_range(len(names), eager=True), default=None, return_dtype=pl.Int64
    )
    first = len(merchant.dictionary)
    of_text = (numbers + first).fill_null(0).to_numpy()
    payee = np.where(merchant.values > 0, merchant.values, of_text[text.values])
    return payee.astype(np.int64), (*merchant.dictionary, *names)


def _chained(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows, each with the number of its `chain` of payments that follow each other."""
    most = int(rows["payee"].to_numpy().max(initial=0)) + 1
    group = (pl.col("account").cast(pl.Int64) * most + pl.col("payee")) * 2 + pl.col("is_in")
    rows = rows.with_columns(group=group).sort("group", "day", "size", maintain_order=True)
    starts = rows.select(pl.col("group").diff().fill_null(1) != 0).to_series()
    offsets = np.append(starts.arg_true().to_numpy(), rows.height).astype(np.int64)
    chain = np.zeros(rows.height, np.int64)
    days, sizes, room = (rows[name].to_numpy().astype(np.int64) for name in ("day", "size", "room"))
    state = np.zeros(_OPEN * _STATE, np.int64)
    _link(offsets, days, sizes, room, _FEWEST, _MOST, state, chain)
    return rows.with_columns(chain=pl.Series(chain))


@loop
def _link(
    offsets: Any, days: Any, sizes: Any, room: Any, fewest: Any, most: Any, state: Any, chain: Any
) -> None:
    """Put each payment behind the one that it follows.

    `state` holds the open chains of a payee: last day, last size, payments, cadence, number.
    """
    number = 0
    for group in range(len(offsets) - 1):
        used = 0
        for i in range(offsets[group], offsets[group + 1]):
            best = -1
            least = 1 << 60
            best_cadence = -1
            for c in range(used):
                at = c * _STATE
                apart = days[i] - state[at]
                before = state[at + 1]
                change = sizes[i] - before if sizes[i] > before else before - sizes[i]
                if change * 100 > before * room[i]:  # amounts are below LARGEST: it fits
                    continue
                cadence = _cadence_of(apart, state[at + 3], fewest, most)
                if cadence < 0:
                    continue
                middle = (fewest[cadence] + most[cadence]) // 2
                off = apart - middle if apart > middle else middle - apart
                cost = off * 10 + (change * 1000 // before if before > 0 else 0)
                if change != 0:
                    cost += 500
                if state[at + 2] == 1:
                    cost += 200
                if cost < least:
                    least = cost
                    best = c
                    best_cadence = cadence
            if best < 0:
                best = used
                if used < _OPEN:
                    used += 1
                else:
                    best = 0
                    for c in range(used):
                        if state[c * _STATE] < state[best * _STATE]:
                            best = c
                state[best * _STATE + 2] = 0
                state[best * _STATE + 3] = -1
                state[best * _STATE + 4] = number
                number += 1
            elif state[best * _STATE + 3] < 0:
                state[best * _STATE + 3] = best_cadence
            state[best * _STATE] = days[i]
            state[best * _STATE + 1] = sizes[i]
            state[best * _STATE + 2] += 1
            chain[i] = state[best * _STATE + 4]


@part_of_loops
def _cadence_of(apart: int, known: int, fewest: Any, most: Any) -> int:
    """The cadence at which two payments so many days apart follow each other; -1 for none.

    A stream that is known may leave out two payments, as council tax does in winter.
    """
    if known < 0:
        for cadence in range(len(fewest)):
            if fewest[cadence] <= apart <= most[cadence]:
                return cadence
        return -1
    for times in range(1, 4):
        if times * fewest[known] <= apart <= times * most[known]:
            return known
    return -1


def _with_renames(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows, in which a chain that goes on under another name is one.

    It goes on where the old name ends after three payments or more, and one other name of the
    account, and only one, begins with just that amount when the next payment is due.
    """
    day, size = pl.col("day"), pl.col("size")
    times = np.bincount(rows["chain"].to_numpy())
    may = (times >= LEAST)[rows["chain"].to_numpy()] | rows["mandate"].to_numpy()
    chains = (
        rows.filter(may)
        .sort("chain", "day")
        .group_by("chain", maintain_order=True)
        .agg(
            pl.first("account", "is_in", "mandate"),
            pl.last("payee"),
            first=day.first(),
            last=day.last(),
            opening=size.first(),
            size=size.last(),
            times=pl.len(),
            apart=(day.last() - day.first()) / (pl.len() - 1),
        )
    )
    ended = chains.filter(pl.col("times") >= LEAST, size == pl.col("opening"))
    ended = _with_cadence(ended.with_columns(weekdays=1, spread=0))
    begun = chains.filter(pl.col("mandate") | (pl.col("times") >= LEAST))
    begun = begun.select("account", "is_in", "mandate", "chain", "payee", "first", size="opening")
    key = ["account", "is_in", "mandate", "size"]
    pairs = ended.join(begun, on=key, suffix=" after").filter(
        pl.col("payee") != pl.col("payee after"),
        (pl.col("first after") - pl.col("last")).is_between(
            pl.col("days").replace_strict(_DAYS, _FEWEST),
            pl.col("days").replace_strict(_DAYS, _MOST),
        ),
    )
    alone = (pl.len().over("chain") == 1) & (pl.len().over("chain after") == 1)
    goes_on = dict(pairs.filter(alone).select("chain after", "chain").iter_rows())
    if not goes_on:
        return rows
    begins = {chain: _beginning(chain, goes_on) for chain in goes_on}
    return rows.with_columns(pl.col("chain").replace(begins))


def _beginning(chain: int, goes_on: Mapping[int, int]) -> int:
    """The chain that the one before it goes on, and so on, began as."""
    while chain in goes_on:
        chain = goes_on[chain]
    return chain


def _streams(rows: pl.DataFrame, as_of: Date) -> pl.DataFrame:
    """The chains that are streams."""
    rows = rows.filter(pl.len().over("chain") > 1).sort("chain", "day")
    follows = pl.col("chain").diff() == 0
    day, size = pl.col("day"), pl.col("size")
    rows = rows.with_columns(
        apart=pl.when(follows).then(day.diff()),
        before=pl.when(follows).then(size.shift()),
        monthday=day.cast(pl.Date).dt.day().cast(pl.Int64),
        weekday=day % 7,
    ).with_columns(changed=(size - pl.col("before")).abs() > SAME * pl.col("before"))
    found = rows.group_by("chain", maintain_order=True).agg(
        pl.first("customer", "account", "is_in"),
        pl.last("payee", "category"),
        pl.len().cast(pl.Int64).alias("times"),
        day.first().alias("first date"),
        day.last().alias("last date"),
        size.last().alias("amount"),
        pl.col("before").last().alias("previous amount"),
        size.median().cast(pl.Int64).alias("typical amount"),
        apart=pl.col("apart").median(),
        least=pl.col("apart").quantile(0.15, "nearest"),
        most=pl.col("apart").quantile(0.85, "nearest"),
        changes=pl.col("changed").sum(),
        weekdays=pl.col("weekday").max() - pl.col("weekday").min(),
        mandate=pl.col("mandate").mean() > 0.5,
        card=pl.col("card").mean() > 0.5,
        monthday=pl.col("monthday").median().cast(pl.Int64),
        spread=pl.col("monthday").max() - pl.col("monthday").min(),
    )
    found = found.with_columns(same=1 - pl.col("changes") / (pl.col("times") - 1))
    found = _with_cadence(found)
    enough = pl.col("times") >= LEAST - pl.col("mandate").cast(pl.Int64)
    rises = pl.when(pl.col("times") > LEAST).then(1 + pl.col("times") // 6).otherwise(0)
    steady = pl.col("mandate") | pl.col("is_in") | (pl.col("changes") <= rises)
    found = found.filter(enough & steady)
    return _with_outlook(found, as_of)


def _with_cadence(found: pl.DataFrame) -> pl.DataFrame:
    """The name and the days of each chain's cadence, by the middle distance of its payments."""
    cadence, days = pl.lit(None, pl.String), pl.lit(None, pl.Int64)
    for name, between, fewest, most in CADENCES:
        here = pl.col("apart").is_between(fewest, most)
        cadence = pl.when(here).then(pl.lit(name)).otherwise(cadence)
        days = pl.when(here).then(between).otherwise(days)
    found = found.with_columns(cadence=cadence, days=days).filter(pl.col("days").is_not_null())
    by_weeks = (pl.col("apart") == 28) & (pl.col("weekdays") == 0) & (pl.col("spread") > 6)
    four = by_weeks & (pl.col("cadence") == "monthly")
    return found.with_columns(
        cadence=pl.when(four).then(pl.lit(FOUR_WEEKLY)).otherwise("cadence"),
        days=pl.when(four).then(28).otherwise("days"),
    )


def _with_outlook(found: pl.DataFrame, as_of: Date) -> pl.DataFrame:
    """When each stream is due next, how sure that is, and what state it is in."""
    monthly = pl.col("days").is_in([30, 61, 91, 182, 365])
    whole = (pl.col("days") / 30.4).round().cast(pl.Int64)
    months = pl.concat_str(whole, pl.lit("mo"))
    last = pl.col("last date").cast(pl.Date)
    first_of = last.dt.month_start().dt.offset_by(months)
    ahead = first_of.dt.offset_by(
        pl.concat_str(
            pl.min_horizontal(pl.col("monthday"), first_of.dt.month_end().dt.day()) - 1,
            pl.lit("d"),
        )
    )
    due = pl.when(monthly).then(ahead).otherwise(last + pl.duration(days=pl.col("days")))
    weekday = due.dt.weekday()
    forward = pl.when(weekday > 5).then(8 - weekday).otherwise(0)
    back = pl.when(weekday > 5).then(5 - weekday).otherwise(0)
    rolled = due + pl.duration(days=pl.when("is_in").then(back).otherwise(forward))
    jitter = (pl.col("most") - pl.col("least")).fill_null(0)
    window = pl.when(monthly).then(pl.max_horizontal(2, jitter // 4)).otherwise(1)
    regular = 1 - (jitter - 3 * monthly.cast(pl.Int64)).clip(0, None) / (pl.col("days") * 2)
    many = 1 - 0.5 ** (pl.col("times") - 1)
    steady = pl.when("mandate").then(0.7 + 0.3 * pl.col("same")).otherwise("same")
    changed = (pl.col("amount") - pl.col("previous amount")).fill_null(0)
    by_days = pl.col("amount") * (365.25 / 12) / pl.col("days")
    per_month = pl.when(monthly).then(pl.col("amount") / whole).otherwise(by_days)
    found = found.with_columns(
        rolled.cast(pl.Int64).alias("next date"),
        window.cast(pl.Int64).alias("window days"),
        changed.alias("change"),
        per_month.round().cast(pl.Int64).alias("monthly amount"),
        (1_000 * many * regular.clip(0.2, 1) * pl.max_horizontal(steady, 0.5))
        .round()
        .cast(pl.Int64)
        .alias("confidence"),
        pl.when("is_in")
        .then(pl.lit("income"))
        .when("card")
        .then(pl.lit("subscription"))
        .otherwise(pl.lit("bill"))
        .alias("kind"),
    )
    late = as_of.day > pl.col("next date") + pl.col("days") // 2 + pl.col("window days")
    return found.with_columns(
        state=pl.when(late)
        .then(pl.lit("stopped"))
        .when(pl.col("times") < EARLY)
        .then(pl.lit("early"))
        .otherwise(pl.lit("mature"))
    )
