"""The Berlin Group's NextGenPSD2: accounts, identifiers and texts as banks give them."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from tests.building import TOKENS
from tests.conftest import Run
from tests.statements import (
    booked,
    booked_at,
    eu,
    read,
    reasons,
    transactions,
    transactions_of,
)

from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.bankdata import berlin_group, open_banking

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
