"""Plaid: amounts, days, categories, and what its public examples give."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.building import SHARED, TOKENS
from tests.conftest import Run
from tests.statements import (
    TODAY,
    owners,
    read,
    reasons,
    transactions,
    transactions_of,
)

from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.bankdata import plaid
from tuppence.bankdata.documents import read_documents
from tuppence.bankdata.records import Document
from tuppence.bankdata.statement import read_statement
from tuppence.facts.schema import Schema


@pytest.mark.parametrize(
    ("code", "level", "amount", "category"),
    [
        ("FOOD_AND_DRINK_GROCERIES", "VERY_HIGH", 5, "groceries"),
        ("FOOD_AND_DRINK_GROCERIES", "HIGH", -5, "refund"),
        ("FOOD_AND_DRINK_GROCERIES", "MEDIUM", 5, None),
        ("FOOD_AND_DRINK_GROCERIES", None, 5, None),
        ("INCOME_WAGES", "HIGH", -5, "income"),
        ("INCOME_WAGES", "HIGH", 5, None),
        ("ENTERTAINMENT_CASINOS_AND_GAMBLING", "HIGH", -5, None),
        ("GENERAL_MERCHANDISE_SUPERSTORES", "VERY_HIGH", 5, None),
    ],
)
def test_plaid_categories_are_accepted_only_with_high_confidence(
    code: str, level: str | None, amount: int, category: str | None
) -> None:
    one = {
        "account_id": "a",
        "transaction_id": "1",
        "amount": amount,
        "iso_currency_code": "GBP",
        "date": "2026-06-24",
        "personal_finance_category": {"detailed": code, "confidence_level": level},
    }
    assert transactions(read(plaid.items, {"added": [one]}), "category") == [category]


def test_plaid_amounts_are_negated_exactly() -> None:
    def one(name: str, amount: str, **changes: Any) -> dict[str, Any]:
        whole = {
            "account_id": "a",
            "transaction_id": name,
            "amount": json.loads(amount, parse_float=Decimal),
            "iso_currency_code": "USD",
            "date": "2026-06-24",
            "name": "PURCHASE WM SUPERCENTER #1700",
            "merchant_name": "Walmart",
            "payment_channel": "in store",
            "pending": False,
        }
        return whole | changes

    sync = {
        "accounts": [
            {
                "account_id": "a",
                "name": "Checking",
                "type": "depository",
                "subtype": "savings",
                "balances": {"iso_currency_code": "USD", "limit": None},
            },
            {
                "account_id": "c",
                "type": "credit",
                "balances": {"iso_currency_code": "USD", "limit": 2000},
            },
        ],
        "added": [one("1", "72.1"), one("2", "-4.22"), one("3", "0"), one("4", "1", pending=True)],
        "modified": [one("1", "72.3"), one("5", "1", iso_currency_code=None)],
        "removed": [{"transaction_id": "x"}],
    }
    found = read(plaid.items, sync)
    assert sorted(transactions(found, "id", "amount", "merchant", "type")) == [
        ("1", -7230, "Walmart", "card"),
        ("2", 422, "Walmart", "card"),
        ("3", 0, "Walmart", "card"),
    ]
    frame = found.table.rows.accounts
    assert frame is not None
    assert frame.select("id", "type", "credit limit").rows() == [
        ("a", "savings", None),
        ("c", "credit card", 200000),
    ]
    assert reasons(found) == [("modified[1]", "the amount has no ISO 4217 currency")]
    assert found.removed == {"x"}
    assert sum(found.ignored.values()) == 1


def test_transactions_that_the_bank_deletes_are_removed(tuppence: Run, tmp_path: Path) -> None:
    def one(name: str) -> dict[str, Any]:
        what = {
            "amount": 5,
            "iso_currency_code": "GBP",
            "date": "2026-06-24",
            "name": f"SHOP {name}",
        }
        return {"account_id": "a", "transaction_id": name, **what}

    where = ("--customer", "ann", "--store", "money")
    (tmp_path / "1.json").write_text(json.dumps({"added": [one("1"), one("2"), one("3")]}))
    again = {"added": [one("4")], "removed": [{"transaction_id": n} for n in ("2", "4", "9")]}
    (tmp_path / "2.json").write_text(json.dumps(again))
    tuppence("import", "plaid", "1.json", *where)
    assert "removed: 1 transactions" in tuppence("import", "plaid", "2.json", *where).stdout
    store = FactStore(tmp_path / "money")
    assert transactions_of(store) == ["SHOP 1", "SHOP 3"]
    assert store.transaction_count == 2
    digest = store.digest
    tuppence("import", "plaid", "2.json", *where)
    assert FactStore(tmp_path / "money").digest == digest


@pytest.mark.parametrize(
    ("moment", "day"),
    [("2026-07-01T02:30:00Z", "2026-06-30"), ("2026-06-29T23:30:00Z", "2026-06-30"),
     ("2026-06-30T12:00:00Z", "2026-06-30")],
)  # fmt: skip
def test_the_day_of_plaid_is_that_of_the_account(moment: str, day: str) -> None:
    what = {"account_id": "a", "transaction_id": "1", "amount": 5, "iso_currency_code": "GBP"}
    content = {"added": [{**what, "date": "2026-06-30", "datetime": moment}]}
    (found,) = transactions(read(plaid.items, content), "booking date")
    assert found == (date.fromisoformat(day) - date(1970, 1, 1)).days


def test_a_credit_limit_that_is_no_amount_is_set_aside() -> None:
    balances = {"iso_currency_code": "USD", "limit": "1e3"}
    account = {"account_id": "A", "type": "credit", "balances": balances}
    found = read(plaid.items, {"accounts": [account]})
    assert found.table.rows.accounts is not None
    assert found.table.rows.accounts["credit limit"].to_list() == [None]
    (reason,) = found.table.rejects["reason"]
    assert reason == "the credit limit cannot be read: '1e3' is not an amount"


def test_an_element_that_is_no_object_is_set_aside() -> None:
    account = {"account_id": "A", "type": "credit", "balances": {"iso_currency_code": "USD"}}
    found = read(plaid.items, {"accounts": [account], "added": [7, None, ["x"]]})
    assert [*found.table.rejects["reason"]] == ["this is not an object with fields"] * 3


def test_the_public_examples_of_plaid_are_imported() -> None:
    folder = SHARED / "data/plaid"
    if not folder.exists():
        pytest.skip("the examples of Plaid do not lie beside this project")
    answers = json.loads((folder / "plaid-example-responses.json").read_text(), parse_float=Decimal)
    documents = [Document(name, content) for name, content in answers.items()]
    documents += read_documents([folder / "sandbox-custom-users"])
    found = read_statement(documents, plaid.items, "ann", Schema(), owners(), TODAY, TOKENS)
    assert transactions(found, "amount", "merchant") == [(-7210, "Walmart")]
    assert found.ignored["pending transactions"] == 2
    assert set(found.table.rejects["reason"]) == set(plaid.OTHERS.values())
