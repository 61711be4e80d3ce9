"""The schema, currencies and batches, and the facts that rules see."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.building import bank, day, frame

from tuppence.adapters.embedded.fact_store import FactStore
from tuppence.derived.context import customer_context
from tuppence.errors import UserError
from tuppence.facts.attributes import read_attributes
from tuppence.facts.currency import minor_digits
from tuppence.facts.rows import Rows
from tuppence.facts.schema import COLLECTIONS, CUSTOMER, FieldType, Schema
from tuppence.feel.library import BUILTINS
from tuppence.feel.values import Date


def context(store: Path, as_of: str, customer: str = "ann") -> dict[str, Any]:
    return customer_context(FactStore(store).find(customer), 0, Date(day(as_of)))


def test_no_field_hides_a_built_in_function() -> None:
    assert not Schema().words() & BUILTINS.keys()


def test_every_field_is_documented() -> None:
    fields = [f for name in ("customer", *COLLECTIONS) for f in Schema().fields(name)]
    assert all(field.doc.endswith((".", "…")) for field in fields)
    assert all(field.unit for field in fields if field.kind in {FieldType.MONEY, FieldType.NUMBER})


def test_transactions_after_the_date_are_hidden_from_rules(store: Path) -> None:
    assert len(context(store, "2026-05-31")["transactions"]) == 0
    assert len(context(store, "2026-06-10")["transactions"]) == 2


def test_payments_have_positive_amounts_and_receipts_are_money_in(store: Path) -> None:
    seen = context(store, "2026-06-30")
    amounts = {
        name: [row["amount"] for row in seen[name]]
        for name, collection in COLLECTIONS.items()
        if collection.table == "transactions"
    }
    assert amounts == {
        "transactions": [Decimal("-12.50"), Decimal(2000), Decimal("-9.99")],
        "payments": [Decimal("12.50"), Decimal("9.99")],
        "receipts": [Decimal(2000)],
    }
    assert seen["customer"]["history days"] == 29


def test_own_transfers_are_neither_payments_nor_receipts(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"booking date": 1, "amount": -100, "own transfer": True},
        {"booking date": 1, "amount": 100, "own transfer": True},
        {"booking date": 1, "amount": 0},
    ]
    FactStore.create(tmp_path, Schema()).append(bank(rows))
    seen = context(tmp_path, "2026-01-01")
    assert [len(seen[n]) for n in ("transactions", "payments", "receipts")] == [3, 0, 0]


def test_the_balance_is_the_last_one_known_by_the_date(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"booking date": day("2026-01-01"), "amount": -100, "balance": 900},
        {"booking date": day("2026-01-02"), "amount": -100, "balance": 800},
        {"booking date": day("2026-01-02"), "amount": -100, "balance": None},
    ]
    FactStore.create(tmp_path, Schema()).append(bank(rows))
    balances = [
        context(tmp_path, date)["accounts"][0]["balance"]
        for date in ("2025-12-31", "2026-01-01", "2026-01-05")
    ]
    assert balances == [None, 9, 8]


def test_money_has_the_decimals_of_its_currency(tmp_path: Path) -> None:
    store = FactStore.create(tmp_path, Schema())
    for currency, amount in (("JPY", -500), ("KWD", -1500)):
        rows = bank([{"booking date": 1, "amount": amount}], customer=currency)
        customers = frame("customers", [{"id": currency, "currency": currency}])
        store.append(Rows(customers, rows.accounts, rows.transactions))
    assert context(tmp_path, "2026-01-01", "JPY")["payments"][0]["amount"] == 500
    assert context(tmp_path, "2026-01-01", "KWD")["payments"][0]["amount"] == Decimal("1.500")


def test_currencies_are_found_by_their_code() -> None:
    assert [minor_digits(code) for code in ("GBP", "JPY", "BHD", "GB", "XXX", "GBP AED")] == [
        2, 0, 3, None, None, None,
    ]  # fmt: skip


ATTRIBUTES = """
attributes:
  - {name: segment, type: text, doc: The bank's customer segment., personal: false}
  - {name: limit, type: money, doc: What the customer set., nullable: true}
  - {name: risk, type: number, decimals: 2, doc: "0 to 1.", unit: share}
  - {name: joined, type: date, doc: Since when.}
  - {name: opted in, type: boolean, doc: To letters., nullable: false}
"""


def test_declared_attributes_can_be_read_by_rules(tmp_path: Path) -> None:
    (tmp_path / "attributes.yaml").write_text(ATTRIBUTES)
    schema = read_attributes(tmp_path / "attributes.yaml")
    assert [f.name for f in schema.customer[len(CUSTOMER) :]] == [
        "segment", "limit", "risk", "joined", "opted in",
    ]  # fmt: skip
    customer = {
        "id": "ann", "currency": "GBP", "segment": "gold", "limit": 12345, "risk": 25, "joined": 7,
        "opted in": True,
    }  # fmt: skip
    store = FactStore.create(tmp_path / "store", schema)
    store.append(Rows(frame("customers", [customer], schema)))
    seen = context(tmp_path / "store", "2026-01-01")["customer"]
    assert {n: seen[n] for n in ("segment", "limit", "risk", "joined", "opted in")} == {
        "segment": "gold",
        "limit": Decimal("123.45"),
        "risk": Decimal("0.25"),
        "joined": Date(7),
        "opted in": True,
    }
    assert FactStore(tmp_path / "store").schema == schema


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("currency", "is defined already"),
        ("count", "is the name of a built-in function"),
        ("Big Name", "is not a name: small letters and digits, words with one space between"),
    ],
)
def test_an_attribute_with_an_invalid_or_taken_name_is_refused(
    tmp_path: Path, name: str, problem: str
) -> None:
    path = tmp_path / "attributes.yaml"
    path.write_text(f"attributes: [{{name: {name}, type: text, doc: x}}]")
    with pytest.raises(UserError, match=problem) as caught:
        read_attributes(path)
    assert caught.value.code == "schema.attribute"


def test_a_store_keeps_its_attributes(tmp_path: Path) -> None:
    (tmp_path / "attributes.yaml").write_text(ATTRIBUTES)
    FactStore.create(tmp_path / "store", Schema())
    with pytest.raises(UserError, match="created with other customer attributes"):
        FactStore.create(tmp_path / "store", read_attributes(tmp_path / "attributes.yaml"))
