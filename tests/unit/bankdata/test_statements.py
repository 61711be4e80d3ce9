"""Import of banks' documents: known difficulties, and all public examples."""

import copy
import json
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.building import ROOT, TOKENS
from tests.conftest import Run

from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.bankdata import berlin_group, open_banking, plaid
from tuppence.bankdata.documents import read_documents
from tuppence.bankdata.gaps import fill_from_store
from tuppence.bankdata.masking import masked_texts
from tuppence.bankdata.records import Document, Items
from tuppence.bankdata.statement import ParsedStatement, read_statement
from tuppence.bankdata.tabular import Owners
from tuppence.cards import masked
from tuppence.errors import UserError
from tuppence.facts.rows import Counts
from tuppence.facts.schema import Schema

TODAY = date(2026, 11, 25)
SHARED = ROOT.parent / "shared/data"


def owners(*accounts: tuple[str, str]) -> Owners:
    """Return accounts as owners; all customers have pounds."""
    customers = sorted({customer for _, customer in accounts})
    return Owners(
        pl.DataFrame(
            {"id": customers, "currency": ["GBP"] * len(customers)},
            schema={"id": pl.String, "currency": pl.String},
        ),
        pl.DataFrame(
            [(account, customer, "GBP") for account, customer in accounts],
            schema={"id": pl.String, "customer": pl.String, "currency": pl.String},
            orient="row",
        ),
    )


def read(items: Items, *contents: Any, known: Owners | None = None) -> ParsedStatement:
    documents = [Document(f"d{number}", content) for number, content in enumerate(contents)]
    return read_statement(documents, items, "ann", Schema(), known or owners(), TODAY, TOKENS)


def transactions(found: ParsedStatement, *names: str) -> list[Any]:
    frame = found.table.rows.transactions
    assert frame is not None
    rows = frame.select(names).rows()
    return [row[0] for row in rows] if len(names) == 1 else rows


def reasons(found: ParsedStatement) -> list[tuple[str, str]]:
    return found.table.rejects.select("place", "reason").rows()


def booked(**changes: Any) -> dict[str, Any]:
    """Return a transaction of UK Open Banking with changes; None removes a key."""
    whole = {
        "AccountId": "a",
        "TransactionId": "t1",
        "Amount": {"Amount": "12.50", "Currency": "GBP"},
        "CreditDebitIndicator": "Debit",
        "Status": "Booked",
        "BookingDateTime": "2026-06-24T10:00:00+01:00",
        "TransactionInformation": "GREEN BASKET 0042",
    }
    return {key: value for key, value in (whole | changes).items() if value is not None}


def answer(*found: Any, resource: str = "Transaction") -> dict[str, Any]:
    return {"Data": {resource: list(found)}}


# -- UK Open Banking -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "way", "expected"),
    [
        ("12.50", "Debit", -1250),
        ("12.50", "Credit", 1250),
        ("0.00", "Debit", 0),
        ("7", "DBIT", -700),
    ],
)
def test_the_indicator_determines_the_sign(amount: str, way: str, expected: int) -> None:
    one = booked(Amount={"Amount": amount, "Currency": "GBP"}, CreditDebitIndicator=way)
    assert transactions(read(open_banking.items, answer(one)), "amount") == [expected]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"Amount": {"Amount": "-1.00", "Currency": "GBP"}}, "the amount -1.00 has a sign"),
        ({"Amount": {"Amount": "1.005", "Currency": "GBP"}}, "too many digits after the point"),
        ({"Amount": {"Amount": "1,00", "Currency": "GBP"}}, "1,00' is not an amount"),
        (
            {"Amount": {"Amount": "1.00", "Currency": "USD"}},
            "USD where the customer's money is GBP",
        ),
        ({"Amount": None}, "Amount is missing"),
        ({"CreditDebitIndicator": "Both"}, "neither Credit nor Debit"),
        ({"Status": "Undone"}, "the status Undone is not known"),
        ({"BookingDateTime": "24/06/2026"}, "'24/06/2026' is not a date or time"),
        ({"BookingDateTime": "2026-12-24"}, "it is booked in the future: 2026-12-24"),
        ({"AccountId": None}, "AccountId is missing"),
    ],
)
def test_an_invalid_item_is_rejected_with_its_reason(changes: dict[str, Any], reason: str) -> None:
    found = read(open_banking.items, answer(booked(TransactionId="good"), booked(**changes)))
    assert transactions(found, "id") == ["good"]
    ((place, why),) = reasons(found)
    assert place == "Data.Transaction[1]"
    assert reason in why


@pytest.mark.parametrize("status", ["Pending", "PDNG", "FUTR", "Rejected", "RJCT"])
def test_transactions_that_are_not_booked_are_ignored(status: str) -> None:
    found = read(open_banking.items, answer(booked(), booked(TransactionId="p", Status=status)))
    assert transactions(found, "id") == ["t1"]
    assert sum(found.ignored.values()) == 1


@pytest.mark.parametrize("status", ["Booked", "BOOK", "book"])
def test_statuses_of_both_versions_are_accepted(status: str) -> None:
    assert transactions(read(open_banking.items, answer(booked(Status=status))), "id") == ["t1"]


def test_fields_that_the_basic_permission_omits_stay_empty() -> None:
    found = read(open_banking.items, answer(booked(TransactionInformation=None)))
    assert transactions(found, "text", "merchant", "type") == [(None, None, None)]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ({"Code": "IssuedDirectDebits", "SubCode": "DirectDebit"}, "direct debit"),
        ({"Code": "PMNT", "SubCode": "ICDT"}, "transfer"),
        ({"Code": "CustomerCardTransactions"}, "card"),
        ({"Code": "CounterTransactions", "SubCode": "CashWithdrawal"}, "cash"),
        ({"Code": "Whatever"}, None),
    ],
)
def test_the_payment_type_follows_from_codes_in_any_spelling(
    code: dict[str, str], kind: str | None
) -> None:
    found = read(open_banking.items, answer(booked(BankTransactionCode=code)))
    assert transactions(found, "type") == [kind]


@pytest.mark.parametrize(
    ("code", "way", "category"),
    [
        ("5411", "Debit", "groceries"),
        ("5411", "Credit", "refund"),
        ("3058", "Debit", "travel"),
        ("2999", "Debit", None),
        ("4000", "Debit", None),
        ("7995", "Debit", "gambling"),
        ("7995", "Credit", None),
        ("5311", "Debit", None),  # department stores sell everything
        ("x", "Debit", None),
        (None, "Debit", None),
    ],
)
def test_a_merchant_code_gives_a_category_only_if_unambiguous(
    code: str | None, way: str, category: str | None
) -> None:
    details = {"MerchantName": "M", "MerchantCategoryCode": code}
    found = read(
        open_banking.items, answer(booked(MerchantDetails=details, CreditDebitIndicator=way))
    )
    assert transactions(found, "category") == [category]


def test_a_booked_balance_belongs_to_the_last_booking_before_it() -> None:
    balance = {
        "AccountId": "a",
        "Amount": {"Amount": "100.00", "Currency": "GBP"},
        "CreditDebitIndicator": "Debit",
        "Type": "InterimBooked",
        "DateTime": "2026-06-25T00:00:00Z",
    }
    available = balance | {"Type": "ITAV", "Amount": {"Amount": "900.00", "Currency": "GBP"}}
    later = booked(TransactionId="t2", BookingDateTime="2026-06-26")
    found = read(
        open_banking.items,
        answer(later, booked()),
        answer(balance, available, resource="Balance"),
    )
    assert transactions(found, "id", "balance") == [("t1", -10000), ("t2", None)]


def test_accounts_get_types_and_agreed_limits() -> None:
    def account(name: str, **code: str) -> dict[str, Any]:
        return {"AccountId": name, "Currency": "GBP", **code}

    def line(kind: str, amount: str) -> dict[str, Any]:
        return {"Type": kind, "Amount": {"Amount": amount, "Currency": "GBP"}}

    balance = {
        "AccountId": "a",
        "Amount": {"Amount": "1.00", "Currency": "GBP"},
        "CreditDebitIndicator": "Credit",
        "Type": "InterimAvailable",
        "CreditLine": [line("Pre-Agreed", "500.00"), line("Temporary", "2000.00")],
    }
    found = read(
        open_banking.items,
        answer(
            account("a", AccountSubType="CurrentAccount"),
            account("b", AccountTypeCode="SVGS"),
            account("c", AccountSubType="CreditCard"),
            account("d", AccountTypeCode="XXXX"),
            resource="Account",
        ),
        answer(balance, resource="Balance"),
    )
    frame = found.table.rows.accounts
    assert frame is not None
    assert frame.select("id", "type", "credit limit").rows() == [
        ("a", "current", 50000),
        ("b", "savings", None),
        ("c", "credit card", None),
        ("d", "current", None),
    ]


# -- repeated imports ------------------------------------------------------------------------------


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


# -- Berlin Group, Plaid ---------------------------------------------------------------------------

GIRO = {
    "account": {"iban": "DE2310010010123456788"},
    "transactions": {
        "booked": [
            {
                "transactionId": "1",
                "creditorName": "Stadtwerke",
                "mandateId": "M7",
                "transactionAmount": {"currency": "EUR", "amount": "-56.67"},
                "bookingDate": "2026-06-25",
                "remittanceInformationUnstructured": "Abschlag Strom",
                "balanceAfterTransaction": {
                    "balanceAmount": {"currency": "EUR", "amount": "443.33"},
                    "balanceType": "interimBooked",
                },
            },
            {
                "entryReference": "2",
                "debtorName": "Paul Simpson",
                "bankTransactionCode": "PMNT-RCDT-ESCT",
                "transactionAmount": {"currency": "EUR", "amount": "343.01"},
                "bookingDate": "2026-06-26",
            },
        ],
        "pending": [{"transactionAmount": {"currency": "EUR", "amount": "-1.00"}}],
    },
}


def test_berlin_group_accounts_and_signed_transactions_are_imported() -> None:
    accounts = {
        "accounts": [
            {
                "resourceId": "3dc3d5b3",
                "iban": "DE2310010010123456788",
                "currency": "EUR",
                "cashAccountType": "CACC",
                "name": "Main Account",
            }
        ]
    }
    balances = {
        "account": {"iban": "DE2310010010123456788"},
        "balances": [
            {
                "balanceType": "closingBooked",
                "balanceAmount": {"currency": "EUR", "amount": "786.34"},
                "referenceDate": "2026-06-26",
            },
            {"balanceType": "expected", "balanceAmount": {"currency": "EUR", "amount": "1"}},
        ],
    }
    found = read(berlin_group.items, accounts, GIRO, balances)
    fields = ("account", "id", "amount", "text", "type", "merchant", "balance")
    iban = TOKENS.of("DE2310010010123456788")  # it is a digit short, so its 19 may be a card's
    assert transactions(found, *fields) == [
        (iban, "1", -5667, "Abschlag Strom", "direct debit", "Stadtwerke", 44333),
        (iban, "2", 34301, "Paul Simpson", "transfer", None, 78634),
    ]
    assert found.ignored == {"pending transactions": 1, "balances that are not booked balances": 1}
    frame = found.table.rows.accounts
    assert frame is not None
    assert frame.select("id", "type", "name").rows() == [(iban, "current", "Main Account")]


def test_an_exchange_sets_the_foreign_currency() -> None:
    giro: dict[str, Any] = copy.deepcopy(GIRO)
    first, second = giro["transactions"]["booked"]
    first["currencyExchange"] = {"sourceCurrency": "USD", "targetCurrency": "EUR"}
    second["currencyExchange"] = [{"sourceCurrency": "EUR", "targetCurrency": "EUR"}]
    assert transactions(read(berlin_group.items, giro), "foreign currency") == ["USD", None]
    changed = booked(CurrencyExchange={"SourceCurrency": "GBP", "TargetCurrency": "EUR"})
    assert transactions(
        read(open_banking.items, {"Data": {"Transaction": [changed]}}), "foreign currency"
    ) == ["EUR"]


def test_berlin_group_transactions_without_an_account_are_rejected() -> None:
    whole = {**GIRO, "account": None}
    del whole["account"]
    linked = copy.deepcopy(whole)
    linked["transactions"]["_links"] = {"account": {"href": "/v1/accounts/3dc3d5b3"}}  # type: ignore[index]
    assert set(transactions(read(berlin_group.items, linked), "account")) == {"3dc3d5b3"}
    found = read(berlin_group.items, whole, {"accounts": [{"currency": "EUR"}]}, linked)
    assert [reason for _, reason in reasons(found)] == [
        "the document does not say which account this transaction is of: see --account",
        "the document does not say which account this transaction is of: see --account",
        "the account has no iban, bban or resourceId",
    ]


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


# -- privacy ---------------------------------------------------------------------------------------


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


def transactions_of(store: FactStore) -> Sequence[str]:
    (rows,) = [part.transactions for part in store.parts() if part.transactions is not None]
    return rows["text"].to_list()


# -- files -----------------------------------------------------------------------------------------


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


# -- the public examples ---------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["v3.1.11", "v4.0"])
def test_the_public_examples_of_uk_open_banking_are_imported(version: str) -> None:
    folder = SHARED / "open-banking" / version / "examples"
    if not folder.exists():
        pytest.skip("the examples of UK Open Banking do not lie beside this project")
    documents = read_documents([folder])
    found = read_statement(documents, open_banking.items, "ann", Schema(), owners(), TODAY, TOKENS)
    assert transactions(found, "account", "amount", "balance") == [
        ("22289", 1000, 23000),
        ("31820", -10000, -5736),
    ]
    rejected = set(found.table.rejects["reason"])
    assert rejected == {"a request for a consent has no accounts, balances or transactions"}
    assert found.ignored["consents that were never given"] > 0
    (consent,) = found.consents
    assert consent.id == "urn-alphabank-intent-88379"
    assert consent.expires == "2017-08-02T00:00:00+00:00"
    assert "ReadPAN" in consent.scope


def test_the_public_examples_of_plaid_are_imported() -> None:
    folder = SHARED / "plaid"
    if not folder.exists():
        pytest.skip("the examples of Plaid do not lie beside this project")
    answers = json.loads((folder / "plaid-example-responses.json").read_text(), parse_float=Decimal)
    documents = [Document(name, content) for name, content in answers.items()]
    documents += read_documents([folder / "sandbox-custom-users"])
    found = read_statement(documents, plaid.items, "ann", Schema(), owners(), TODAY, TOKENS)
    assert transactions(found, "amount", "merchant") == [(-7210, "Walmart")]
    assert found.ignored["pending transactions"] == 2
    assert set(found.table.rejects["reason"]) == set(plaid.OTHERS.values())


# -- identifiers, days and accounts that are not what they seem ------------------------------------


def eu(amount: str, day: str = "2026-06-24", **more: str) -> dict[str, Any]:
    money = {"amount": amount, "currency": "GBP"}
    return {"bookingDate": day, "transactionAmount": money, **more}


def booked_at(*bookings: dict[str, Any]) -> dict[str, Any]:
    return {"account": {"iban": "a"}, "transactions": {"booked": list(bookings)}}


@pytest.mark.parametrize("name", ["NOTPROVIDED", "Not Provided", " ", "0000", "N/A", "-", "none"])
@pytest.mark.parametrize("key", ["transactionId", "entryReference"])
def test_a_word_in_place_of_an_identifier_loses_no_booking(name: str, key: str) -> None:
    content = booked_at(eu("-5", **{key: name}), eu("-6", **{key: name}), eu("-5", **{key: name}))
    assert sorted(transactions(read(berlin_group.items, content), "amount")) == [-600, -500, -500]


@pytest.mark.parametrize(
    ("second", "count"),
    [(eu("-6", transactionId="7"), 2), (eu("-5", "2026-06-25", transactionId="7"), 2),
     (eu("-5", transactionId="7"), 1)],
    ids=["another amount", "another day", "the same"],
)  # fmt: skip
def test_an_identifier_used_again_in_a_document_loses_no_booking(
    second: dict[str, Any], count: int
) -> None:
    content = booked_at(eu("-5", transactionId="7"), second)
    assert len(transactions(read(berlin_group.items, content), "amount")) == count


def test_a_later_document_still_corrects_a_booking() -> None:
    first, later = (booked_at(eu(amount, transactionId="7")) for amount in ("-5", "-6"))
    assert transactions(read(berlin_group.items, first, later), "amount") == [-600]


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


def test_the_lines_of_a_text_are_joined() -> None:
    one = eu("-5") | {"remittanceInformationUnstructuredArray": ["COMPRA TARJETA", " CAFE SOL "]}
    assert transactions(read(berlin_group.items, booked_at(one)), "text") == [
        "COMPRA TARJETA CAFE SOL"
    ]


def test_an_account_may_be_given_for_documents_without_one(tuppence: Run, tmp_path: Path) -> None:
    (tmp_path / "page.json").write_text(json.dumps({"transactions": {"booked": [eu("-5")]}}))
    where = ("page.json", "--customer", "ann", "--store", "money")
    done = tuppence("import", "berlin-group", *where, status=1)
    assert "error[import.nothing]" in done.stderr
    assert "see --account" in done.stderr
    done = tuppence("import", "berlin-group", *where, "--account", "ES35")
    assert len(transactions_of(FactStore(tmp_path / "money"))) == 1


@pytest.mark.parametrize("standard", ["open-banking", "berlin-group", "plaid"])
def test_a_document_of_another_standard_is_named_as_the_mistake(
    tuppence: Run, tmp_path: Path, standard: str
) -> None:
    (tmp_path / "page.json").write_text('{"statement": []}')
    where = ("page.json", "--customer", "ann", "--store", "money")
    done = tuppence("import", standard, *where, status=1)
    assert "nothing can be imported from these documents; page.json" in done.stderr
    assert "another standard" in done.stderr


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
