"""Documents of any standard: repeated imports, privacy, and files that cannot be read."""

import copy
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.building import ROOT, TOKENS
from tests.conftest import Run
from tests.statements import (
    TODAY,
    answer,
    booked,
    owners,
    read,
    transactions,
    transactions_of,
)

from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.bankdata import berlin_group, open_banking, plaid
from tuppence.bankdata.documents import read_documents
from tuppence.bankdata.gaps import fill_from_store
from tuppence.bankdata.masking import masked_texts
from tuppence.bankdata.records import Document
from tuppence.bankdata.statement import read_statement
from tuppence.bankdata.tabular import Owners
from tuppence.cards import masked
from tuppence.errors import UserError
from tuppence.facts.rows import Counts
from tuppence.facts.schema import Schema


def kept(store: FactStore, *contents: Any) -> Counts:
    """Import documents of UK Open Banking and return the counts of transactions."""
    known = Owners(store.customers(), store.owners())
    found = read(open_banking.items, *contents, known=known)
    return store.append(found.table.rows).get("transactions", Counts())


@pytest.fixture
def bank(tmp_path: Path) -> FactStore:
    return FactStore.create(tmp_path / "store", Schema())


def nameless(text: str, day: int = 24, amount: str = "5.00") -> dict[str, Any]:
    return booked(
        TransactionId=None,
        TransactionInformation=text,
        Amount={"Amount": amount, "Currency": "GBP"},
        BookingDateTime=f"2026-06-{day}T00:00:00Z",
    )


def test_fields_that_only_an_earlier_import_had_are_kept(bank: FactStore) -> None:
    account = {"AccountId": "a", "Currency": "GBP", "Nickname": "Bills"}
    pounds = {"Amount": "9.00", "Currency": "GBP"}
    balance = {
        "AccountId": "a", "Amount": pounds, "CreditDebitIndicator": "Credit",
        "Type": "InterimBooked", "DateTime": "2026-06-25T00:00:00Z",
        "CreditLine": [{"Type": "Pre-Agreed", "Amount": pounds}],
    }  # fmt: skip
    whole = answer(account, resource="Account"), answer(balance, resource="Balance")
    kept(bank, *whole, answer(booked()))
    known = Owners(bank.customers(), bank.owners())
    nameless_ = answer({**account, "Nickname": None}, resource="Account")
    found = read(open_banking.items, nameless_, answer(booked()), known=known)
    rows = fill_from_store(found.table.rows, bank.rows_of("ann"))
    assert rows.accounts is not None
    assert rows.transactions is not None
    assert rows.accounts.select("name", "credit limit").rows() == [("Bills", 900)]
    assert rows.transactions["balance"].to_list() == [900]
    assert set(bank.append(rows).values()) <= {Counts(), Counts(unchanged=1)}


def test_importing_the_same_documents_again_changes_nothing(bank: FactStore) -> None:
    pages = answer(booked(), nameless("one")), answer(nameless("two", 25))
    assert kept(bank, *pages) == Counts(new=3)
    digest = bank.digest
    assert kept(bank, *pages) == Counts(unchanged=3)
    assert bank.digest == digest


def test_an_overlapping_later_import_updates_rows(bank: FactStore) -> None:
    kept(bank, answer(booked(), booked(TransactionId="t2")))
    better = booked(MerchantDetails={"MerchantName": "Green Basket"})
    assert kept(bank, answer(better, booked(TransactionId="t3"))) == Counts(new=1, changed=1)
    assert bank.transaction_count == 3


def test_generated_identifiers_survive_a_changed_description(bank: FactStore) -> None:
    twice = [nameless("CARD 0042"), nameless("CARD 0042"), nameless("CARD 0042", amount="5.01")]
    assert kept(bank, answer(*twice)) == Counts(new=3)
    other = copy.deepcopy(twice)
    other[0]["TransactionInformation"] = "Green Basket"
    assert kept(bank, answer(*other)) == Counts(changed=1, unchanged=2)


def test_overlapping_pages_give_each_row_once(bank: FactStore) -> None:
    rows = [nameless("a", 24), nameless("a", 24), nameless("b", 25)]
    assert kept(bank, answer(*rows), answer(*rows[:2])) == Counts(new=3)


def test_a_pending_transaction_that_is_booked_later_is_imported_once(bank: FactStore) -> None:
    pending = booked(TransactionId="p9", Status="Pending", BookingDateTime=None)
    kept(bank, answer(pending, booked()))
    assert kept(bank, answer(booked(TransactionId="b1"), booked())) == Counts(new=1, unchanged=1)
    assert bank.transaction_count == 2


def test_rows_are_in_the_order_of_their_bookings() -> None:
    newest_first = [booked(TransactionId=f"t{n}", BookingDateTime="2026-06-24") for n in (3, 2)]
    newest_first.append(booked(TransactionId="t1", BookingDateTime="2026-06-23"))
    found = read(open_banking.items, answer(*newest_first))
    assert transactions(found, "id") == ["t1", "t2", "t3"]


def test_an_account_of_another_customer_is_refused() -> None:
    with pytest.raises(UserError, match="the account a belongs to customer bob"):
        read(open_banking.items, answer(booked()), known=owners(("a", "bob")))


def test_a_customer_of_unknown_currency_is_refused() -> None:
    with pytest.raises(UserError, match="the currency of customer ann is not known"):
        read(open_banking.items, {"Data": {"Product": [{}]}})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CARD 4111111111111111 LONDON", "CARD ************1111 LONDON"),
        ("4111 1111 1111 1111", "**** **** **** 1111"),
        ("5500-0000-0000-0004.", "****-****-****-0004."),
        ("amex 378282246310005", "amex ***********0005"),
        ("REF 4000000000000000", "REF 4000000000000000"),  # its check digit is wrong
        ("0000000000000000", "0000000000000000"),
        ("sort 80200110203346 ok", "sort 80200110203346 ok"),
        ("short 411111111111", "short 411111111111"),
    ],
)
def test_card_numbers_are_masked(text: str, expected: str) -> None:
    assert masked(text) == expected
    column = pl.Series(["plain", None, text])
    assert masked_texts(column).to_list() == ["plain", None, expected]


def test_card_numbers_reach_neither_the_store_nor_the_rejects(
    tuppence: Run, tmp_path: Path
) -> None:
    store = tmp_path / "money"
    number = "4111 1111 1111 1111"
    bad = booked(TransactionId="t2", Status="Undone", TransactionInformation=number)
    document = answer(booked(TransactionInformation=f"paid by {number}"), bad)
    (tmp_path / "page.json").write_text(json.dumps(document))
    asked = ("--customer", "a/nn", "--store", store)
    done = tuppence("import", "open-banking", tmp_path / "page.json", *asked)
    assert "rejected: 1 of 2 items" in done.stdout
    assert transactions_of(FactStore(store)) == ["paid by **** **** **** 1111"]
    (tmp_path / "t.csv").write_text(f"d,a,t\n2026-06-24,-1,{number}\n2026-13-24,-1,{number}\n")
    (tmp_path / "m.yaml").write_text(
        "table: transactions\ncolumns: {booking date: d, amount: a, text: t}\n"
        "constants: {account: x, customer: bob, currency: GBP}\n"
    )
    tuppence(
        "import", "csv", tmp_path / "t.csv", "--mapping", tmp_path / "m.yaml", "--store", store
    )
    held = [path for path in store.rglob("*") if path.is_file()]
    assert any("rejects" in path.parts for path in held)
    assert not [path for path in held if number.encode() in path.read_bytes()]


def test_folders_lines_and_pages_are_read_in_order(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text('{"n": 2.10}')
    (tmp_path / "a.ndjson").write_text('{"n": 0}\n\n{"n": 1}\n')
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/c.json").write_text('﻿{"n": 3}')
    (tmp_path / "notes.txt").write_text("no")
    found = list(read_documents([tmp_path]))
    assert found == [
        Document("a.ndjson:1", {"n": 0}),
        Document("a.ndjson:3", {"n": 1}),
        Document("b.json", {"n": Decimal("2.10")}),
        Document("deep/c.json", {"n": 3}),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no such file"), (b"{", "this is not JSON"), (b"\xff", "this is not UTF-8 text")],
)
def test_the_error_for_an_unreadable_file_names_it(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "page.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        list(read_documents([path]))
    with pytest.raises(UserError, match="no JSON files in this folder"):
        list(read_documents([ROOT / "src/tuppence/feel"]))


@pytest.mark.parametrize("number", ["1" * 5_000, "1.0e99999999999999999999"], ids=len)
def test_the_error_for_an_oversized_number_names_the_file(tmp_path: Path, number: str) -> None:
    (tmp_path / "page.json").write_text(f'{{"n": {number}}}')
    with pytest.raises(UserError, match=r"page.json: a number has more digits") as raised:
        list(read_documents([tmp_path]))
    assert raised.value.code == "file.json"


def pages_with(text: str) -> dict[str, Any]:
    """Return a page of each standard whose second transaction has a text; the first is valid."""
    uk = [booked(TransactionId="good"), booked(TransactionId="bad", TransactionInformation=text)]
    eu = {"bookingDate": "2026-06-24", "transactionAmount": {"amount": "-1", "currency": "GBP"}}
    us = {"account_id": "a", "date": "2026-06-24", "amount": 1, "iso_currency_code": "GBP"}
    return {
        "open-banking": answer(*uk),
        "berlin-group": {
            "account": {"iban": "a"},
            "transactions": {
                "booked": [
                    eu | {"transactionId": "good"},
                    eu | {"transactionId": "bad", "remittanceInformationUnstructured": text},
                ]
            },
        },
        "plaid": {
            "transactions": [
                us | {"transaction_id": "good", "name": "shop"},
                us | {"transaction_id": "bad", "name": text},
            ]
        },
    }


@pytest.mark.parametrize(
    "text", ["half \ud83d", "\udca9", "\udca9\ud83d 4111111111111111"], ids=ascii
)
@pytest.mark.parametrize("standard", ["open-banking", "berlin-group", "plaid"])
def test_an_item_with_half_a_surrogate_pair_is_rejected(
    tuppence: Run, tmp_path: Path, standard: str, text: str
) -> None:
    (tmp_path / "page.json").write_text(json.dumps(pages_with(text)[standard]))
    store = tmp_path / "money"
    done = tuppence("import", standard, "page.json", "--customer", "ann", "--store", store)
    assert "rejected: 1 of 2 items" in done.stdout
    (aside,) = (store / "rejects").glob("**/*.csv")
    kept = aside.read_text()
    assert "half of a surrogate pair" in kept
    assert "4111111111111111" not in kept
    (rows,) = [
        part.transactions for part in FactStore(store).parts() if part.transactions is not None
    ]
    assert rows["id"].to_list() == ["good"]


@pytest.mark.parametrize(
    "content",
    [
        answer(booked(Status="\ud800")),
        answer(booked(), resource="\ud800"),
        {"transactions": [{"\ud800": 1}]},
        {"accounts": [{"account_id": "\ud800", "type": "credit"}], "\ud800": []},
        {"account": {"iban": "\ud800"}, "transactions": {"booked": [{"bookingDate": "x"}]}},
    ],
    ids=ascii,
)
def test_half_a_surrogate_pair_anywhere_gives_an_encodable_reason(content: Any) -> None:
    for items in (open_banking.items, berlin_group.items, plaid.items):
        found = read_statement(
            [Document("\udcff.json", content)],
            items,
            "ann",
            Schema(),
            owners(("a", "ann")),
            TODAY,
            TOKENS,
        )
        assert found.table.rejects.height == 1
        assert "\\udcff" in found.table.rejects["document"][0]


@pytest.mark.parametrize("standard", ["open-banking", "berlin-group", "plaid"])
def test_a_document_of_another_standard_is_named_as_the_mistake(
    tuppence: Run, tmp_path: Path, standard: str
) -> None:
    (tmp_path / "page.json").write_text('{"statement": []}')
    where = ("page.json", "--customer", "ann", "--store", "money")
    done = tuppence("import", standard, *where, status=1)
    assert "nothing can be imported from these documents; page.json" in done.stderr
    assert "another standard" in done.stderr
