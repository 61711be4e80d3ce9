"""Measures how fast an import finds merchants and categories.

    python benchmarks/enrichment/run.py

Two million transactions with some 49,000 different texts, without merchants and categories: once by
a new enricher, then five times by one that remembers. Prints transactions a second.
"""

import statistics
import time

import polars as pl

from tuppence.bankdata.enrichment.enricher import Enricher
from tuppence.bankdata.synthetic import population
from tuppence.feel.values import Date, days_from_civil

COUNT, CUSTOMERS, SEED, MONTHS, NUMBERS, TIMES = 2_000_000, 2_500, 3, 13, 500, 5
KEY = ("text", "type", pl.col("amount") < 0)


def main() -> None:
    """Measure, and print the rates."""
    ((_, rows),) = population(CUSTOMERS, SEED, Date(days_from_civil(2026, 6, 30)), MONTHS)
    assert rows.transactions is not None
    number = (pl.int_range(pl.len()) % NUMBERS).cast(pl.String)  # like the number of a shop
    bare = pl.concat([rows.transactions.with_columns(pl.col(pl.Enum).cast(pl.String))] * 2).head(
        COUNT
    )
    bare = bare.with_columns(
        pl.concat_str("text", number, separator=" ").alias("text"),
        *(pl.lit(None, pl.String).alias(name) for name in ("merchant", "category")),
        *(pl.lit(None, pl.Int64).alias(f"{name} confidence") for name in ("merchant", "category")),
    )
    assert bare.height == COUNT
    enricher, taken = Enricher(), []
    for _ in range(1 + TIMES):
        began = time.perf_counter()
        enricher.enriched(bare)
        taken.append(time.perf_counter() - began)
    print(f"{COUNT:,} transactions, {bare.select(*KEY).n_unique():,} different")
    print(f"the first time: {COUNT / taken[0]:,.0f} a second")
    print(f"after that: {COUNT / statistics.median(taken[1:]):,.0f} a second (median of {TIMES})")


main()
