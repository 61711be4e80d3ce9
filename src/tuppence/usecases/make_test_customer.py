"""Makes a test customer of a rule from a real one, with personal details replaced."""

from collections.abc import Iterator, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

import msgspec

from tuppence.engine.explanation import explain
from tuppence.engine.rule_tests import try_examples
from tuppence.errors import UserError
from tuppence.facts.batch import FactBatch
from tuppence.facts.consent import Use
from tuppence.facts.currency import minor_digits
from tuppence.facts.plain import plain_facts
from tuppence.facts.schema import ACCOUNTS, TRANSACTIONS, FieldType, Schema
from tuppence.feel.values import Date, parse_date
from tuppence.plan.plan import PlannedRule, make_plan
from tuppence.rules.checking import CheckedRule
from tuppence.rules.rule import Example
from tuppence.rules.ruleset import make_ruleset
from tuppence.usecases.customer_store import EvaluatedStore

MAX_ROWS: Final = 150
"""Maximum number of transactions of a test customer that is made."""
_MONEY: Final = frozenset(
    field.name for field in (*ACCOUNTS, *TRANSACTIONS) if field.kind is FieldType.MONEY
)
_LEFT_OUT: Final = frozenset({"text", "account", "category confidence", "merchant confidence"})
"""Fields of transactions that identify people, or that follow from others."""
Rows = list[dict[str, Any]]


def make_test_customer(
    store: EvaluatedStore,
    customer: str,
    checked: CheckedRule,
    as_of: Date,
    purposes: frozenset[str],
    today: Date,
) -> dict[str, Any]:
    """Return a test customer with the result of a real one, as a rule file has it.

    It has no names, texts or dates of the real customer: accounts and merchants are numbered,
    unless the rule names the merchant, days are counted back from another day, and amounts are
    rounded as far as the result allows. Of the transactions it has those that counted, if they
    are enough for the result.

    Args:
        store: The store of the customer.
        customer: Identifier of the customer.
        checked: The rule.
        as_of: The day that the rule takes for today.
        purposes: Consents for these count, and for no others.
        today: The clock's day, on which consents must hold as well.

    Raises:
        UserError: There is no such customer, no consent lets their facts be read, or no test
            without personal details gives their result.
    """
    schema = store.schema
    facts = store.permitted_facts_of(store.name_of(customer), Use(purposes, today.day, as_of.day))
    found = explain(checked, facts, as_of, schema)
    expected = found.result.state
    counted = {str(row["booking date"]) for one in found.selections for row in one.rows}
    for one in _attempts(facts, checked, as_of, schema, counted):
        example = msgspec.convert({**one, "expect": expected}, Example)
        rule = msgspec.structs.replace(checked.rule, tests=[example])
        tried = CheckedRule(rule, checked.trees, checked.types)
        if not any(verdict.failures for verdict in try_examples(tried, schema)):
            return {"name": one["name"], "expect": str(expected), **_rest(one)}
    message = "no test without personal details has the result of this customer"
    hint = f"it may need a text, or more than {MAX_ROWS} transactions: write it by hand"
    raise UserError("test.personal", message, hint)


def _rest(one: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in one.items() if name != "name" and value}


def _attempts(
    facts: FactBatch, checked: CheckedRule, as_of: Date, schema: Schema, counted: set[str]
) -> Iterator[dict[str, Any]]:
    """Yield test customers, those that tell least about the real one first."""
    fields = make_plan(make_ruleset([checked]), as_of, schema).transaction_fields
    plain = plain_facts(facts, schema, as_of, fields)
    names, currency = PlannedRule(checked, as_of).names, plain["customer"]["currency"]
    digits = minor_digits(currency) or 0
    customer = {n: v for n, v in plain["customer"].items() if n in names and n != "currency"}
    if currency != "GBP":
        customer["currency"] = currency
    accounts, rows = _renamed(plain, checked, as_of)
    first = max((row["days ago"] for row in rows), default=0)
    enough = [row for row in rows if row["booking date"] in counted or row["days ago"] == first]
    for chosen in (enough, rows):
        if len(chosen) > MAX_ROWS:
            continue
        for rounded in (True, False):
            yield {
                "name": "made from a real customer",
                "customer": customer,
                "accounts": [_in_money(one, digits, rounded=rounded) for one in accounts],
                "transactions": [
                    _in_money(
                        {n: v for n, v in one.items() if n != "booking date"},
                        digits,
                        rounded=rounded,
                    )
                    for one in chosen
                ],
            }


def _renamed(plain: Mapping[str, Any], checked: CheckedRule, as_of: Date) -> tuple[Rows, Rows]:
    """Return accounts and transactions as a rule file has them, with names replaced."""
    written = "\n".join(checked.rule.expressions().values())
    ids = {name: f"account {number}" for number, name in enumerate(plain["accounts"]["id"], 1)}
    accounts = _as_rows(plain["accounts"])
    for account in accounts:
        account["id"] = ids[account["id"]]
        account.pop("name", None)
        account.pop("opened", None)
    merchants: dict[str, str] = {}
    rows = _as_rows(plain["transactions"])
    for row in rows:
        day = parse_date(row["booking date"])
        assert day is not None  # noqa: S101 - it was written a moment ago
        row["days ago"] = as_of.day - day.day
        if len(ids) > 1:
            row["account"] = ids[row["account"]]
        merchant = row.get("merchant")
        if merchant is not None and f'"{merchant}"' not in written:
            row["merchant"] = merchants.setdefault(merchant, f"merchant {len(merchants) + 1}")
        for name in _LEFT_OUT - ({"account"} if len(ids) > 1 else set()):
            row.pop(name, None)
        if not row.get("own transfer"):
            row.pop("own transfer", None)
    ordered = [{"days ago": row.pop("days ago"), **row} for row in rows]
    is_usual = plain["accounts"]["type"] == ["current"]
    return ([] if is_usual else accounts), ordered


def _as_rows(table: Mapping[str, list[Any]]) -> Rows:
    rows = zip(*table.values(), strict=True)
    return [{n: v for n, v in zip(table, row, strict=True) if v is not None} for row in rows]


def _in_money(row: Mapping[str, Any], digits: int, *, rounded: bool) -> dict[str, Any]:
    def money(value: int) -> str:
        amount = Decimal(value).scaleb(-digits)
        whole = amount.quantize(Decimal(1), ROUND_HALF_UP)
        return f"{whole if rounded and whole else amount:f}"

    return {name: money(value) if name in _MONEY else value for name, value in row.items()}
