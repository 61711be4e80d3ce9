"""Payments of one person, and the streams that are found in them, for tests."""

import datetime
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl
from tests.building import day
from tests.halves import assert_same

from tuppence.derived.streams import find_streams
from tuppence.facts.batch import FactBatch
from tuppence.facts.coded import batch_from, coded, ordered
from tuppence.facts.rows import POLARS_TYPES, columns
from tuppence.facts.schema import Schema
from tuppence.feel.values import Date, parse_date

AS_OF = "2026-06-30"


Row = tuple[str, int]


def date(text: str) -> Date:
    found = parse_date(text)
    assert found is not None
    return found


def frame(table: str, given: Sequence[dict[str, Any]]) -> pl.DataFrame:
    types = {name: POLARS_TYPES[field.kind] for name, field in columns(table, Schema()).items()}
    return pl.DataFrame([{name: row.get(name) for name in types} for row in given], schema=types)


def batch_of(transactions: pl.DataFrame, currency: str = "GBP") -> FactBatch:
    """Return facts with one customer per account."""
    accounts = transactions["account"].unique(maintain_order=True).to_list()
    tables = {
        "customers": frame("customers", [{"id": one, "currency": currency} for one in accounts]),
        "accounts": frame(
            "accounts", [{"id": one, "customer": one, "type": "current"} for one in accounts]
        ),
        "transactions": transactions,
    }
    return batch_from(ordered(coded(tables, Schema())), Schema())


def find(batch: FactBatch, as_of: Date) -> pl.DataFrame:
    """Return the streams, with texts as String, ordered by account, payee and first day."""
    found = find_streams(batch, as_of).table
    assert found.offsets[-1] == len(found.columns["payee"].values)
    series = {
        name: [column.dictionary[code] for code in column.values.tolist()]
        if len(column.dictionary) > 1
        else column.values
        for name, column in found.columns.items()
    }
    return pl.DataFrame(series).sort("account", "payee", "first date")


def table(rows: Sequence[dict[str, Any]]) -> pl.DataFrame:
    given = {"account": "a", "own transfer": False}
    return frame(
        "transactions",
        [{"id": str(n), "sequence": n, **given, **row} for n, row in enumerate(rows)],
    )


def rows(*booked: Row, **what: Any) -> list[dict[str, Any]]:
    given = {"merchant": "Streamly", "type": "card"} | what
    return [{"booking date": day(text), "amount": amount, **given} for text, amount in booked]


def found(*groups: list[dict[str, Any]], as_of: str = AS_OF) -> list[dict[str, Any]]:
    """Return the streams of some rows, in which the reference must agree."""
    batch = batch_of(table(list(itertools.chain.from_iterable(groups))))
    assert_same(batch, date(as_of))
    return list(find(batch, date(as_of)).iter_rows(named=True))


def shown(stream: dict[str, Any], *names: str) -> list[Any]:
    return [str(Date(stream[n])) if n.endswith(" date") else stream[n] for n in names]


def each_month(amount: int, count: int, on: int = 8, begin: int = 1) -> Iterator[Row]:
    for month in range(begin, begin + count):
        yield f"2026-{month:02d}-{on:02d}", amount


def every(days: int, count: int, amount: int, begin: str = "2026-02-06") -> Iterator[Row]:
    first = datetime.date.fromisoformat(begin)
    for number in range(count):
        yield (first + datetime.timedelta(number * days)).isoformat(), amount


def share(frame: pl.DataFrame, condition: pl.Expr) -> float:
    return float(frame.select(condition.mean()).item())
