"""Every entrance for identifiers accepts and refuses the same texts."""

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from tests.building import TOKENS
from tests.examples import examples
from tests.identifiers import EDGES, texts

from tuppence.bankdata import berlin_group, open_banking, plaid
from tuppence.bankdata.mapping import TableMapping
from tuppence.bankdata.records import Document, Items
from tuppence.bankdata.statement import read_statement
from tuppence.bankdata.tabular import Owners, read_table
from tuppence.cli.output import only_identifiers
from tuppence.errors import UserError
from tuppence.facts.identifiers import why_not_identifier
from tuppence.facts.schema import Schema
from tuppence.facts.submitted import submitted_batch, submitted_facts_type
from tuppence.rules.examples import example_facts
from tuppence.rules.rule import Example
from tuppence.usecases.fleet.listing import resolve_run
from tuppence.usecases.fleet.messages import Start

TODAY: Final = datetime.date(2026, 6, 30)
CHECK = examples(15, 600, suppress_health_check=list(HealthCheck))

pytestmark = pytest.mark.hypothesis


def owners() -> Owners:
    text = {"id": pl.String, "currency": pl.String}
    return Owners(pl.DataFrame(schema=text), pl.DataFrame(schema=text | {"customer": pl.String}))


def accepts(entrance: Callable[[str], object], text: str) -> bool:
    """Return whether an entrance accepts a text; raise errors other than `identifier.invalid`."""
    try:
        entrance(text)
    except UserError as error:
        if error.code == "identifier.invalid":
            return False
        raise
    return True


def command_line(text: str) -> None:
    only_identifiers("customer")(text)
    only_identifiers("customer")([text])


def given_facts(text: str) -> None:
    one: dict[str, Any] = {
        "customer": {"currency": "GBP"},
        "accounts": {"id": [text], "type": ["current"]},
        "transactions": {
            "booking date": ["2026-06-01"],
            "amount": [1],
            "own transfer": [False],
            "account": [text],
        },
    }
    submitted_batch([msgspec.convert(one, submitted_facts_type(Schema()))], Schema())


def rule_test_customer(text: str) -> None:
    example_facts(Example("test", "unknown", customer={"id": text}), Schema())


def rule_test_account(text: str) -> None:
    example_facts(Example("test", "unknown", accounts=[{"id": text}]), Schema())


def fleet(text: str) -> None:
    now = datetime.datetime(2026, 6, 30, tzinfo=datetime.UTC)
    resolve_run(Start(as_of="2026-06-30", ruleset="r", customers=(text,)), lambda: None, now, 1, 0)


def fleet_prefix(text: str) -> None:
    now = datetime.datetime(2026, 6, 30, tzinfo=datetime.UTC)
    resolve_run(Start(as_of="2026-06-30", ruleset="r", prefix=text), lambda: None, now, 1, 0)


def statement_customer(text: str) -> None:
    account = {"Data": {"Account": [{"AccountId": "A", "Currency": "GBP"}]}}
    documents = [Document("d", account)]
    read_statement(documents, open_banking.items, text, Schema(), owners(), TODAY, TOKENS)


@pytest.mark.parametrize(
    "entrance",
    [command_line, given_facts, rule_test_customer, rule_test_account, fleet, statement_customer],
)
def test_every_entrance_accepts_the_identifiers_that_the_rule_allows(
    entrance: Callable[[str], object],
) -> None:
    @CHECK
    @given(texts())
    def holds(text: str) -> None:
        assert accepts(entrance, text) is (why_not_identifier(text) is None)

    holds()


@CHECK
@given(texts())
def test_a_prefix_is_the_beginning_of_an_identifier(text: str) -> None:
    assert accepts(fleet_prefix, text) is (why_not_identifier(text + "0") is None)


UK: Final = {
    "Status": "Booked", "CreditDebitIndicator": "Debit",
    "Amount": {"Amount": "1.00", "Currency": "GBP"}, "BookingDateTime": "2026-06-01T00:00:00Z",
}  # fmt: skip
EU: Final = {"transactionAmount": {"amount": "-1.00", "currency": "GBP"},
             "bookingDate": "2026-06-01"}  # fmt: skip
US: Final = {"amount": "1.00", "iso_currency_code": "GBP", "date": "2026-06-01"}
STATEMENTS: Final[dict[str, tuple[Items, Callable[[str], Any]]]] = {
    "an account of UK Open Banking": (
        open_banking.items, lambda t: {"Data": {"Account": [{"AccountId": t, "Currency": "GBP"}]}}),
    "a transaction of UK Open Banking": (
        open_banking.items,
        lambda t: {"Data": {"Transaction": [UK | {"AccountId": "A", "TransactionId": t}]}}),
    "the account of a transaction of UK Open Banking": (
        open_banking.items, lambda t: {"Data": {"Transaction": [UK | {"AccountId": t}]}}),
    "a transaction of the Berlin Group": (
        berlin_group.items,
        lambda t: {"account": {"iban": "A"},
                   "transactions": {"booked": [EU | {"transactionId": t}]}},
    ),
    "an account of the Berlin Group": (
        berlin_group.items, lambda t: {"accounts": [{"iban": t, "currency": "GBP"}]}),
    "an account of Plaid": (
        plaid.items,
        lambda t: {"accounts": [{"account_id": t, "balances": {"iso_currency_code": "GBP"}}]}),
    "a transaction of Plaid": (
        plaid.items, lambda t: {"added": [US | {"account_id": "A", "transaction_id": t}]}),
    "a consent of UK Open Banking": (
        open_banking.items,
        lambda t: {"Data": {"ConsentId": t, "Status": "Authorised", "Permissions": [],
                            "StatusUpdateDateTime": "2026-06-01"}}),
}  # fmt: skip


@pytest.mark.parametrize("kind", STATEMENTS)
def test_every_document_accepts_the_identifiers_that_the_rule_allows(kind: str) -> None:
    """Readers strip surrounding blanks first, and replace an empty identifier."""
    items, document = STATEMENTS[kind]
    known = owners()
    known.customers.extend(pl.DataFrame({"id": ["ann"], "currency": ["GBP"]}))

    @CHECK
    @given(texts().map(str.strip).filter(bool))
    def holds(text: str) -> None:
        found = read_statement(
            [Document("d", document(text))], items, "ann", Schema(), known, TODAY, TOKENS
        )
        reasons = found.table.rejects["reason"].to_list()
        problem = why_not_identifier(text)
        assert len(reasons) == (problem is not None)
        assert all(reason.endswith(str(problem)) for reason in reasons)

    holds()


@pytest.mark.parametrize("field", ["id", "account", "customer"])
def test_a_table_accepts_the_identifiers_that_the_rule_allows(field: str, tmp_path: Path) -> None:
    """A table strips surrounding blanks first, and takes an empty cell as missing."""

    path = tmp_path / "table.parquet"
    names = ("id", "account", "customer", "currency", "booking date", "amount")
    mapping = TableMapping("transactions", columns={name: name for name in names})

    def takes_what_is_allowed(cells: list[str]) -> None:
        plain = [{"id": str(n), "account": str(n), "customer": "ann", "currency": "GBP",
                  "booking date": "2026-06-01", "amount": "-1"} | {field: cell}
                 for n, cell in enumerate(cells)]  # fmt: skip
        trimmed = pl.Series(cells).str.strip_chars().to_list()
        pl.DataFrame(plain).write_parquet(path)
        reading = read_table(path, mapping, Schema(), owners(), TODAY, TOKENS)
        reasons = dict(reading.rejects.select("row", "reason").iter_rows())
        for number, text in enumerate(trimmed, 1):
            problem = why_not_identifier(text) if text else None
            reason = reasons.get(number, "")
            if problem is not None:
                assert reason == f"{field} {problem}"
            elif text and trimmed.index(text) == number - 1:
                assert reason == ""

    takes_what_is_allowed(EDGES)
    many = st.lists(texts(), min_size=20, unique=True)  # another process reads each table
    examples(2, 200, suppress_health_check=list(HealthCheck))(given(many)(takes_what_is_allowed))()
