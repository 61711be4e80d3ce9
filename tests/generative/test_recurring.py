"""The columnar streams and forecasts equal those of the reference, in every field."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from tests.building import day
from tests.generative.recurring import recurring_facts

from tuppence.bankdata.synthetic import population
from tuppence.derived.context import customer_context
from tuppence.derived.tables import DerivedTables
from tuppence.facts.batch import FactBatch, Table
from tuppence.facts.coded import batch_from, coded, ordered
from tuppence.facts.currency import minor_digits
from tuppence.facts.schema import COLLECTIONS, FORECASTS, STREAMS, Schema
from tuppence.facts.values import feel_values
from tuppence.feel.values import Date

Row = dict[str, Any]
KINDS = {collection.kind: name for name, collection in COLLECTIONS.items() if collection.kind}
OPTIONS: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
}


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
    tables = DerivedTables(batch, as_of, FORECASTS)
    streams, accounts = tables.table("streams"), tables.table("accounts")
    forecast_names, stream_names = sorted(FORECASTS), [field.name for field in STREAMS]
    for customer in range(len(batch)):
        context = customer_context(batch, customer, as_of, streams=True)
        found = rows_of(streams, stream_names, batch, customer)
        for kind, name in KINDS.items():
            assert [row for row in found if row["kind"] == kind] == list(context[name])
        forecasts = rows_of(accounts, forecast_names, batch, customer)
        wanted = [{name: row[name] for name in forecast_names} for row in context["accounts"]]
        assert forecasts == wanted
        seen.update(row["state"] for row in found)
        seen.update(row["cadence"] for row in found)
        seen["forecasts"] += sum(row["forecast"] is not None for row in wanted)
    return seen


def test_streams_and_forecasts_equal_the_reference() -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=130, **OPTIONS)
    @given(recurring_facts())
    def compare(drawn: tuple[FactBatch, Date]) -> None:
        seen.update(assert_same(*drawn))

    compare()
    for what in ("early", "mature", "stopped", "monthly", "forecasts"):
        assert seen[what] > 0, seen  # what was compared was not empty


@pytest.mark.long
@settings(max_examples=5_000, **OPTIONS)
@given(recurring_facts())
def test_streams_and_forecasts_equal_the_reference_at_length(
    drawn: tuple[FactBatch, Date],
) -> None:
    assert_same(*drawn)


def test_streams_and_forecasts_of_a_population_equal_the_reference() -> None:
    ((_, rows),) = population(200, 16, Date(day("2026-06-30")), 13)
    batch = batch_from(ordered(coded(rows.tables(), Schema())), Schema())
    seen = assert_same(batch, Date(day("2026-05-17")))
    assert seen["mature"] > 1_000
    assert seen["forecasts"] > 150
