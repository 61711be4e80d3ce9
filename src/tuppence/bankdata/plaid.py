"""Plaid: accounts and transactions from /transactions/get and /transactions/sync.

https://plaid.com/docs/api/products/transactions/. Amounts are numbers, and positive ones are money
out. A pending transaction is delivered again, under another identifier, once it is booked.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from tuppence.bankdata.categories import GAMBLING, for_direction
from tuppence.bankdata.records import (
    Account,
    Booking,
    CreditLimit,
    IgnoredItem,
    InvalidItem,
    Item,
    Money,
    Record,
    Removed,
    country_of,
    elements,
    moment_of,
    optional,
    refuse,
    required,
)

SUBTYPES: Final = frozenset(
    {"savings", "money market", "cd", "cash isa", "isa", "hsa", "health reimbursement arrangement"}
)
"""Subtypes of depository accounts that are savings accounts."""
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
"""Payment types by transaction_code, which European banks fill."""
CATEGORIES: Final = {
    "INCOME_WAGES": "income",
    "INCOME_RETIREMENT_PENSION": "income",
    "INCOME_UNEMPLOYMENT": "benefits",
    "INCOME_INTEREST_EARNED": "interest",
    "BANK_FEES_ATM_FEES": "bank fee",
    "BANK_FEES_FOREIGN_TRANSACTION_FEES": "bank fee",
    "BANK_FEES_INSUFFICIENT_FUNDS": "bank fee",
    "BANK_FEES_OVERDRAFT_FEES": "bank fee",
    "BANK_FEES_OTHER_BANK_FEES": "bank fee",
    "ENTERTAINMENT_CASINOS_AND_GAMBLING": GAMBLING,
    "ENTERTAINMENT_MUSIC_AND_AUDIO": "entertainment",
    "ENTERTAINMENT_SPORTING_EVENTS_AMUSEMENT_PARKS_AND_MUSEUMS": "entertainment",
    "ENTERTAINMENT_TV_AND_MOVIES": "entertainment",
    "ENTERTAINMENT_VIDEO_GAMES": "entertainment",
    "FOOD_AND_DRINK_BEER_WINE_AND_LIQUOR": "alcohol",
    "FOOD_AND_DRINK_COFFEE": "eating out",
    "FOOD_AND_DRINK_FAST_FOOD": "eating out",
    "FOOD_AND_DRINK_GROCERIES": "groceries",
    "FOOD_AND_DRINK_RESTAURANT": "eating out",
    "GENERAL_MERCHANDISE_CLOTHING_AND_ACCESSORIES": "clothing",
    "GENERAL_SERVICES_EDUCATION": "education",
    "GENERAL_SERVICES_INSURANCE": "insurance",
    "GOVERNMENT_AND_NON_PROFIT_DONATIONS": "charity",
    "HOME_IMPROVEMENT_FURNITURE": "household",
    "HOME_IMPROVEMENT_HARDWARE": "household",
    "HOME_IMPROVEMENT_REPAIR_AND_MAINTENANCE": "household",
    "LOAN_PAYMENTS_MORTGAGE_PAYMENT": "housing",
    "MEDICAL_DENTAL_CARE": "health",
    "MEDICAL_EYE_CARE": "health",
    "MEDICAL_PHARMACIES_AND_SUPPLEMENTS": "health",
    "MEDICAL_PRIMARY_CARE": "health",
    "PERSONAL_CARE_HAIR_AND_BEAUTY": "personal care",
    "RENT_AND_UTILITIES_GAS_AND_ELECTRICITY": "energy",
    "RENT_AND_UTILITIES_INTERNET_AND_CABLE": "broadband",
    "RENT_AND_UTILITIES_RENT": "housing",
    "RENT_AND_UTILITIES_TELEPHONE": "mobile",
    "RENT_AND_UTILITIES_WATER": "water",
    "TRANSPORTATION_GAS": "transport",
    "TRANSPORTATION_PARKING": "transport",
    "TRANSPORTATION_PUBLIC_TRANSIT": "transport",
    "TRANSPORTATION_TAXIS_AND_RIDE_SHARES": "transport",
    "TRANSPORTATION_TOLLS": "transport",
    "TRAVEL_FLIGHTS": "travel",
    "TRAVEL_LODGING": "travel",
    "TRAVEL_RENTAL_CARS": "travel",
}
"""Categories by the detailed code of personal_finance_category.

Codes that stand for several categories are left out.
"""
CONFIDENCE_LEVELS: Final = {"HIGH": 90, "VERY_HIGH": 98}
"""Levels of confidence at which a category is accepted, and Plaid's meaning of each in percent."""
_CATEGORY: Final = "personal_finance_category"
OTHERS: Final = {
    "override_accounts": "this configures Plaid's sandbox; it holds no bank data",
    "inflow_streams": "streams are not imported but found in the transactions: import those",
    "enriched_transactions": "enriched transactions have no date: import the transactions",
    "user_data_overview": "insights are not transactions: import the transactions",
}
"""Reasons to reject documents of other kinds, by a key that they have."""


def items(content: Any) -> Iterator[Item]:
    """Find the items of a document, which is a response of the API."""
    known = [name for name in _READERS if isinstance(content, dict) and name in content]
    for name in known:
        for number, one in enumerate(elements(content, name)):
            yield Item(f"{name}[{number}]", one, _READERS[name])
    if not known:
        keys = content.keys() if isinstance(content, dict) else ()
        reasons = (reason for key, reason in OTHERS.items() if key in keys)
        yield Item(
            "", content, refuse(next(reasons, "the document has no accounts or transactions"))
        )


def _account(content: Any) -> Iterator[Record]:
    kind = {"credit": "credit card", "loan": "loan"}.get(optional(content, "type") or "", "current")
    if kind == "current" and optional(content, "subtype") in SUBTYPES:
        kind = "savings"
    account, currency = required(content, "account_id"), _currency(content, "balances")
    yield Account(account, kind, currency, optional(content, "name"))
    limit = optional(content, "balances", "limit")
    if limit and currency:
        yield CreditLimit(account, Money(limit, currency))


def _transaction(content: Any) -> Iterator[Record]:
    if content.get("pending") is True:
        yield IgnoredItem("pending transactions")
        return
    currency = _currency(content)
    if currency is None:
        raise InvalidItem("the amount has no ISO 4217 currency")
    amount = required(content, "amount")
    code = optional(content, "transaction_code") or ""
    yield Booking(
        required(content, "account_id"),
        required(content, "transaction_id"),
        _moment(content),
        Money(_negated(amount), currency),
        optional(content, "original_description") or optional(content, "name"),
        optional(content, "merchant_name"),
        CODES.get(code) or CHANNELS.get(optional(content, "payment_channel") or ""),
        country_of(optional(content, "location", "country")),
        category=_category(content, is_payment=_negated(amount).startswith("-")),
        category_confidence=CONFIDENCE_LEVELS.get(
            optional(content, _CATEGORY, "confidence_level") or ""
        ),
    )


def _moment(content: Any) -> str:
    """Return the moment, or the day of the account alone, where the moment is in another zone."""
    day, moment = moment_of(required(content, "date")), optional(content, "datetime")
    return moment_of(moment) if moment and moment.startswith(day) else day


def _removed(content: Any) -> Iterator[Record]:
    yield Removed(required(content, "transaction_id"))


def _category(content: Any, *, is_payment: bool) -> str | None:
    if optional(content, _CATEGORY, "confidence_level") not in CONFIDENCE_LEVELS:
        return None
    code = optional(content, _CATEGORY, "detailed") or ""
    found = CATEGORIES.get(code)
    if found is None or code.startswith("INCOME_"):
        return None if is_payment else found
    return for_direction(found, is_payment=is_payment)


def _negated(amount: str) -> str:
    """Return an amount with the opposite sign; zero stays unsigned."""
    if amount.startswith("-"):
        return amount.removeprefix("-")
    return f"-{amount}" if amount.strip("0.") else amount


def _currency(content: Any, *path: str) -> str | None:
    return optional(content, *path, "iso_currency_code")


_READERS: Final[Mapping[str, Callable[[Any], Iterable[Record]]]] = {
    "accounts": _account,
    "transactions": _transaction,
    "added": _transaction,
    "modified": _transaction,
    "removed": _removed,
}
