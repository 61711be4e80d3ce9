"""Plaid: accounts and transactions as /transactions/get and /transactions/sync give them.

https://plaid.com/docs/api/products/transactions/. Amounts are numbers, and positive ones are money
out. A transaction that was pending comes again, booked, by another identifier.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from tuppence.bankdata.statement import (
    Account,
    Booking,
    CreditLimit,
    Item,
    Left,
    Money,
    Part,
    Unfit,
    country_of,
    leave,
    listed,
    moment_of,
    needed,
    optional,
    refuse,
)

SUBTYPES: Final = frozenset(
    {"savings", "money market", "cd", "cash isa", "isa", "hsa", "health reimbursement arrangement"}
)
"""Of depository accounts: those that are savings."""
CHANNELS: Final = {"in store": "card", "online": "card"}
CODES: Final = {
    "atm": "cash",
    "cash": "cash",
    "cashback": "cash",
    "direct debit": "direct debit",
    "standing order": "standing order",
    "transfer": "transfer",
    "purchase": "card",
}
"""How it was paid, by transaction_code, which European banks fill."""
OTHERS: Final = {
    "override_accounts": "this configures Plaid's sandbox, and is no data of a bank",
    "inflow_streams": "recurring streams are found by ourselves, from the transactions",
    "enriched_transactions": "enriched transactions have no date: import the transactions",
    "user_data_overview": "insights about transactions are none: import the transactions",
}
"""Why a document of another kind is not taken, by a key that it has."""


def items(content: Any) -> Iterator[Item]:
    """The items of a document: an answer of the API."""
    known = [name for name in _READERS if isinstance(content, dict) and name in content]
    for name in known:
        for number, one in enumerate(listed(content, name)):
            yield Item(f"{name}[{number}]", one, _READERS[name])
    if not known:
        keys = content.keys() if isinstance(content, dict) else ()
        reasons = (reason for key, reason in OTHERS.items() if key in keys)
        yield Item("", content, refuse(next(reasons, "this has no accounts or transactions")))


def _account(content: Any) -> Iterator[Part]:
    kind = {"credit": "credit card", "loan": "loan"}.get(optional(content, "type") or "", "current")
    if kind == "current" and optional(content, "subtype") in SUBTYPES:
        kind = "savings"
    account, currency = needed(content, "account_id"), _currency(content, "balances")
    yield Account(account, kind, currency, optional(content, "name"))
    limit = optional(content, "balances", "limit")
    if limit and currency:
        yield CreditLimit(account, Money(limit, currency))


def _transaction(content: Any) -> Iterator[Part]:
    if content.get("pending") is True:
        yield Left("pending transactions")
        return
    currency = _currency(content)
    if currency is None:
        raise Unfit("the amount has no currency of ISO 4217")
    amount = needed(content, "amount")
    code = optional(content, "transaction_code") or ""
    yield Booking(
        needed(content, "account_id"),
        needed(content, "transaction_id"),
        moment_of(optional(content, "datetime") or needed(content, "date")),
        Money(_turned(amount), currency),
        optional(content, "original_description") or optional(content, "name"),
        optional(content, "merchant_name"),
        CODES.get(code) or CHANNELS.get(optional(content, "payment_channel") or ""),
        country_of(optional(content, "location", "country")),
    )


def _turned(amount: str) -> str:
    """An amount of the other sign; zero has none."""
    if amount.startswith("-"):
        return amount.removeprefix("-")
    return f"-{amount}" if amount.strip("0.") else amount


def _currency(content: Any, *path: str) -> str | None:
    return optional(content, *path, "iso_currency_code")


_READERS: Final[Mapping[str, Callable[[Any], Iterable[Part]]]] = {
    "accounts": _account,
    "transactions": _transaction,
    "added": _transaction,
    "modified": _transaction,
    "removed": leave("removed transactions, which stay if they were booked"),
}
