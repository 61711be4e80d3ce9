"""NextGenPSD2 of the Berlin Group, version 1.3: accounts, balances and transactions.

https://www.berlin-group.org/nextgenpsd2-downloads. Amounts are signed: money out is negative. A
transaction without a `transactionId` may have an `entryReference`, which is as stable, or the
`internalTransactionId` of GoCardless, whose answers about an account do not name it.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final

from tuppence.bankdata.records import (
    Account,
    Balance,
    Booking,
    ConsentRecord,
    IgnoredItem,
    InvalidItem,
    Item,
    Money,
    Record,
    elements,
    given_id,
    ignore,
    moment_of,
    optional,
    refuse,
    required,
)
from tuppence.facts.consent import scope_of

ACCOUNT_TYPES: Final = {
    "CACC": "current",
    "TRAN": "current",
    "SVGS": "savings",
    "MOMA": "savings",
    "CARD": "credit card",
    "LOAN": "loan",
    "MGLD": "loan",
}
"""Account types by cashAccountType (ISO 20022 ExternalCashAccountType1Code); others are current."""
BOOK_BALANCES: Final = frozenset({"closingBooked", "interimBooked", "openingBooked"})
CONSENTS: Final = {"valid": True, "revokedByPsu": False, "terminatedByTpp": False, "expired": False}
"""Statuses of consents that were given, and whether each is still in force."""
FAMILIES: Final = {
    "ICDT": "transfer",
    "RCDT": "transfer",
    "IDDT": "direct debit",
    "RDDT": "direct debit",
    "CCRD": "card",
    "MCRD": "card",
    "CNTR": "cash",
}
"""Payment types by the family in bankTransactionCode, which is DOMAIN-FAMILY-SUBFAMILY."""


def items(content: Any) -> Iterator[Item]:
    """Find the items of a document, which is a response of the API."""
    found = False
    if isinstance(content, dict):
        own = content.get("account")
        account = _account_id(own)
        for number, one in enumerate(elements(content, "accounts")):
            found = True
            yield from _account_items(f"accounts[{number}]", one)
        if isinstance(own, dict) and {"resourceId", "cashAccountType", "product"} & own.keys():
            found = True
            yield from _account_items("account", own)
        for number, one in enumerate(elements(content, "balances")):
            found = True
            yield Item(f"balances[{number}]", one, partial(_balance, account))
        if "consentStatus" in content:
            found = True
            yield Item("", content, _consent)
        transactions = content.get("transactions")
        if isinstance(transactions, dict):
            found = True
            readers: dict[str, Callable[[Any], Iterable[Record]]] = {
                "booked": partial(_transaction, account or _linked(transactions)),
                "pending": ignore("pending transactions"),
                "information": ignore("standing orders"),
            }
            for kind, read in readers.items():
                for number, one in enumerate(elements(transactions, kind)):
                    yield Item(f"transactions.{kind}[{number}]", one, read)
    if not found:
        yield Item("", content, refuse("the document has no accounts, balances or transactions"))


def with_account(content: Any, account: str) -> Any:
    """Return a document with an account, if it names none itself.

    Args:
        content: An answer of the API.
        account: The account's identifier.
    """
    if isinstance(content, dict) and _account_id(content.get("account")) is None:
        return {**content, "account": {"iban": account}}
    return content


def _account_items(place: str, content: Any) -> Iterator[Item]:
    yield Item(place, content, _account)
    for number, one in enumerate(elements(content, "balances")):
        yield Item(f"{place}.balances[{number}]", one, partial(_balance, _account_id(content)))


def _account(content: Any) -> Iterator[Record]:
    account = _account_id(content)
    if account is None:
        raise InvalidItem("the account has no iban, bban or resourceId")
    code = (optional(content, "cashAccountType") or "").upper()
    names = (optional(content, key) for key in ("displayName", "name", "product"))
    yield Account(
        account,
        ACCOUNT_TYPES.get(code, "current"),
        optional(content, "currency"),
        next(filter(None, names), None),
    )


def _consent(content: Any) -> Iterator[Record]:
    """Read a consent; the API's response has neither its identifier nor its start."""
    status, until = required(content, "consentStatus"), optional(content, "validUntil")
    if status not in CONSENTS or until is None:
        yield IgnoredItem("consents that were never given, or whose end is not stated")
        return
    touched = moment_of(optional(content, "lastActionDate") or until)
    yield ConsentRecord(
        optional(content, "consentId") or "berlin-group",
        _scope(content.get("access")),
        touched,
        expires=moment_of(until),
        withdrawn=None if CONSENTS[status] else touched,
    )


def _scope(access: Any) -> tuple[str, ...]:
    """Return the words of a scope.

    A key of `access` without a list covers all accounts of the consent; a key with a list covers
    the accounts in it. An entry whose account cannot be identified, such as a masked card number,
    grants nothing.
    """
    words: list[str] = []
    for key in sorted(access) if isinstance(access, dict) else ():
        accounts = elements(access, key) if isinstance(access[key], list) else []
        named = None if not accounts else sorted({_account_id(one) or "" for one in accounts})
        if access[key] is not None:
            words += scope_of(key, named)
    return tuple(words)


def _balance(account: str | None, content: Any) -> Iterator[Record]:
    if account is None:
        raise InvalidItem(
            "the document does not say which account this balance is of: see --account"
        )
    if optional(content, "balanceType") not in BOOK_BALANCES:
        yield from ignore("balances that are not booked balances")(content)
        return
    moment = optional(content, "lastChangeDateTime") or required(content, "referenceDate")
    yield Balance(account, moment_of(moment), _money(content, "balanceAmount"))


def _transaction(account: str | None, content: Any) -> Iterator[Record]:
    if account is None:
        raise InvalidItem(
            "the document does not say which account this transaction is of: see --account"
        )
    amount = _money(content, "transactionAmount")
    other = "creditorName" if amount.text.startswith("-") else "debtorName"
    parts = elements(content, "remittanceInformationUnstructuredArray")
    texts = (
        optional(content, "remittanceInformationUnstructured"),
        " ".join(part.strip() for part in parts if isinstance(part, str)),
        optional(content, "additionalInformation"),
        optional(content, other),
    )
    family = (optional(content, "bankTransactionCode") or "").upper().split("-")[1:2]
    by_family = FAMILIES.get(family[0]) if family else None
    kind = "direct debit" if optional(content, "mandateId") else by_family
    after = content.get("balanceAfterTransaction")
    yield Booking(
        account,
        given_id(content, "transactionId", "entryReference", "internalTransactionId"),
        moment_of(required(content, "bookingDate")),
        amount,
        next(filter(None, texts), None),
        optional(content, other) if kind in ("card", "direct debit") else None,
        kind,
        balance=_money(after, "balanceAmount") if after else None,
        foreign_currency=_foreign(content, amount.currency),
    )


def _money(content: Any, key: str) -> Money:
    currency = required(content, key, "currency").upper()
    return Money(required(content, key, "amount").removeprefix("+"), currency)


def _foreign(content: Any, currency: str) -> str | None:
    """Return the foreign currency of an exchange, if the transaction reports one."""
    for exchange in elements(content, "currencyExchange") or elements(content, "exchangeRate"):
        for name in ("sourceCurrency", "targetCurrency", "unitCurrency"):
            found = optional(exchange, name)
            if found and found != currency:
                return found
    return None


def _account_id(content: Any) -> str | None:
    """Return the identifier by which transactions and balances refer to an account."""
    names = (optional(content, key) for key in ("iban", "bban", "resourceId"))
    return next(filter(None, names), None)


def _linked(transactions: Any) -> str | None:
    """Return the account at the end of the transactions' link, if there is a link."""
    link = optional(transactions, "_links", "account", "href")
    return link.rstrip("/").rpartition("/")[2] if link else None
