"""Matching of refunds to the purchases that they are for."""

from typing import Any

import polars as pl
import pytest
from tests.building import bank, day, frame
from tests.conftest import Report

from tuppence.bankdata.enrichment.enricher import Enricher
from tuppence.bankdata.inference import infer_fields
from tuppence.bankdata.refunds import refunds
from tuppence.bankdata.synthetic import population
from tuppence.facts.rows import Rows
from tuppence.feel import Date

BOUGHT = {"account": "a", "booking date": 100, "amount": -5_000, "type": "card", "merchant": "Loom"}
BACK = BOUGHT | {"booking date": 107, "amount": 5_000}


def found(*rows: dict[str, Any]) -> list[tuple[str, int | None, int | None]]:
    """Return the number of each row, its refunded amount, and the confidence in the refund."""
    given = [
        {"id": str(n), "sequence": n, "own transfer": False, **row} for n, row in enumerate(rows)
    ]
    table = refunds(frame("transactions", given)).sort("id")
    return table.select("id", "refunded", "refund confidence").rows()


FULL_REFUND = [("0", 5_000, None), ("1", None, 95)]


@pytest.mark.parametrize(
    ("changes", "pairs"),
    [
        ({}, FULL_REFUND),
        ({"amount": 2_000}, [("0", 2_000, None), ("1", None, 85)]),
        ({"amount": 5_001}, []),
        ({"merchant": "LOOM 0042 LEEDS"}, FULL_REFUND),
        ({"merchant": None, "text": "LOOM REFUND"}, []),
        ({"merchant": None, "text": "LOOM 77"}, FULL_REFUND),
        ({"merchant": None, "text": "LOOM 77", "type": "transfer"}, []),
        ({"merchant": "Thread & Hem"}, []),
        ({"account": "b"}, []),
        ({"booking date": 220}, FULL_REFUND),
        ({"booking date": 221}, []),
        ({"booking date": 99}, []),
        ({"own transfer": True}, []),
        ({"category": "income"}, []),
        ({"type": "salary"}, []),
    ],
)
def test_a_refund_is_matched_to_its_purchase(changes: dict[str, Any], pairs: list[Any]) -> None:
    assert found(BOUGHT, BACK | changes) == pairs


def test_each_purchase_is_refunded_once_and_exact_amounts_match_first() -> None:
    other = BOUGHT | {"amount": -9_000, "booking date": 103}
    assert found(BOUGHT, other, BACK) == [("0", 5_000, None), ("2", None, 95)]
    assert found(BOUGHT, BOUGHT, BACK) == [("1", 5_000, None), ("2", None, 95)]
    assert found(BOUGHT, BACK, BACK) == FULL_REFUND


def test_refunds_of_the_synthetic_population_are_found(report: Report) -> None:
    ((_, rows),) = population(800, 5, Date(day("2026-06-30")), 13)
    assert rows.transactions is not None
    pairs = refunds(rows.transactions).drop_nulls("refunded")
    truth = rows.transactions.drop_nulls("refunded").select(
        pl.col("account", "id").cast(pl.String), pl.col("refunded").alias("truly")
    )
    key = ["account", "id"]
    right = pairs.join(truth, on=key).filter(pl.col("refunded") == pl.col("truly")).height
    report("precision", right / pairs.height)
    report("recall", right / truth.height)
    assert truth.height > 1_000
    assert right >= 0.95 * pairs.height
    assert right >= 0.95 * truth.height


def test_a_refund_of_a_later_import_marks_the_purchase_of_an_earlier_one() -> None:
    enricher = Enricher()
    shop = {"amount": -5_000, "type": "card", "text": "GREGGS 0042", "booking date": 100}
    first = infer_fields(bank([shop]), Rows(), enricher)
    again = shop | {"id": "9", "amount": 5_000, "booking date": 105}
    second = infer_fields(Rows(transactions=bank([again]).transactions), first, enricher)
    names = ("id", "merchant", "category", "category confidence", "refunded")
    assert second.transactions is not None
    assert second.transactions.select(names).rows() == [
        ("9", "Greggs", "refund", 96, None),
        ("0", "Greggs", "eating out", 96, 5_000),
    ]
    whole = Rows(first.customers, first.accounts, second.transactions)
    unchanged = infer_fields(Rows(transactions=bank([again]).transactions), whole, enricher)
    assert unchanged.transactions is not None
    assert unchanged.transactions.equals(second.transactions.head(1))
