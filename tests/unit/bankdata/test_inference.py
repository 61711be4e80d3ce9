"""Inference of foreign currencies, and of rows without transactions."""

from typing import Any

import pytest
from tests.building import bank

from tuppence.bankdata.enrichment.enricher import Enricher
from tuppence.bankdata.inference import infer_fields
from tuppence.facts.rows import Rows

PAID = {"booking date": 100, "amount": -2_350, "type": "card"}


@pytest.mark.parametrize(
    ("changes", "currency"),
    [
        ({"text": "CAFE DE FLORE PARIS EUR 23.50 @ 1.16"}, "EUR"),
        ({"text": "HOTEL ARTS 23,50EUR"}, "EUR"),
        ({"text": "CAFE DE FLORE GBP 23.50"}, None),
        ({"text": "MAX 23.50 OFF"}, None),
        ({"text": "EUR SHOP 2350"}, None),
        ({"text": "CAFE EUR 23.50", "type": "transfer"}, None),
        ({"text": "CAFE EUR 23.50", "type": None}, "EUR"),
        ({"text": "CAFE EUR 23.50", "foreign currency": "CHF"}, "CHF"),
        ({"text": None}, None),
    ],
)
def test_a_currency_beside_an_amount_becomes_the_foreign_currency(
    changes: dict[str, Any], currency: str | None
) -> None:
    found = infer_fields(bank([PAID | changes]), Rows(), Enricher()).transactions
    assert found is not None
    assert found["foreign currency"].to_list() == [currency]


def test_rows_without_transactions_are_returned_unchanged() -> None:
    rows = Rows(accounts=bank([PAID]).accounts)
    assert infer_fields(rows, Rows(), Enricher()) is rows
