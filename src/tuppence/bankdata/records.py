"""Records that banks deliver through their interfaces, whatever the standard.

A reader of one standard finds the items of a document and says how each is read as records
(`Item`). Items that cannot be read are rejected, each with its place and the reason.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime
from typing import Any, Final, NamedTuple

from tuppence.bankdata.identity import is_placeholder
from tuppence.plain_text import SURROGATE


class InvalidItem(Exception):  # noqa: N818 - it reports the bank's data, not a bug
    """Raised for an item that cannot be read; the text says why."""


class Money(NamedTuple):
    """An amount.

    Attributes:
        text: A signed decimal number in the main unit of the currency.
        currency: ISO 4217 code.
    """

    text: str
    currency: str


class Account(NamedTuple):
    """An account: `current`, `savings`, `credit card` or `loan`."""

    id: str
    type: str
    currency: str | None = None
    name: str | None = None
    opened: date | None = None


class Booking(NamedTuple):
    """A booked transaction.

    Attributes:
        account: Identifier of the account.
        id: Identifier given by the bank, if any.
        moment: Date, or date and time, of the booking, in ISO 8601.
        amount: The amount; negative if money went out.
        text: The bank's description.
        merchant: The bank's name for the merchant.
        type: The way it was paid.
        country: Country of the payment.
        balance: Balance of the account after the transaction.
        category: Category given by the bank.
        category_confidence: Confidence in the category, in hundredths.
        foreign_currency: The currency it was paid in, if not that of the account.
    """

    account: str
    id: str | None
    moment: str
    amount: Money
    text: str | None = None
    merchant: str | None = None
    type: str | None = None
    country: str | None = None
    balance: Money | None = None
    category: str | None = None
    category_confidence: int | None = None
    foreign_currency: str | None = None


class Balance(NamedTuple):
    """The booked balance of an account at a moment."""

    account: str
    moment: str
    amount: Money


class CreditLimit(NamedTuple):
    """The limit of an overdraft or of a credit card."""

    account: str
    amount: Money


class Holder(NamedTuple):
    """The country where the customer lives."""

    country: str


class ConsentRecord(NamedTuple):
    """A consent that a bank reports; moments are dates, or dates and times, in ISO 8601.

    Attributes:
        id: Identifier given by the bank.
        scope: The permissions, as they were requested.
        granted: Time at which the consent was given.
        confirmed: Time at which it was last reconfirmed.
        expires: Time at which it ends.
        withdrawn: Time at which it was withdrawn.
    """

    id: str
    scope: tuple[str, ...]
    granted: str
    confirmed: str | None = None
    expires: str | None = None
    withdrawn: str | None = None


class Removed(NamedTuple):
    """The identifier of a transaction that the bank has deleted."""

    id: str


class IgnoredItem(NamedTuple):
    """An item that is understood but holds no facts that rules read.

    Attributes:
        what: The kind of item, in the plural, such as `pending transactions`.
    """

    what: str


Record = Account | Booking | Balance | CreditLimit | Holder | ConsentRecord | Removed | IgnoredItem


class Item(NamedTuple):
    """One element of a document, and how to read it.

    Attributes:
        place: Its place in the document, such as `Data.Transaction[3]`.
        content: The decoded JSON at that place.
        read: Returns the records in the content; raises InvalidItem if there are none to read.
    """

    place: str
    content: Any
    read: Callable[[Any], Iterable[Record]]


class Document(NamedTuple):
    """Decoded JSON and its source: a file, or a line of a file.

    Attributes:
        source: The file, or the line.
        content: The JSON.
        doubts: A sentence for each thing about the file that is not certain.
    """

    source: str
    content: Any
    doubts: tuple[str, ...] = ()


Items = Callable[[Any], Iterator[Item]]
"""Finds the items of a document of one standard."""


def check_item(item: Item) -> None:
    """Check that an element of a list is an object whose texts are texts.

    Raises:
        InvalidItem: It is not an object, or a text or key holds half of a surrogate pair.
    """
    content = item.content
    if item.place.endswith("]") and not isinstance(content, dict):
        raise InvalidItem("this is not an object with fields")
    if SURROGATE.search(json.dumps(content, ensure_ascii=False, default=str)):
        raise InvalidItem(
            r"a text holds half of a surrogate pair, such as \ud800, which is no character"
        )


# -- for readers of a standard ---------------------------------------------------------------------


def required(content: Any, *path: str) -> str:
    """Return a text or number, as a text.

    Raises:
        InvalidItem: It is missing.
    """
    found = optional(content, *path)
    if found is None:
        raise InvalidItem(f"{'.'.join(path)} is missing")
    return found


def optional(content: Any, *path: str) -> str | None:
    """Return a text or number, as a text, or None if any part of the path is missing."""
    for key in path:
        if not isinstance(content, dict):
            return None
        content = content.get(key)
    if isinstance(content, bool) or content is None or isinstance(content, dict | list):
        return None
    return f"{content}".strip() or None


def given_id(content: Any, *keys: str) -> str | None:
    """Return the first identifier of a transaction that is one; None where it has none.

    Args:
        content: The transaction.
        keys: Its possible keys; banks fill them with words such as NOTPROVIDED, or with zeros.
    """
    for key in keys:
        found = optional(content, key)
        if found is not None and not is_placeholder(found):
            return found
    return None


def elements(content: Any, key: str) -> list[Any]:
    """Return the elements of a list; a single element may stand without a list, or be missing."""
    found = content.get(key) if isinstance(content, dict) else None
    return found if isinstance(found, list) else [] if found is None else [found]


def moment_of(text: str) -> str:
    """Return a date, or date and time, in ISO 8601; dates such as 31-12-2026 are converted.

    Raises:
        InvalidItem: The text is neither.
    """
    day = re.fullmatch(r"(\d{2})-(\d{2})-(\d{4})", text)
    plain = f"{day[3]}-{day[2]}-{day[1]}" if day else text
    time_of(plain)
    return plain


def day_of(text: str) -> date:
    """Return the day of a moment.

    Raises:
        InvalidItem: The text is not a date or time.
    """
    return time_of(moment_of(text)).date()


def country_of(code: str | None) -> str | None:
    """Return an ISO 3166 country code, or None if it is not one; UK becomes GB."""
    if code is None or not re.fullmatch("[A-Za-z]{2}", code):
        return None
    return {"UK": "GB"}.get(code.upper(), code.upper())


TWICE: Final = "statements that the file has twice"
"""Items whose bookings would be doubled, since they have no identifiers."""


def ignore(what: str) -> Callable[[Any], Iterator[Record]]:
    """Return a reader of items that hold no facts."""

    def read(_: Any) -> Iterator[Record]:
        yield IgnoredItem(what)

    return read


def refuse(reason: str) -> Callable[[Any], Iterator[Record]]:
    """Return a reader that rejects items."""

    def read(_: Any) -> Iterator[Record]:
        raise InvalidItem(reason)

    return read


def time_of(moment: str) -> datetime:
    """Parse a moment; without a time zone it is taken as UTC.

    Raises:
        InvalidItem: The text is not a date or time.
    """
    try:
        found = datetime.fromisoformat(moment)
    except ValueError:
        raise InvalidItem(f"{moment!r} is not a date or time") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
