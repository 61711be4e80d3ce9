"""Recurring receipts that are recognized as income."""

from typing import Any

import polars as pl
import pytest
from tests.building import bank, day
from tests.conftest import Report

from tuppence.bankdata.enrichment.enricher import Enricher
from tuppence.bankdata.incomes import incomes
from tuppence.bankdata.inference import infer_fields
from tuppence.bankdata.synthetic import population
from tuppence.facts.rows import Rows
from tuppence.feel import Date

MONTHS = ("2026-02-27", "2026-03-27", "2026-04-28", "2026-05-28", "2026-06-26")


def paid(amount: int = 180_000, **what: Any) -> list[dict[str, Any]]:
    given = {"amount": amount, "text": "ACME ENGINEERING", "type": "transfer"} | what
    return [{"booking date": day(date), **given} for date in MONTHS]


def categories(rows: list[dict[str, Any]], stored: Rows | None = None) -> list[tuple[Any, Any]]:
    found = infer_fields(bank(rows), stored or Rows(), Enricher()).transactions
    assert found is not None
    return found.sort("booking date").select("category", "category confidence").rows()


def test_monthly_receipts_are_income() -> None:
    assert categories(paid()) == [("income", 80)] * 5
    assert categories(paid(type=None)) == [("income", 80)] * 5
    assert categories(paid()[:2]) == [(None, None)] * 2


@pytest.mark.parametrize(
    "changes",
    [{"type": "cash"}, {"type": "interest"}, {"amount": -1_000}, {"own transfer": True}],
)
def test_receipts_that_cannot_be_income_are_not_marked(changes: dict[str, Any]) -> None:
    assert "income" not in {category for category, _ in categories(paid(**changes))}


def test_categories_with_more_confidence_are_kept() -> None:
    known = categories(paid(text="DWP STATE PENSION"))
    assert set(known) == {("benefits", 97)}
    given = categories(paid(category="gifts", **{"category confidence": 100}))
    assert set(given) == {("gifts", 100)}


def test_a_later_receipt_marks_the_earlier_ones_as_income() -> None:
    first = infer_fields(bank(paid()[:2]), Rows(), Enricher())
    assert first.transactions is not None
    early = first.transactions["category"].to_list()
    rows = [row | {"id": f"later {n}"} for n, row in enumerate(paid()[2:])]
    second = infer_fields(Rows(transactions=bank(rows).transactions), first, Enricher())
    assert second.transactions is not None
    whole = second.transactions.sort("booking date")
    assert early == [None, None]
    assert whole["category"].to_list() == ["income"] * 5


def test_income_of_the_synthetic_population_is_found(report: Report) -> None:
    ((_, rows),) = population(400, 7, Date(day("2026-06-30")), 13)
    assert rows.transactions is not None
    assert rows.accounts is not None
    key = ["account", "id"]
    texts = rows.transactions.with_columns(pl.col(key).cast(pl.String))
    truth = texts.filter(pl.col("category").is_in(["income", "benefits"]))
    unnamed = texts.with_columns(
        type=pl.when(pl.col("type") == "salary").then(None).otherwise("type"),
        category=pl.lit(None, pl.String),
    )
    found = incomes(unnamed, rows.accounts)
    right = found.join(truth, on=key, how="semi").height
    report("precision", right / found.height)
    report("recall", right / truth.height)
    assert right >= 0.98 * found.height
    assert right >= 0.9 * truth.height
