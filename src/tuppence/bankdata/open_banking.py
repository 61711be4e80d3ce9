"""UK Open Banking, versions 3.1 and 4.0: responses of the account and transaction API.

https://openbankinguk.github.io/read-write-api-site3/ and https://standards.openbanking.org.uk. The
versions spell statuses and types differently; both spellings are accepted in every document. An
unknown code leaves its field empty.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from tuppence.bankdata.categories import MERCHANT_CODE_CONFIDENCE, by_merchant_code
from tuppence.bankdata.records import (
    Account,
    Balance,
    Booking,
    ConsentRecord,
    CreditLimit,
    Holder,
    IgnoredItem,
    InvalidItem,
    Item,
    Money,
    Record,
    country_of,
    day_of,
    elements,
    given_id,
    ignore,
    moment_of,
    optional,
    refuse,
    required,
    time_of,
)

_LONDON: Final = ZoneInfo("Europe/London")
BOOKED: Final = frozenset({"booked", "book"})
PENDING: Final = frozenset({"pending", "pdng", "futr", "info"})
REJECTED: Final = frozenset({"rejected", "rjct"})
ACCOUNT_TYPES: Final[Mapping[str, str]] = {
    "currentaccount": "current",
    "emoney": "current",
    "prepaidcard": "current",
    "cacc": "current",
    "tran": "current",
    "odft": "current",
    "savings": "savings",
    "svgs": "savings",
    "moma": "savings",
    "ondp": "savings",
    "creditcard": "credit card",
    "chargecard": "credit card",
    "card": "credit card",
    "char": "credit card",
    "loan": "loan",
    "mortgage": "loan",
    "mgld": "loan",
}
"""Account types by AccountSubType (version 3.1) or AccountTypeCode (4.0); others are current."""
BOOK_BALANCES: Final = frozenset(
    {"closingbooked", "interimbooked", "openingbooked", "previouslyclosedbooked"}
    | {"clbd", "itbd", "opbd", "prcd"}
)
"""Types of booked balances, which do not include pending transactions."""
CONSENTS: Final = {"authorised": True, "auth": True, "revoked": False, "canc": False, "expd": False}
"""Statuses of consents that were given, and whether each is still in force."""
LIMITS: Final = frozenset({"pre-agreed", "credit", "prea", "cred"})
"""Types of agreed credit lines, unlike temporary and emergency ones."""
PAYMENT_TYPES: Final = (
    ("direct debit", ("directdebit", "iddt", "rddt")),
    ("standing order", ("standingorder", "automatictransfer", "stdo")),
    ("cash", ("cash", "atm", "counter", "cwdl", "cdpt", "cntr")),
    ("card", ("card", "ccrd", "mcrd", "pointofsale", "posd", "posc")),
    ("transfer", ("credittransfer", "transfer", "icdt", "rcdt", "fasterpayment")),
)
"""Payment types, each with parts of the bank's codes; the first match counts."""


def items(content: Any) -> Iterator[Item]:
    """Find the items of a document, which is a response of the API or the list of a resource."""
    data = content.get("Data") if isinstance(content, dict) else None
    if not isinstance(data, dict):
        yield Item("", content, refuse("this is not a response of Open Banking: it has no Data"))
        return
    known = [name for name in _READERS if name in data]
    for name in known:
        for number, one in enumerate(elements(data, name)):
            yield Item(f"Data.{name}[{number}]", one, _READERS[name])
    if "ConsentId" in data:
        yield Item("Data", data, _consent)
    elif not known:
        kind = " and ".join(sorted(data)) or "nothing"
        kind = "a request for a consent" if "Permissions" in data else kind
        yield Item("Data", data, refuse(f"{kind} has no accounts, balances or transactions"))


def _account(content: Any) -> Iterator[Record]:
    code = optional(content, "AccountSubType") or optional(content, "AccountTypeCode") or ""
    opened = optional(content, "OpeningDate")
    names = (optional(content, key) for key in ("Nickname", "Description"))
    yield Account(
        required(content, "AccountId"),
        ACCOUNT_TYPES.get(code.lower(), "current"),
        optional(content, "Currency"),
        next(filter(None, names), None),
        day_of(opened) if opened else None,
    )


def _transaction(content: Any) -> Iterator[Record]:
    status = required(content, "Status").lower()
    if status in PENDING:
        yield IgnoredItem("pending transactions")
        return
    if status in REJECTED:
        yield IgnoredItem("rejected transactions")
        return
    if status not in BOOKED:
        raise InvalidItem(f"the status {required(content, 'Status')} is not known")
    balance, amount = content.get("Balance"), _money(content)
    code = optional(content, "MerchantDetails", "MerchantCategoryCode")
    yield Booking(
        required(content, "AccountId"),
        given_id(content, "TransactionId"),
        _in_london(moment_of(required(content, "BookingDateTime"))),
        amount,
        optional(content, "TransactionInformation"),
        optional(content, "MerchantDetails", "MerchantName"),
        _payment_type(content),
        balance=_money(balance) if _is_of_books(balance) else None,
        category=by_merchant_code(code, is_payment=amount.text.startswith("-")),
        category_confidence=MERCHANT_CODE_CONFIDENCE,
        foreign_currency=_foreign(content, amount.currency),
    )


def _in_london(moment: str) -> str:
    """Return a moment with the day that a British statement has for it.

    Many banks write moments in UTC, which is an hour behind London in summer.
    """
    written = time_of(moment)
    if written.utcoffset() or datetime.fromisoformat(moment).tzinfo is None:
        return moment  # it has the bank's own offset, or none
    try:
        local = written.astimezone(_LONDON)
    except OverflowError:
        return moment
    return moment if local.date() == written.date() else local.isoformat()


def _balance(content: Any) -> Iterator[Record]:
    account = required(content, "AccountId")
    for line in elements(content, "CreditLine"):
        if (optional(line, "Type") or "").lower() in LIMITS and "Amount" in line:
            yield CreditLimit(account, _plain(line["Amount"]))
    if _is_of_books(content):
        yield Balance(account, moment_of(required(content, "DateTime")), _money(content))
    else:
        yield IgnoredItem("balances that are not booked balances")


def _party(content: Any) -> Iterator[Record]:
    yield IgnoredItem("parties")
    found = (country_of(optional(one, "Country")) for one in elements(content, "Address"))
    if (optional(content, "PartyType") or "").lower() == "sole":
        yield from (Holder(country) for country in found if country)


def _consent(content: Any) -> Iterator[Record]:
    status, updated = required(content, "Status").lower(), required(content, "StatusUpdateDateTime")
    granted = moment_of(optional(content, "CreationDateTime") or updated)
    expires = optional(content, "ExpirationDateTime")
    if status not in CONSENTS:
        yield IgnoredItem("consents that were never given")
        return
    yield ConsentRecord(
        required(content, "ConsentId"),
        tuple(map(str, elements(content, "Permissions"))),
        granted,
        moment_of(updated) if CONSENTS[status] else None,
        moment_of(expires) if expires else None,
        None if CONSENTS[status] else moment_of(updated),
    )


def _money(content: Any) -> Money:
    """Return an amount, negative if its indicator says debit.

    Raises:
        InvalidItem: The amount, its currency or its indicator is missing or invalid.
    """
    amount = _plain(content.get("Amount") if isinstance(content, dict) else None)
    direction = required(content, "CreditDebitIndicator").lower()
    if direction not in {"credit", "debit", "crdt", "dbit"}:
        raise InvalidItem(f"CreditDebitIndicator is {direction}, neither Credit nor Debit")
    out = direction in {"debit", "dbit"} and amount.text.strip("0.") != ""
    return Money(f"-{amount.text}" if out else amount.text, amount.currency)


def _foreign(content: Any, currency: str) -> str | None:
    """Return the foreign currency of an exchange, if the transaction reports one."""
    names = ("SourceCurrency", "TargetCurrency", "UnitCurrency")
    found = (optional(content, "CurrencyExchange", name) for name in names)
    return next((name for name in found if name and name != currency), None)


def _plain(content: Any) -> Money:
    amount = required(content, "Amount")
    if amount.startswith("-"):
        raise InvalidItem(f"the amount {amount} has a sign; only CreditDebitIndicator may give it")
    return Money(amount, required(content, "Currency").upper())


def _is_of_books(balance: Any) -> bool:
    return (optional(balance, "Type") or "").lower() in BOOK_BALANCES


def _payment_type(content: Any) -> str | None:
    codes = "".join(
        optional(content, key, part) or ""
        for key in ("BankTransactionCode", "ProprietaryBankTransactionCode")
        for part in ("Code", "SubCode")
    ).lower()
    if not codes and "CardInstrument" in content:
        return "card"
    return next((kind for kind, signs in PAYMENT_TYPES if any(s in codes for s in signs)), None)


_READERS: Final[Mapping[str, Callable[[Any], Iterable[Record]]]] = {
    "Account": _account,
    "Transaction": _transaction,
    "Balance": _balance,
    "Party": _party,
    "DirectDebit": ignore("direct debits"),
    "StandingOrder": ignore("standing orders"),
    "ScheduledPayment": ignore("scheduled payments"),
    "Beneficiary": ignore("beneficiaries"),
    "Product": ignore("products"),
    "Offer": ignore("offers"),
    "Statement": ignore("statements"),
}
