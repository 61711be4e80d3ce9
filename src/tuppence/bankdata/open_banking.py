"""UK Open Banking, versions 3.1 and 4.0: what the account and transaction API gives.

https://openbankinguk.github.io/read-write-api-site3/ and https://standards.openbanking.org.uk. Both
versions spell statuses and types in their own way, and both are understood whatever the document
says of itself. Unknown codes do no harm: what they would tell stays empty.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from tuppence.bankdata.categories import BY_CODE, by_merchant_code
from tuppence.bankdata.parts import (
    Account,
    Agreed,
    Balance,
    Booking,
    CreditLimit,
    Holder,
    Item,
    Left,
    Money,
    Part,
    Unfit,
    country_of,
    day_of,
    given_id,
    leave,
    listed,
    moment_of,
    needed,
    optional,
    refuse,
)

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
"""By AccountSubType of version 3.1 or AccountTypeCode of version 4.0; others count as current."""
BOOK_BALANCES: Final = frozenset(
    {"closingbooked", "interimbooked", "openingbooked", "previouslyclosedbooked"}
    | {"clbd", "itbd", "opbd", "prcd"}
)
"""Balances of the books, which pending transactions do not touch."""
CONSENTS: Final = {"authorised": True, "auth": True, "revoked": False, "canc": False, "expd": False}
"""Statuses of consents that were given, and whether they stand."""
LIMITS: Final = frozenset({"pre-agreed", "credit", "prea", "cred"})
"""Credit lines that were agreed, unlike temporary and emergency ones."""
PAYMENT_TYPES: Final = (
    ("direct debit", ("directdebit", "iddt", "rddt")),
    ("standing order", ("standingorder", "automatictransfer", "stdo")),
    ("cash", ("cash", "atm", "counter", "cwdl", "cdpt", "cntr")),
    ("card", ("card", "ccrd", "mcrd", "pointofsale", "posd", "posc")),
    ("transfer", ("credittransfer", "transfer", "icdt", "rcdt", "fasterpayment")),
)
"""How it was paid, by what is in the bank's codes; the first that fits."""


def items(content: Any) -> Iterator[Item]:
    """The items of a document: an answer of the API, or one resource's list."""
    data = content.get("Data") if isinstance(content, dict) else None
    if not isinstance(data, dict):
        yield Item("", content, refuse("this is no answer of Open Banking: it has no Data"))
        return
    known = [name for name in _READERS if name in data]
    for name in known:
        for number, one in enumerate(listed(data, name)):
            yield Item(f"Data.{name}[{number}]", one, _READERS[name])
    if "ConsentId" in data:
        yield Item("Data", data, _consent)
    elif not known:
        told = " and ".join(sorted(data)) or "nothing"
        kind = "a request for a consent" if "Permissions" in data else told
        yield Item("Data", data, refuse(f"{kind} has no accounts, balances or transactions"))


def _account(content: Any) -> Iterator[Part]:
    code = optional(content, "AccountSubType") or optional(content, "AccountTypeCode") or ""
    opened = optional(content, "OpeningDate")
    names = (optional(content, key) for key in ("Nickname", "Description"))
    yield Account(
        needed(content, "AccountId"),
        ACCOUNT_TYPES.get(code.lower(), "current"),
        optional(content, "Currency"),
        next(filter(None, names), None),
        day_of(opened) if opened else None,
    )


def _transaction(content: Any) -> Iterator[Part]:
    status = needed(content, "Status").lower()
    if status in PENDING:
        yield Left("pending transactions")
        return
    if status in REJECTED:
        yield Left("rejected transactions")
        return
    if status not in BOOKED:
        raise Unfit(f"the status {needed(content, 'Status')} is not known")
    balance, amount = content.get("Balance"), _money(content)
    code = optional(content, "MerchantDetails", "MerchantCategoryCode")
    yield Booking(
        needed(content, "AccountId"),
        given_id(content, "TransactionId"),
        moment_of(needed(content, "BookingDateTime")),
        amount,
        optional(content, "TransactionInformation"),
        optional(content, "MerchantDetails", "MerchantName"),
        _payment_type(content),
        balance=_money(balance) if _is_of_books(balance) else None,
        category=by_merchant_code(code, is_payment=amount.text.startswith("-")),
        sure=BY_CODE,
        foreign_currency=_foreign(content, amount.currency),
    )


def _balance(content: Any) -> Iterator[Part]:
    account = needed(content, "AccountId")
    for line in listed(content, "CreditLine"):
        if (optional(line, "Type") or "").lower() in LIMITS and "Amount" in line:
            yield CreditLimit(account, _plain(line["Amount"]))
    if _is_of_books(content):
        yield Balance(account, moment_of(needed(content, "DateTime")), _money(content))
    else:
        yield Left("balances that are not of the books")


def _party(content: Any) -> Iterator[Part]:
    yield Left("parties")
    found = (country_of(optional(one, "Country")) for one in listed(content, "Address"))
    if (optional(content, "PartyType") or "").lower() == "sole":
        yield from (Holder(country) for country in found if country)


def _consent(content: Any) -> Iterator[Part]:
    status, updated = needed(content, "Status").lower(), needed(content, "StatusUpdateDateTime")
    granted = moment_of(optional(content, "CreationDateTime") or updated)
    expires = optional(content, "ExpirationDateTime")
    if status not in CONSENTS:
        yield Left("consents that were never given")
        return
    yield Agreed(
        needed(content, "ConsentId"),
        tuple(map(str, listed(content, "Permissions"))),
        granted,
        moment_of(updated) if CONSENTS[status] else None,
        moment_of(expires) if expires else None,
        None if CONSENTS[status] else moment_of(updated),
    )


def _money(content: Any) -> Money:
    """A signed amount: the indicator says which way it goes.

    Raises:
        Unfit: The amount, its currency or the indicator is not what it has to be.
    """
    amount = _plain(content.get("Amount") if isinstance(content, dict) else None)
    way = needed(content, "CreditDebitIndicator").lower()
    if way not in {"credit", "debit", "crdt", "dbit"}:
        raise Unfit(f"CreditDebitIndicator is {way}, neither Credit nor Debit")
    out = way in {"debit", "dbit"} and amount.text.strip("0.") != ""
    return Money(f"-{amount.text}" if out else amount.text, amount.currency)


def _foreign(content: Any, currency: str) -> str | None:
    """The currency that was changed from or into, where an exchange is told."""
    names = ("SourceCurrency", "TargetCurrency", "UnitCurrency")
    told = (optional(content, "CurrencyExchange", name) for name in names)
    return next((name for name in told if name and name != currency), None)


def _plain(content: Any) -> Money:
    amount = needed(content, "Amount")
    if amount.startswith("-"):
        raise Unfit(f"the amount {amount} has a sign, which CreditDebitIndicator is for")
    return Money(amount, needed(content, "Currency").upper())


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


_READERS: Final[Mapping[str, Callable[[Any], Iterable[Part]]]] = {
    "Account": _account,
    "Transaction": _transaction,
    "Balance": _balance,
    "Party": _party,
    "DirectDebit": leave("direct debits"),
    "StandingOrder": leave("standing orders"),
    "ScheduledPayment": leave("scheduled payments"),
    "Beneficiary": leave("beneficiaries"),
    "Product": leave("products"),
    "Offer": leave("offers"),
    "Statement": leave("statements"),
}
