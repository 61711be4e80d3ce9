"""Transfers between a customer's own accounts, found by their two sides."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.building import day, frame
from tests.conftest import Report, Run

from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.bankdata.synthetic import population
from tuppence.bankdata.transfers import (
    ACCOUNT_NAMED,
    ACCOUNT_NUMBER,
    NO_TEXT,
    REPAYMENT,
    SAME_REFERENCE,
    SAME_TEXT,
    own_transfers,
)
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
BARE_OUT = {"account": "main", "booking date": 100, "amount": -5_000, "type": "transfer"}
BARE_INTO = {"account": "pot", "booking date": 101, "amount": 5_000, "type": "transfer"}
OUT = BARE_OUT | {"text": "to pot"}
INTO = BARE_INTO | {"text": "from main"}


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


@pytest.mark.parametrize(
    ("paid", "received", "confidence"),
    [
        ({"text": "TO POT"}, {"text": "FASTER PAYMENT"}, ACCOUNT_NAMED),
        ({"text": "SAVINGS"}, {}, ACCOUNT_NAMED),
        ({}, {"text": "FROM CURRENT ACCOUNT"}, ACCOUNT_NAMED),
        ({"text": "RAINY DAYS 3"}, {"account": "9"}, ACCOUNT_NAMED),
        ({"text": "TFR 404422 7781"}, {"account": "12347781"}, ACCOUNT_NUMBER),
        ({"text": "MR A SMITH HX4471"}, {"text": "TOP UP HX4471"}, SAME_REFERENCE),
        ({"text": "ann smith"}, {"text": "ANN SMITH"}, SAME_TEXT),
        ({"type": "direct debit"}, {"account": "visa"}, REPAYMENT),
        ({}, {"account": "visa", "text": "PAYMENT RECEIVED"}, REPAYMENT),
        ({"booking date": 101}, {}, NO_TEXT),
        ({"booking date": 101, "text": "PAYMENT"}, {"text": "TRANSFER"}, NO_TEXT),
        # Equal amounts occur by chance.
        ({}, {}, 0),
        ({"text": "PAYMENT"}, {"text": "PAYMENT"}, 0),
        ({"text": "RENT TO HILL ESTATES"}, {"text": "DWP STATE PENSION"}, 0),
        ({"text": "J SMITH DINNER"}, {"text": "BIRTHDAY FROM GRAN"}, 0),
        ({"text": "POTTERY CLASS"}, {"text": "MAINE TRIP"}, 0),
        ({"text": "SAVINGS CLUB"}, {"account": "main 2", "text": "CLUB"}, 0),
        ({"text": "ANN 4471"}, {"text": "BOB 4471"}, 0),
        # Money that others pay or receive is none, whatever the texts say.
        ({"text": "TO POT", "category": "housing", "category confidence": 90}, {}, 0),
        ({}, {"text": "MAIN", "category": "benefits", "category confidence": 100}, 0),
        ({"text": "TO POT", "category": "people", "category confidence": 100}, {}, 0),
        ({"text": "TO POT", "category": "people", "category confidence": 97}, {}, ACCOUNT_NAMED),
        ({"text": "TO POT", "category": "savings", "category confidence": 100}, {}, ACCOUNT_NAMED),
    ],
)
def test_a_transfer_needs_evidence(
    paid: dict[str, Any], received: dict[str, Any], confidence: int
) -> None:
    rows = ({"id": "0", **BARE_OUT, **paid}, {"id": "1", **BARE_INTO, **received})
    accounts = [*ACCOUNTS.select("id", "customer", "type", "name").rows(named=True)]
    accounts += [{"id": "9", "customer": "ann", "type": "current", "name": "Rainy days"}]
    accounts += [
        {"id": name, "customer": "ann", "type": "current"} for name in ("12347781", "main 2")
    ]
    sides = own_transfers(frame("transactions", list(rows)), frame("accounts", accounts))
    assert sides["confidence"].to_list() == ([confidence] * 2 if confidence else [])


@pytest.mark.parametrize(
    ("paid", "received"),
    [
        ({"text": "J SMITH 18AUG24"}, {"text": "GIFT NAN 18AUG24"}),
        ({"text": "J SMITH 20260818"}, {"text": "GIFT NAN 20260818"}),
        ({"text": "J SMITH"}, {"text": "BANK GIRO CREDIT NAN"}),
        ({"text": "J SMITH"}, {"account": "visa", "text": "AMAZON REFUND", "type": None}),
    ],
    ids=["a date", "a date in digits", "a word of banks", "a refund on a card"],
)
def test_what_payments_have_in_common_by_chance_is_no_evidence(
    paid: dict[str, Any], received: dict[str, Any]
) -> None:
    assert found(BARE_OUT | paid, BARE_INTO | received) == []


def test_a_repayment_of_a_card_is_a_transfer() -> None:
    thanks = {"account": "visa", "text": "PAYMENT RECEIVED - THANK YOU", "type": None}
    assert len(found(BARE_OUT | {"text": "CARD SERVICES"}, BARE_INTO | thanks)) == 2


def test_the_best_evidence_comes_before_the_nearest_day() -> None:
    chance = BARE_OUT | {"booking date": 101}
    assert found(OUT, chance, BARE_INTO) == ["0", "2"]


def test_each_booking_is_paired_once_with_the_nearest() -> None:
    assert found(OUT, OUT | {"booking date": 98}, INTO) == ["0", "2"]
    assert found(OUT, OUT, INTO, INTO) == ["0", "1", "2", "3"]
    assert found(OUT | {"amount": 0}, INTO | {"amount": 0}) == []


def test_transfers_of_the_synthetic_population_are_found_and_traps_are_not(
    report: Report,
) -> None:
    ((_, rows),) = population(500, 3, Date(day("2026-06-30")), 13)
    assert rows.transactions is not None
    assert rows.accounts is not None
    key = pl.col("account", "id").cast(pl.String)
    truth = rows.transactions.filter("own transfer").select(key)
    savings = rows.accounts.filter(pl.col("type").cast(pl.String) == "savings")
    traps = [
        {"id": f"trap {number} {side}", "account": account, "booking date": at + side,
         "amount": sign * 100 * (number + 300), "type": type_, "text": text}
        for number, (account, owner) in enumerate(savings.select("id", "customer").rows())
        for at in (day("2026-03-02"), day("2026-05-02"))
        for side, (account, sign, type_, text) in enumerate(
            _TRAPS[number % len(_TRAPS)](account, f"{owner}-C")
        )
    ]  # fmt: skip
    names = ["id", "account", "booking date", "amount", "type", "text", "category",
             "category confidence"]  # fmt: skip
    texts = pl.col(pl.Enum, pl.Categorical).cast(pl.String)
    given = rows.transactions.select(names).with_columns(texts)
    bare = given.with_columns(category=pl.lit(None, pl.String))  # as banks without categories
    both = pl.concat([bare, frame("transactions", traps).select(names).with_columns(texts)])
    sides = own_transfers(both, rows.accounts)
    right = sides.join(truth, on=["account", "id"], how="semi").height
    report("precision", right / sides.height)
    report("recall", right / truth.height)
    assert truth.height > 5_000
    assert len(traps) > 500
    assert right >= 0.995 * sides.height
    assert right >= 0.99 * truth.height


def _trap(paid: str, received: str) -> Any:
    """Return a function that makes two opposite bookings of equal amounts by chance."""
    return lambda pot, main: [
        (main, -1, "standing order", paid),
        (pot, 1, "transfer", received),
    ]


_TRAPS = [
    _trap("RENT TO HILL ESTATES", "DWP STATE PENSION"),
    _trap("J SMITH DINNER", "BIRTHDAY FROM GRAN"),
    _trap("GIFT FOR EMMA", "GIFT FROM TOM"),
    _trap("LOAN TO SIS", "SIS PAID BACK"),
    _trap("CHILDMINDER", "TAX REBATE"),
]


def document(account: str, way: str, name: str) -> str:
    return json.dumps(
        {"Data": {"Transaction": [
            {"AccountId": account, "TransactionId": name, "Status": "Booked",
             "CreditDebitIndicator": way, "Amount": {"Amount": "50.00", "Currency": "GBP"},
             "BookingDateTime": "2026-06-24T00:00:00Z", "TransactionInformation": "Ann HX4471"},
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
