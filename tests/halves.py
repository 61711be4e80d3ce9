"""Comparison of the columnar half of derived facts with the reference half."""

from collections import Counter
from typing import Any

from tuppence.derived.context import customer_context
from tuppence.derived.tables import DerivedTables
from tuppence.facts.batch import FactBatch, Table
from tuppence.facts.currency import minor_digits
from tuppence.facts.schema import (
    AMONG_PEERS,
    AT_MERCHANTS,
    COLLECTIONS,
    FORECASTS,
    STREAMS,
    UNUSUAL,
)
from tuppence.facts.values import feel_values
from tuppence.feel.values import Date

Row = dict[str, Any]
KINDS = {collection.kind: name for name, collection in COLLECTIONS.items() if collection.kind}


def rows_of(table: Table, names: list[str], batch: FactBatch, customer: int) -> list[Row]:
    """Return a customer's rows of a derived table as FEEL values."""
    (currency,) = feel_values(batch.customers["currency"].slice(customer, customer + 1), 1, 0)
    digits = minor_digits(currency)
    assert digits is not None
    own = table.slice(customer, customer + 1)
    count = int(own.offsets[-1])
    columns = [feel_values(own.columns[name], count, digits) for name in names]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def assert_same(batch: FactBatch, as_of: Date) -> Counter[str]:
    """Compare all customers; return how many streams of each state, and forecasts, there were."""
    seen: Counter[str] = Counter()
    tables = DerivedTables(batch, as_of, FORECASTS | AT_MERCHANTS | UNUSUAL | AMONG_PEERS)
    streams, accounts = tables.table("streams"), tables.table("accounts")
    transactions, customers = tables.table("transactions"), tables.customers().customers
    forecast_names = [*sorted(FORECASTS), "balance"]
    stream_names = [field.name for field in STREAMS]
    for customer in range(len(batch)):
        context = customer_context(batch, customer, as_of, streams=True)
        found = rows_of(streams, stream_names, batch, customer)
        for kind, name in KINDS.items():
            assert [row for row in found if row["kind"] == kind] == list(context[name])
        forecasts = rows_of(accounts, forecast_names, batch, customer)
        wanted = [{name: row[name] for name in forecast_names} for row in context["accounts"]]
        assert forecasts == wanted
        compared = rows_of(transactions, sorted(AT_MERCHANTS), batch, customer)
        booked = [
            {name: row[name] for name in sorted(AT_MERCHANTS)} for row in context["transactions"]
        ]
        assert compared[: len(booked)] == booked
        digits = minor_digits(context["customer"]["currency"]) or 0
        for name in UNUSUAL | AMONG_PEERS:
            own = customers[name].slice(customer, customer + 1)
            assert feel_values(own, 1, digits) == [context["customer"][name]], name
        seen["unusual category"] += context["customer"]["unusual category"] is not None
        seen["above peers"] += context["customer"]["above peers"] is True
        seen["not above peers"] += context["customer"]["above peers"] is False
        seen["rise of many"] += sum(row["rise of many"] is not None for row in found)
        seen["unusual"] += sum(row["unusual"] is True for row in booked)
        seen["after trial"] += sum(row["after trial"] for row in booked)
        seen["duplicate"] += sum(row["duplicate"] for row in found)
        seen.update(row["state"] for row in found)
        seen.update(row["cadence"] for row in found)
        seen["forecasts"] += sum(row["forecast"] is not None for row in wanted)
    return seen
