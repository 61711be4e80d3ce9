"""UK Open Banking: what is read of its resources, and what is refused."""

from typing import Any

import pytest
from tests.building import SHARED, TOKENS
from tests.statements import (
    TODAY,
    answer,
    booked,
    owners,
    read,
    reasons,
    transactions,
)

from tuppence.bankdata import open_banking
from tuppence.bankdata.documents import read_documents
from tuppence.bankdata.statement import read_statement
from tuppence.facts.schema import Schema


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


@pytest.mark.parametrize("version", ["v3.1.11", "v4.0"])
def test_the_public_examples_of_uk_open_banking_are_imported(version: str) -> None:
    folder = SHARED / "data/open-banking" / version / "examples"
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
