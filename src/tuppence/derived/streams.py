"""Streams, which are recurring payments and income, for whole batches.

    chains of payments -> streams -> a table

docs/explanation/streams.md has the exact rules, `streams_reference` follows them in plain Python.
"""

from typing import Final, NamedTuple

import numpy as np
import polars as pl

from tuppence.derived.chains import (
    MIN_PAYMENTS,
    find_payments,
    join_renamed,
    link_chains,
    with_cadence,
)
from tuppence.facts.batch import DTYPES, NULLS, Array, Column, FactBatch, Table
from tuppence.facts.schema import STREAMS, FieldType
from tuppence.feel.values import Date

MIN_MATURE: Final = 4
"""Minimum number of payments of a mature stream; with fewer it is early."""
MAX_SAME: Final = 0.005
"""Maximum change of an amount, as a share of it, that still counts as the same amount."""


class FoundStreams(NamedTuple):
    """Streams of a batch, not yet a table of facts.

    Attributes:
        streams: One row per stream, with the number of its `chain`.
        rows: All payments, with their `row` in the batch and the number of their `chain`.
        payees: Names of payees by number.
    """

    streams: pl.DataFrame
    rows: pl.DataFrame
    payees: tuple[str | None, ...]


def find_streams(batch: FactBatch, as_of: Date) -> FoundStreams:
    """Find the streams of every customer of a batch, in the transactions booked until a date.

    Args:
        batch: Transactions with `FIELDS`.
        as_of: The date; later transactions are ignored.
    """
    rows, payees = find_payments(batch, as_of)
    chained = join_renamed(link_chains(rows))
    return FoundStreams(_streams(chained, as_of), chained, payees)


def table_of(streams: FoundStreams, batch: FactBatch) -> Table:
    """Return streams as a table, those of a customer ordered by first date, payee and amount.

    Streams that are equal in these are ordered by their first payments, so that the order does not
    depend on other customers of the batch.
    """
    found, payees = streams.streams, streams.payees
    rank = pl.Series(payees, dtype=pl.String).fill_null("").rank("dense")
    found = found.with_columns(rank=rank.gather(found["payee"]))
    found = found.sort("customer", "first date", "rank", "amount", "first row")
    offsets = np.searchsorted(found["customer"].to_numpy(), np.arange(len(batch) + 1))
    texts = {
        "account": batch.transactions.columns["account"].dictionary,
        "payee": payees,
        "category": batch.transactions.columns["category"].dictionary,
    }
    columns: dict[str, Column] = {}
    for field in STREAMS:
        series = found[field.name]
        if field.kind is FieldType.TEXT and field.name not in texts:
            names = sorted(series.unique().to_list())
            codes = series.replace_strict(names, range(1, len(names) + 1), return_dtype=pl.UInt32)
            columns[field.name] = Column(
                FieldType.TEXT, codes.to_numpy().astype(np.uint32), (None, *names)
            )
            continue
        series = series.fill_null(NULLS[field.kind])
        values: Array = series.to_numpy().astype(DTYPES[field.kind])
        dictionary = texts.get(field.name, (None,))
        columns[field.name] = Column(field.kind, values, tuple(dictionary), field.decimals)
    return Table(offsets.astype(np.int64), columns)


def _streams(rows: pl.DataFrame, as_of: Date) -> pl.DataFrame:
    """Return the chains that are streams."""
    rows = rows.filter(pl.len().over("chain") > 1).sort("chain", "day")
    follows = pl.col("chain").diff() == 0
    day, size = pl.col("day"), pl.col("size")
    rows = rows.with_columns(
        apart=pl.when(follows).then(day.diff()),
        before=pl.when(follows).then(size.shift()),
        monthday=day.cast(pl.Date).dt.day().cast(pl.Int64),
        weekday=day % 7,
    ).with_columns(changed=(size - pl.col("before")).abs() > MAX_SAME * pl.col("before"))
    found = rows.group_by("chain", maintain_order=True).agg(
        pl.first("customer", "account", "is_in"),
        pl.first("row").alias("first row"),
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
    found = with_cadence(found)
    enough = pl.col("times") >= MIN_PAYMENTS - pl.col("mandate").cast(pl.Int64)
    rises = pl.when(pl.col("times") > MIN_PAYMENTS).then(1 + pl.col("times") // 6).otherwise(0)
    steady = pl.col("mandate") | pl.col("is_in") | (pl.col("changes") <= rises)
    found = found.filter(enough & steady)
    return _with_outlook(found, as_of)


def _with_outlook(found: pl.DataFrame, as_of: Date) -> pl.DataFrame:
    """Add to each stream its next date, confidence, state, kind and amounts."""
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
        .when(pl.col("times") < MIN_MATURE)
        .then(pl.lit("early"))
        .otherwise(pl.lit("mature"))
    )
