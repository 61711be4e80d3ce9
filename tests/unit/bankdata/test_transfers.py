"""Transfers between a customer's own accounts, found by their two sides."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.building import day, frame
from tests.conftest import Run

from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.bankdata.synthetic import population
from tuppence.bankdata.transfers import own_transfers
from tuppence.feel import Date

ACCOUNTS = frame(
    "accounts",
    [
        {"id": "main", "customer": "ann", "type": "current"},
        {"id": "pot", "customer": "ann", "type": "savings"},
        {"id": "visa", "customer": "ann", "type": "credit card"},
        {"id": "his", "customer": "bob", "type": "current"},
    ],
)
OUT = {"account": "main", "booking date": 100, "amount": -5_000, "type": "transfer"}
INTO = {"account": "pot", "booking date": 101, "amount": 5_000, "type": "transfer"}


def found(*rows: dict[str, Any]) -> list[str]:
    """Return the numbers of the rows that are sides of transfers."""
    given = [{"id": str(number), "own transfer": False, **row} for number, row in enumerate(rows)]
    return sorted(own_transfers(frame("transactions", given), ACCOUNTS)["id"])


@pytest.mark.parametrize(
    ("changes", "sides"),
    [
        ({}, 2),
        ({"booking date": 97}, 2),
        ({"booking date": 103}, 2),
        ({"booking date": 104}, 0),
        ({"amount": 5_001}, 0),
        ({"amount": -5_000}, 0),
        ({"account": "main"}, 0),
        ({"account": "his"}, 0),
        ({"type": None}, 2),
        ({"type": "card"}, 0),
        ({"type": "interest"}, 0),
        ({"type": "direct debit"}, 0),
        ({"type": "direct debit", "account": "visa"}, 2),
    ],
)
def test_two_opposite_bookings_are_a_transfer(changes: dict[str, Any], sides: int) -> None:
    assert len(found(OUT, INTO | changes)) == sides


def test_each_booking_is_paired_once_with_the_nearest() -> None:
    assert found(OUT, OUT | {"booking date": 98}, INTO) == ["0", "2"]
    assert found(OUT, OUT, INTO, INTO) == ["0", "1", "2", "3"]
    assert found(OUT | {"amount": 0}, INTO | {"amount": 0}) == []


def test_transfers_of_the_synthetic_population_are_found() -> None:
    ((_, rows),) = population(500, 3, Date(day("2026-06-30")), 13)
    assert rows.transactions is not None
    assert rows.accounts is not None
    key = pl.col("account", "id").cast(pl.String)
    truth = rows.transactions.filter("own transfer").select(key)
    sides = own_transfers(rows.transactions, rows.accounts)
    right = sides.join(truth, on=["account", "id"], how="semi").height
    assert truth.height > 5_000
    assert right >= 0.99 * sides.height
    assert right >= 0.99 * truth.height


def document(account: str, way: str, name: str) -> str:
    return json.dumps(
        {"Data": {"Transaction": [
            {"AccountId": account, "TransactionId": name, "Status": "Booked",
             "CreditDebitIndicator": way, "Amount": {"Amount": "50.00", "Currency": "GBP"},
             "BookingDateTime": "2026-06-24T00:00:00Z"},
        ]}}
    )  # fmt: skip


def test_a_later_import_marks_both_sides_of_a_transfer(tuppence: Run, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(document("main", "Debit", "1"))
    (tmp_path / "b.json").write_text(document("pot", "Credit", "1"))
    where = ("--customer", "ann", "--store", tmp_path / "money")

    def marks() -> list[bool]:
        rows = FactStore(tmp_path / "money").rows_of("ann").transactions
        assert rows is not None
        return rows.sort("account")["own transfer"].to_list()

    tuppence("import", "open-banking", tmp_path / "a.json", *where)
    assert marks() == [False]
    tuppence("import", "open-banking", tmp_path / "b.json", *where)
    assert marks() == [True, True]
    digest = FactStore(tmp_path / "money").digest
    for name in ("a.json", "b.json"):
        tuppence("import", "open-banking", tmp_path / name, *where)
    assert marks() == [True, True]
    assert FactStore(tmp_path / "money").digest == digest


def test_transfers_between_two_imported_tables_are_marked(tuppence: Run, tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text(
        "table: transactions\n"
        "columns: {account: account, booking date: day, amount: amount, text: text, type: type}\n"
        "constants: {customer: ann, currency: GBP}\n"
    )
    header = "account,day,amount,text,type\n"
    (tmp_path / "a.csv").write_text(
        f"{header}main,2026-06-24,-50.00,to savings,transfer\n"
        "main,2026-06-25,-12.50,TESCO STORES 2041,card\n"
    )
    (tmp_path / "b.csv").write_text(f"{header}pot,2026-06-25,50.00,from main,transfer\n")
    where = ("--mapping", tmp_path / "map.yaml", "--store", tmp_path / "money")
    done = tuppence("import", "csv", tmp_path / "a.csv", *where)
    assert "known: the merchant of 50% and the category of 50% of 2 transactions" in done.stdout
    tuppence("import", "csv", tmp_path / "b.csv", *where)
    rows = FactStore(tmp_path / "money").rows_of("ann").transactions
    assert rows is not None
    names = ("account", "own transfer", "merchant", "category")
    assert rows.sort("account", "booking date").select(names).rows() == [
        ("main", True, None, None),
        ("main", False, "Tesco", "groceries"),
        ("pot", True, None, None),
    ]
    again = tuppence("import", "csv", tmp_path / "a.csv", tmp_path / "b.csv", *where)
    assert " 0 " in again.stdout
    after = FactStore(tmp_path / "money").rows_of("ann").transactions
    assert after is not None
    assert after.equals(rows)
