"""What a bank tells about a customer, as rows for a store, whichever its standard."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any, Final, NamedTuple

import polars as pl

from tuppence.bankdata.masking import Tokens, masked_json, masked_texts
from tuppence.bankdata.parts import (
    Account,
    Agreed,
    Balance,
    Booking,
    CreditLimit,
    Document,
    Holder,
    Item,
    Items,
    Left,
    Money,
    Part,
    Removed,
    Unfit,
    check_text,
    time_of,
)
from tuppence.bankdata.tabular import IDENTIFIERS, LONGEST_TEXT, Owners, Reading
from tuppence.cards import holds_card, masked
from tuppence.errors import UserError
from tuppence.facts.currency import minor_digits
from tuppence.facts.identifiers import check_identifier, why_not_identifier
from tuppence.facts.rows import OF_CUSTOMER, POLARS_TYPES, Rows, columns
from tuppence.facts.schema import Kind, Schema
from tuppence.plain_text import encodable

EPOCH: Final = date(1970, 1, 1)
_AMOUNT: Final = re.compile(r"(-?)(\d{1,13})(?:\.(\d{1,6}))?")
_MOST_CONTENT: Final = 2_000
AS_THE_BANK_SAYS: Final = 90
"""Confidence, in hundredths, in the name that a bank gives to a merchant."""


class StatementReading(NamedTuple):
    """What documents gave.

    Attributes:
        reading: As of a table; the places of rejects are texts.
        left: What is understood and is none of our facts: how many, by what it is.
        consents: What the customer agreed to.
        removed: Identifiers of transactions that the bank has taken back.
    """

    reading: Reading
    left: Mapping[str, int]
    consents: tuple[Agreed, ...]
    removed: frozenset[str]


def read_statement(
    documents: Iterable[Document],
    items: Items,
    customer: str,
    schema: Schema,
    owners: Owners,
    today: date,
    tokens: Tokens,
) -> StatementReading:
    """Read what a bank tells about one customer; card numbers in it are masked.

    A later document holds over an earlier one. A booking without an identifier is known by its
    account, its moment and its amount, and counted among equal ones of its document: what the bank
    says about it may change, and documents may overlap.

    Args:
        documents: In the order in which they were fetched.
        items: Of a document of their standard.
        customer: Whose they are.
        schema: Of the store.
        owners: Who is in the store already.
        today: Nothing may be booked later.
        tokens: Names for identifiers that hold a card number.

    Raises:
        UserError: The customer is none, an account is another customer's, or nobody says what the
            customer's currency is.
    """
    name = check_identifier(customer, "customer")
    statement = _Statement(tokens.of(name), owners, today, tokens)
    for document in documents:
        statement.add(document, items)
    return statement.reading(schema)


def with_held(incoming: Rows, stored: Rows) -> Rows:
    """An import that keeps what only an earlier one said: of accounts, and the balances.

    Banks give limits and balances with other documents than accounts and transactions.

    Args:
        incoming: Of one customer.
        stored: What is known of the same customer.
    """
    of_accounts = ("name", "opened", "credit limit")
    return replace(
        incoming,
        accounts=_filled(incoming.accounts, stored.accounts, ["id"], of_accounts),
        transactions=_filled(
            incoming.transactions, stored.transactions, ["account", "id"], ["balance"]
        ),
    )


def _filled(
    frame: pl.DataFrame | None, held: pl.DataFrame | None, key: Sequence[str], names: Sequence[str]
) -> pl.DataFrame | None:
    if frame is None or held is None:
        return frame
    types = frame.schema
    before = held.select(
        *(pl.col(name).cast(types[name]) for name in key),
        *(pl.col(name).cast(types[name]).alias(f"held {name}") for name in names),
    )
    both = frame.join(before, on=key, how="left", maintain_order="left")
    known = both.with_columns(pl.coalesce(name, f"held {name}").alias(name) for name in names)
    return known.select(frame.columns)


class _Statement:
    def __init__(self, customer: str, owners: Owners, today: date, tokens: Tokens) -> None:
        self._customer = customer
        self._owners = owners
        self._today = today
        self._tokens = tokens
        self._accounts: dict[str, Account] = {}
        self._limits: dict[str, Money] = {}
        self._balances: list[Balance] = []
        self._bookings: dict[tuple[str, str], _Placed] = {}
        self._countries: set[str] = set()
        self._consents: dict[str, Agreed] = {}
        self._removed: set[str] = set()
        self._left: Counter[str] = Counter()
        self._rejects: list[tuple[str, str, str, str]] = []
        self._count = 0

    def add(self, document: Document, items: Items) -> None:
        """Take the parts of a document."""
        bookings: list[tuple[Booking, Item]] = []
        removed: set[str] = set()
        for item in items(document.content):
            self._count += 1
            try:
                check_text(item.content)
                parts = [self._named(_with_good_names(part)) for part in item.read(item.content)]
            except Unfit as error:
                self._set_aside(document, item, str(error))
                continue
            for part in parts:
                match part:
                    case Booking():
                        bookings.append((part, item))
                    case Account():
                        self._accounts[part.id] = part
                    case CreditLimit():
                        self._limits[part.account] = part.amount
                    case Balance():
                        self._balances.append(part)
                    case Holder():
                        self._countries.add(part.country)
                    case Agreed():
                        first = self._consents.get(part.id, part)
                        begun = min(part.granted, first.granted, key=time_of)
                        self._consents[part.id] = part._replace(granted=begun)
                    case Removed():
                        removed.add(part.id)
                    case Left():
                        self._left[part.what] += 1
        self._place(document, bookings)
        if removed:
            self._removed |= removed
            self._bookings = {k: v for k, v in self._bookings.items() if k[1] not in removed}

    def _named(self, part: Part) -> Part:
        """A part whose identifiers hold no card number."""
        fields = part._asdict()
        names: dict[str, Any] = {
            n: self._tokens.of(fields[n]) for n in IDENTIFIERS & {*fields} if fields[n]
        }
        return part._replace(**names)

    def _place(self, document: Document, bookings: Sequence[tuple[Booking, Item]]) -> None:
        """Give bookings their names, and their order among those of a day."""
        moments = [booking.moment for booking, _ in bookings]
        newest_first = bool(moments) and moments[0] > moments[-1]
        seen: Counter[str] = Counter()
        reused = _reused(bookings)
        for number, (booking, item) in enumerate(bookings):
            name = booking.id
            if name is None or (booking.account, name) in reused:
                key = "\x1f".join((booking.account, booking.moment, *booking.amount))
                digest = hashlib.blake2b(key.encode(), digest_size=9).hexdigest()
                name = f"~{digest}-{seen[key]}"
                seen[key] += 1
            order = -number if newest_first else number
            placed = _Placed(booking, document, item, order)
            self._bookings[booking.account, name] = placed

    def _set_aside(self, document: Document, item: Item, reason: str) -> None:
        texts = (*map(masked, (document.source, item.place, reason)), masked_json(item.content))
        source, place, why, content = map(encodable, texts)
        self._rejects.append((source, place, why, content[:_MOST_CONTENT]))

    def reading(self, schema: Schema) -> StatementReading:
        """All of it as rows."""
        is_known = self._customer in self._owners.customers["id"]
        if is_known and not (self._accounts or self._bookings):
            return self._given(Rows())
        if self._rejects and not (self._accounts or self._bookings or self._consents):
            source, place, reason, _ = self._rejects[0]
            where = f"{source}: {place}" if place else source
            message = f"nothing can be taken from these documents; {where}: {reason}"
            raise UserError("import.nothing", message, "is it a document of another standard?")
        currency = self._currency()
        digits = minor_digits(currency)
        if digits is None:
            raise UserError("import.currency", f"there is no currency {currency}", "see ISO 4217")
        held = self._held()
        rows: list[dict[str, Any]] = []
        balances = self._known_balances()
        for (account, name), placed in self._bookings.items():
            try:
                row = _row(
                    placed.booking, currency, digits, balances.get((account, name)), self._today
                )
            except Unfit as error:
                self._set_aside(placed.document, placed.item, str(error))
                continue
            self._accounts.setdefault(account, Account(account, "current"))
            rows.append(row | {"id": name, "moment": placed.booking.moment, "order": placed.order})
        rows.sort(key=lambda row: (row["booking date"], row["moment"], row["order"]))
        for sequence, row in enumerate(rows):
            row["sequence"] = sequence
        accounts = [
            self._account_row(one, currency, digits)
            for one in self._accounts.values()
            if not (one.id in held and one == Account(one.id, "current"))  # only named by bookings
        ]
        person = {"id": self._customer, "currency": currency}
        if len(self._countries) == 1:
            person["country"] = next(iter(self._countries))
        found = Rows(
            None if is_known else _frame([person], "customers", schema),
            _frame(accounts, "accounts", schema) if accounts else None,
            _frame(rows, "transactions", schema) if rows else None,
        )
        return self._given(found)

    def _given(self, found: Rows) -> StatementReading:
        names = ("document", "place", "reason", "content")
        rejects = pl.DataFrame(self._rejects, schema=dict.fromkeys(names, pl.String), orient="row")
        rejects = rejects.with_columns(pl.lit(self._customer).alias(OF_CUSTOMER))
        reading = Reading(found, rejects, self._count)
        consents = tuple(
            one._replace(scope=tuple(map(self._tokens.of_scope, one.scope)))
            for one in self._consents.values()
        )
        return StatementReading(reading, dict(self._left), consents, frozenset(self._removed))

    def _currency(self) -> str:
        """That of the customer in the store; else of the first account or booking that has one."""
        known = self._owners.customers.filter(pl.col("id") == self._customer)["currency"]
        if len(known):
            return str(known[0])
        given = [account.currency for account in self._accounts.values()]
        given += [placed.booking.amount.currency for placed in self._bookings.values()]
        for currency in given:
            if currency:
                return currency
        message = f"the currency of customer {self._customer} is not known"
        raise UserError("import.currency", message, "import accounts or transactions first")

    def _held(self) -> frozenset[str]:
        """Accounts of this customer in the store."""
        mine: list[str] = []
        for account, owner in self._owners.accounts.select("id", "customer").iter_rows():
            if owner == self._customer:
                mine.append(account)
            elif account in self._accounts or any(a == account for a, _ in self._bookings):
                message = f"the account {account} is that of customer {owner}"
                raise UserError("import.owner", message, "see --customer")
        return frozenset(mine)

    def _known_balances(self) -> dict[tuple[str, str], Money]:
        """Balances of the books are those after the last booking before them."""
        found: dict[tuple[str, str], Money] = {}
        for balance in self._balances:
            before = [
                (time_of(placed.booking.moment), placed.order, key)
                for key, placed in self._bookings.items()
                if key[0] == balance.account
                and time_of(placed.booking.moment) <= time_of(balance.moment)
            ]
            if before:
                found[max(before)[2]] = balance.amount
        return found

    def _account_row(self, account: Account, currency: str, digits: int) -> dict[str, Any]:
        row: dict[str, Any] = {
            "id": account.id,
            "customer": self._customer,
            "type": account.type,
            "name": _text(account.name),
            "opened": (account.opened - EPOCH).days if account.opened else None,
        }
        limit = self._limits.get(account.id)
        if limit is not None and limit.currency == currency:
            row["credit limit"] = _minor(limit, digits)
        return row


def _with_good_names(part: Part) -> Part:
    """Return a part as it is.

    Raises:
        Unfit: What it calls itself or its account can be no identifier.
    """
    for name in ("account", "id"):
        text = getattr(part, name, None)
        if text is not None and (problem := why_not_identifier(text)) is not None:
            raise Unfit(f"the identifier {ascii(masked(text))[:60]} {problem}")
    return part


def _reused(bookings: Sequence[tuple[Booking, Item]]) -> set[tuple[str, str | None]]:
    """Return the identifiers that one list has for bookings of several moments or amounts."""
    told: dict[tuple[str, str | None, str], set[tuple[str, Money]]] = {}
    for booking, item in bookings:
        key = (booking.account, booking.id, item.place.partition("[")[0])
        told.setdefault(key, set()).add((booking.moment, booking.amount))
    return {key[:2] for key, meanings in told.items() if len(meanings) > 1}


class _Placed(NamedTuple):
    booking: Booking
    document: Document
    item: Item
    order: int


def _row(
    booking: Booking, currency: str, digits: int, balance: Money | None, today: date
) -> dict[str, Any]:
    """A transaction's row.

    Raises:
        Unfit: It is in another currency, or more exact than that is, or in the future.
    """
    day = time_of(booking.moment).date()
    if day > today:
        raise Unfit(f"it is booked in the future: {booking.moment}")
    if booking.amount.currency != currency:
        raise Unfit(f"{booking.amount.currency} where the customer's money is {currency}")
    after, foreign = booking.balance or balance, booking.foreign_currency
    return {
        "account": booking.account,
        "booking date": (day - EPOCH).days,
        "amount": _minor(booking.amount, digits),
        "category": booking.category,
        "category confidence": booking.sure if booking.category else None,
        "merchant": (merchant := _text(booking.merchant)),
        "merchant confidence": AS_THE_BANK_SAYS if merchant else None,
        "type": booking.type,
        "text": _text(booking.text),
        "country": booking.country,
        "foreign currency": foreign if foreign != currency else None,
        "own transfer": False,
        "balance": _minor(after, digits) if after and after.currency == currency else None,
    }


def _minor(money: Money, digits: int) -> int:
    """Whole minor units, exactly.

    Raises:
        Unfit: It is no such number, or it may be the number of a card.
    """
    found = _AMOUNT.fullmatch(money.text)
    if found is None:
        raise Unfit(f"{money.text!r} is not an amount")
    sign, whole, fraction = found[1], found[2], (found[3] or "").rstrip("0")
    if len(fraction) > digits:
        raise Unfit(f"{money.text} has too many digits after the point for {money.currency}")
    value = int(whole + fraction.ljust(digits, "0"))
    if holds_card(str(value)) or holds_card(whole + fraction):
        raise Unfit("the amount may be the number of a card")
    return -value if sign else value


def _text(text: str | None) -> str | None:
    """Without blanks around."""
    return (text or "").strip() or None


def _frame(rows: Sequence[Mapping[str, Any]], table: str, schema: Schema) -> pl.DataFrame:
    fields = columns(table, schema)
    types = {name: POLARS_TYPES[one.kind] for name, one in fields.items()}
    frame = pl.DataFrame([{name: row.get(name) for name in fields} for row in rows], schema=types)
    texts = [n for n, field in fields.items() if field.kind is Kind.TEXT and n not in IDENTIFIERS]
    return frame.with_columns(masked_texts(frame[n]).str.slice(0, LONGEST_TEXT) for n in texts)
