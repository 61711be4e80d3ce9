"""What follows from rows that come in: currencies, and rows without owners' money."""

from typing import Any

import pytest
from tests.building import bank

from tuppence.bankdata.enrichment.enricher import Enricher
from tuppence.bankdata.inference import inferred
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
def test_the_currency_beside_an_amount(changes: dict[str, Any], currency: str | None) -> None:
    found = inferred(bank([PAID | changes]), Rows(), Enricher()).transactions
    assert found is not None
    assert found["foreign currency"].to_list() == [currency]


def test_nothing_follows_from_accounts_alone() -> None:
    rows = Rows(accounts=bank([PAID]).accounts)
    assert inferred(rows, Rows(), Enricher()) is rows
