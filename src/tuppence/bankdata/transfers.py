"""Transfers between a customer's own accounts: pairs of opposite bookings with evidence.

Equal amounts occur by chance: a rent and a pension, or two gifts. An own transfer counts neither
as a payment nor as a receipt, so a wrong one hides money from every rule. Amounts and days
are therefore not enough; something else must say that the two bookings belong together.
"""

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import polars as pl

from tuppence.bankdata.categories import CATEGORIES
from tuppence.bankdata.enrichment.descriptors import split
from tuppence.facts.rows import CERTAIN

MAX_DAYS: Final = 3
"""Maximum number of days between the two bookings of a transfer, to span a weekend."""
ACCOUNT_NUMBER, ACCOUNT_NAMED, SAME_REFERENCE, REPAYMENT, SAME_TEXT, NO_TEXT = (
    98,
    95,
    95,
    92,
    90,
    80,
)
"""Confidences by the kind of evidence, in hundredths. They are grades, not measurements.

The number or the name of the other account; a reference in both texts; money into a credit card or
a loan; the same text on both sides; or transfers on the same day by the bank's type, of which
neither has a text.
"""
_NEVER: Final = ("card", "cash", "fee", "interest")
_BY_TRANSFER: Final = ("transfer", "standing order")
_OWED: Final = ("credit card", "loan")
"""Types of accounts that may be paid off by direct debit."""
_NAMES: Final = {
    "savings": frozenset({"savings", "saver", "isa", "pot", "vault"}),
    "current": frozenset({"current", "checking"}),
    "credit card": frozenset({"creditcard", "amex"}),
    "loan": frozenset({"loan", "mortgage"}),
}
"""Words for accounts by type, as the text of a transfer to or from them has them."""
_SAYS_NOTHING: Final = frozenset(
    {
        "acc", "account", "bacs", "bank", "bgc", "by", "card", "cr", "credit", "debit", "deposit",
        "dr", "faster", "fp", "fpi", "fpo", "from", "in", "incoming", "mobile", "money", "of",
        "online", "order", "out", "outgoing", "payment", "payments", "ref", "reference", "so",
        "standing", "sto", "tfr", "the", "to", "transfer", "trf", "withdrawal",
    }
)  # fmt: skip
"""Words of texts that do not tell one transfer from another."""
_REPAID: Final = _SAYS_NOTHING | {"autopay", "direct", "received", "repayment", "thank", "you"}
"""Words of repayments, as opposed to refunds, in the text of a card or a loan."""
_ELSEWHERE: Final = CATEGORIES - {"savings", "people"}
"""Categories of money that comes from others or goes to them, unlike an own transfer."""
_MIN_REFERENCE: Final = 5
_DATE: Final = re.compile(
    r"\d{1,2}(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*(?:\d\d){0,2}"
    r"|(?:19|20)\d{6}|(?:0[1-9]|[12]\d|3[01])(?:0[1-9]|1[0-2])(?:\d\d){1,2}"
)
"""A day as texts have it; two bookings of one day have it in common by chance."""
_MIN_NUMBER: Final = 4
"""Minimum number of digits at the end of an account's number by which a text may name it."""
_MIN_NAME: Final = 3
_MAX_WAITING: Final = 16
"""Maximum number of unpaired bookings of one amount that are remembered at a time."""


class _Side(NamedTuple):
    account: str
    id: str
    account_type: str | None
    account_name: str | None
    type: str | None
    day: int
    amount: int
    text: str | None
    category: str | None
    category_confidence: int | None


def own_transfers(transactions: pl.DataFrame, accounts: pl.DataFrame) -> pl.DataFrame:
    """Find the transactions that are one side of a transfer between a customer's own accounts.

    Two bookings are a transfer if their amounts are opposite, their accounts are two of the same
    customer, they are at most `MAX_DAYS` apart, and there is evidence that they belong together.
    Card payments, cash, fees and interest never are, nor is a booking with a category such as rent
    or income, and a direct debit is only if it pays off a card or a loan. Each booking is paired at
    most once: by the best evidence, then with the nearest in time.

    Args:
        transactions: Columns of the table of transactions.
        accounts: `id`, `customer`, `type` and `name`, for the accounts of the transactions.

    Returns:
        `account`, `id` and `confidence`, in hundredths, of both sides of each transfer.
    """
    owners = accounts.select(
        pl.col("id").cast(pl.String).alias("account"),
        pl.col("customer").cast(pl.String),
        pl.col("type").cast(pl.String).alias("account type"),
        pl.col("name").cast(pl.String).alias("account name"),
    )
    texts = pl.col("account", "id", "type", "text", "category").cast(pl.String)
    named = transactions.select(texts, "booking date", "amount", "category confidence")
    named = named.join(owners, on="account").filter(
        pl.col("amount") != 0, ~pl.col("type").is_in(_NEVER).fill_null(value=False)
    )
    order = ("customer", "size", "booking date", "account", "id")
    sides = named.with_columns(size=pl.col("amount").abs()).sort(order)
    names = (
        "customer", "size", "account", "id", "account type", "account name", "type", "booking date",
        "amount", "text", "category", "category confidence",
    )  # fmt: skip
    found = list(_sides(sides.select(names).iter_rows()))
    return pl.DataFrame(
        found,
        schema={"account": pl.String, "id": pl.String, "confidence": pl.Int64},
        orient="row",
    )


def _sides(rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[str, str, int]]:
    group: tuple[str, int] | None = None
    waiting: list[_Side] = []
    for customer, size, *fields in rows:
        if group != (customer, size):
            group, waiting = (customer, size), []
        side = _Side(*fields)
        waiting = [one for one in waiting if side.day - one.day <= MAX_DAYS][-_MAX_WAITING:]
        confidence, at = max(
            ((_confidence(one, side), place) for place, one in enumerate(waiting)), default=(0, 0)
        )
        if not confidence:
            waiting.append(side)
            continue
        other = waiting.pop(at)
        yield other.account, other.id, confidence
        yield side.account, side.id, confidence


def _confidence(one: _Side, other: _Side) -> int:
    """Return the confidence that two bookings are one transfer; 0 without evidence."""
    paid, received = (one, other) if one.amount < 0 else (other, one)
    if paid.amount != -received.amount or paid.account == received.account:
        return 0
    if any(_is_elsewhere(side) for side in (paid, received)):
        return 0
    words = split(paid.text or ""), split(received.text or "")
    is_repayment = received.account_type in _OWED and (
        _REPAID.issuperset(words[1]) or _names(words[1], paid)
    )
    if "direct debit" in (paid.type, received.type):
        return REPAYMENT if is_repayment else 0
    if _has_number(words[0], received) or _has_number(words[1], paid):
        return ACCOUNT_NUMBER
    if _names(words[0], received) or _names(words[1], paid):
        return ACCOUNT_NAMED
    references = [{word for word in side if _is_reference(word)} for side in words]
    if references[0] & references[1]:
        return SAME_REFERENCE
    if is_repayment and paid.type in _BY_TRANSFER:
        return REPAYMENT
    if words[0] and words[0] == words[1] and not _SAYS_NOTHING.issuperset(words[0]):
        return SAME_TEXT
    if paid.day == received.day and all(
        side.type in _BY_TRANSFER and _SAYS_NOTHING.issuperset(said)
        for side, said in zip((paid, received), words, strict=True)
    ):
        return NO_TEXT
    return 0


def _is_elsewhere(side: _Side) -> bool:
    """Return whether a booking has a category of money that others pay or receive."""
    is_given = side.category_confidence == CERTAIN and side.category == "people"
    return side.category in _ELSEWHERE or is_given


def _has_number(words: tuple[str, ...], account: _Side) -> bool:
    """Return whether a text has the number of an account, or its last digits."""
    digits = "".join(c for c in account.account if c.isdigit())
    return any(
        word.isdigit() and len(word) >= _MIN_NUMBER and digits.endswith(word) for word in words
    )


def _names(words: tuple[str, ...], account: _Side) -> bool:
    """Return whether a text names an account: by its identifier, its name or its type."""
    if not _NAMES.get(account.account_type or "", frozenset()).isdisjoint(words):
        return True
    return any(_says(words, split(name or "")) for name in (account.account, account.account_name))


def _says(words: tuple[str, ...], name: tuple[str, ...]) -> bool:
    """Return whether a text has a name, which must be more than a number or a common word."""
    if sum(map(len, name)) < _MIN_NAME or _SAYS_NOTHING.issuperset(name):
        return False
    if all(word.isdigit() for word in name):
        return False
    return any(words[at : at + len(name)] == name for at in range(len(words) - len(name) + 1))


def _is_reference(word: str) -> bool:
    has_digit = any(c.isdigit() for c in word)
    return len(word) >= _MIN_REFERENCE and has_digit and not _DATE.fullmatch(word)
