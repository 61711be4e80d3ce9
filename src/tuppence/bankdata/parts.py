"""What banks tell through their interfaces, whichever it is: its parts, and how they are read.

A reader of one standard says where the items of a document are and what each of them means
(`Item`). Items that mean nothing we can take are set aside, each with its place and the reason.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from tuppence.plain_text import SURROGATE

_NO_ID = frozenset({"", "NOTPROVIDED", "NOTAVAILABLE", "NA", "NONE", "NULL", "UNKNOWN", "NOREF"})


class Unfit(Exception):  # noqa: N818 - it is no error of the program's
    """An item that cannot be taken; the text says why."""


class Money(NamedTuple):
    """An amount.

    Attributes:
        text: A decimal number in the main unit, signed.
        currency: ISO 4217.
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
    """A transaction that is booked.

    Attributes:
        account: Identifier.
        id: Of the bank's; None where it gives none.
        moment: When it was booked: an ISO date, or date and time.
        amount: Negative where money went out.
        text: As the bank describes it.
        merchant: As the bank names them.
        type: How it was paid.
        country: Where.
        balance: Of the account, after it.
        category: What it was for, where the bank tells.
        sure: How sure that is, in hundredths.
        foreign_currency: In which it was paid, where that is another one.
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
    sure: int | None = None
    foreign_currency: str | None = None


class Balance(NamedTuple):
    """What an account held, by its books, at a moment."""

    account: str
    moment: str
    amount: Money


class CreditLimit(NamedTuple):
    """Up to where an account may be overdrawn, or a card used."""

    account: str
    amount: Money


class Holder(NamedTuple):
    """Where the customer lives."""

    country: str


class Agreed(NamedTuple):
    """A consent; moments are ISO dates, or dates and times.

    Attributes:
        id: Of the bank's.
        scope: What may be read, as it was asked for.
        granted: When it was given.
        confirmed: When it was last confirmed again.
        expires: When it ends.
        withdrawn: When it was withdrawn.
    """

    id: str
    scope: tuple[str, ...]
    granted: str
    confirmed: str | None = None
    expires: str | None = None
    withdrawn: str | None = None


class Removed(NamedTuple):
    """A transaction that a bank has taken back, by its identifier."""

    id: str


class Left(NamedTuple):
    """Something that is understood, and is none of the facts that rules read."""

    what: str


Part = Account | Booking | Balance | CreditLimit | Holder | Agreed | Removed | Left


class Item(NamedTuple):
    """Something in a document.

    Attributes:
        place: Where, such as `Data.Transaction[3]`.
        content: What stands there.
        read: What it means; raises Unfit where it means nothing we can take.
    """

    place: str
    content: Any
    read: Callable[[Any], Iterable[Part]]


class Document(NamedTuple):
    """Some JSON, and where it is from: a file, and in it a line."""

    source: str
    content: Any


Items = Callable[[Any], Iterator[Item]]
"""The items of a document of one standard."""


def check_text(content: Any) -> None:
    """Check that no text or key of an item holds half of a surrogate pair.

    Raises:
        Unfit: One does.
    """
    if SURROGATE.search(json.dumps(content, ensure_ascii=False, default=str)):
        raise Unfit(r"a text holds half of a surrogate pair, such as \ud800, which is no character")


# -- for readers of a standard ---------------------------------------------------------------------


def needed(content: Any, *path: str) -> str:
    """A text that has to be there.

    Raises:
        Unfit: It is not.
    """
    found = optional(content, *path)
    if found is None:
        raise Unfit(f"{'.'.join(path)} is missing")
    return found


def optional(content: Any, *path: str) -> str | None:
    """A text or number, as a text; None where it, or what it should be in, is not there."""
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
        keys: Where it may stand; banks fill them with words such as NOTPROVIDED, or with zeros.
    """
    for key in keys:
        found = optional(content, key)
        word = re.sub(r"[ ._/-]", "", found or "").upper()
        if word not in _NO_ID and word.strip("0"):
            return found
    return None


def listed(content: Any, key: str) -> list[Any]:
    """The elements of a list, of which one alone may stand without it; none where it is missing."""
    found = content.get(key) if isinstance(content, dict) else None
    return found if isinstance(found, list) else [] if found is None else [found]


def moment_of(text: str) -> str:
    """A date, or a date and time, of ISO 8601, or a date such as 31-12-2026.

    Raises:
        Unfit: It is none.
    """
    day = re.fullmatch(r"(\d{2})-(\d{2})-(\d{4})", text)
    plain = f"{day[3]}-{day[2]}-{day[1]}" if day else text
    time_of(plain)
    return plain


def day_of(text: str) -> date:
    """The day of a moment.

    Raises:
        Unfit: It is none.
    """
    return time_of(moment_of(text)).date()


def country_of(code: str | None) -> str | None:
    """A country's code of ISO 3166, for which many write UK; None where it is no code."""
    if code is None or not re.fullmatch("[A-Za-z]{2}", code):
        return None
    return {"UK": "GB"}.get(code.upper(), code.upper())


def leave(what: str) -> Callable[[Any], Iterator[Part]]:
    """Reads things that are none of our facts."""

    def read(_: Any) -> Iterator[Part]:
        yield Left(what)

    return read


def refuse(reason: str) -> Callable[[Any], Iterator[Part]]:
    """Reads things that we do not take."""

    def read(_: Any) -> Iterator[Part]:
        raise Unfit(reason)

    return read


def time_of(moment: str) -> datetime:
    """A moment; where it does not say in which zone, it is taken for UTC.

    Raises:
        Unfit: It is none.
    """
    try:
        found = datetime.fromisoformat(moment)
    except ValueError:
        raise Unfit(f"{moment!r} is not a date or time") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
