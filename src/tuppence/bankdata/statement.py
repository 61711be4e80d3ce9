"""Converts the records that a bank delivers about a customer to rows for a store."""

import bisect
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final, NamedTuple

import polars as pl

from tuppence.bankdata.booked import EPOCH, minor_units, plain_text, row_of
from tuppence.bankdata.cells import IDENTIFIERS, MAX_TEXT_LENGTH
from tuppence.bankdata.identity import is_same_text, made_identifier
from tuppence.bankdata.masking import Tokens, masked_json, masked_texts
from tuppence.bankdata.records import (
    Account,
    Balance,
    Booking,
    ConsentRecord,
    CreditLimit,
    Document,
    Holder,
    IgnoredItem,
    InvalidItem,
    Item,
    Items,
    Money,
    Record,
    Removed,
    check_item,
    time_of,
)
from tuppence.bankdata.rejected import OF_DOCUMENTS, again_in_documents
from tuppence.bankdata.tabular import Owners, ParsedTable
from tuppence.cards import masked
from tuppence.errors import UserError
from tuppence.facts.currency import minor_digits
from tuppence.facts.identifiers import check_identifier, why_not_identifier
from tuppence.facts.rows import OF_CUSTOMER, POLARS_TYPES, Rows, columns
from tuppence.facts.schema import FieldType, Schema
from tuppence.plain_text import encodable

_MAX_REJECT_LENGTH: Final = 2_000


class ParsedStatement(NamedTuple):
    """The content of a customer's documents.

    Attributes:
        table: Rows and rejects, as of a table; the places of rejects are texts.
        ignored: Number of items without facts, by their kind.
        consents: Consents of the customer.
        removed: Identifiers of transactions that the bank has deleted.
    """

    table: ParsedTable
    ignored: Mapping[str, int]
    consents: tuple[ConsentRecord, ...]
    removed: frozenset[str]


def read_statement(
    documents: Iterable[Document],
    items: Items,
    customer: str,
    schema: Schema,
    owners: Owners,
    today: date,
    tokens: Tokens,
) -> ParsedStatement:
    """Read a bank's documents about one customer and mask the card numbers in them.

    A later document overrides an earlier one. A booking without an identifier is identified by its
    account, moment, amount, balance and number among equal ones of its document, because documents
    may overlap and the bank may change its description.

    Args:
        documents: Documents in the order in which they were fetched.
        items: Finds the items of a document of their standard.
        customer: Identifier of the customer.
        schema: Schema of the store.
        owners: Customers and accounts that are stored already.
        today: The latest date that a booking may have.
        tokens: Replaces identifiers that hold a card number.

    Raises:
        UserError: The customer's identifier is invalid, an account belongs to another customer, or
            the customer's currency is unknown.
    """
    name = check_identifier(customer, "customer")
    statement = _Statement(tokens.of(name), owners, today, tokens)
    for document in documents:
        statement.add(document, items)
    return statement.parsed(schema)


class _Statement:
    def __init__(self, customer: str, owners: Owners, today: date, tokens: Tokens) -> None:
        self._customer = customer
        self._owners = owners
        self._today = today
        self._tokens = tokens
        self._accounts: dict[str, Account] = {}
        self._limits: dict[str, tuple[Money, Document, Item]] = {}
        self._balances: list[Balance] = []
        self._bookings: dict[tuple[str, str], _Placed] = {}
        self._countries: set[str] = set()
        self._consents: dict[str, ConsentRecord] = {}
        self._removed: set[str] = set()
        self._ignored: Counter[str] = Counter()
        self._rejects: list[tuple[str, str, str, str]] = []
        self._doubts: list[str] = []
        self._contents: list[Any] = []
        self._count = 0

    def add(self, document: Document, items: Items) -> None:
        """Add the records of a document."""
        bookings: list[tuple[Booking, Item]] = []
        removed: set[str] = set()
        self._doubts += [f"{document.source}: {doubt}" for doubt in document.doubts]
        for item in items(document.content):
            self._count += 1
            self._contents.append(item.content)
            try:
                check_item(item)
                records = [
                    self._with_tokens(_checked(record)) for record in item.read(item.content)
                ]
            except InvalidItem as error:
                self._reject(document, item, str(error))
                continue
            for record in records:
                match record:
                    case Booking():
                        bookings.append((record, item))
                    case Account():
                        self._accounts[record.id] = record
                    case CreditLimit():
                        self._limits[record.account] = (record.amount, document, item)
                    case Balance():
                        self._balances.append(record)
                    case Holder():
                        self._countries.add(record.country)
                    case ConsentRecord():
                        first = self._consents.get(record.id, record)
                        granted = min(record.granted, first.granted, key=time_of)
                        self._consents[record.id] = record._replace(granted=granted)
                    case Removed():
                        removed.add(record.id)
                    case IgnoredItem():
                        self._ignored[record.what] += 1
        self._place(document, bookings)
        if removed:
            self._removed |= removed
            self._bookings = {k: v for k, v in self._bookings.items() if k[1] not in removed}

    def _with_tokens(self, record: Record) -> Record:
        """Replace the identifiers of a record that hold a card number."""
        fields = record._asdict()
        names: dict[str, Any] = {
            n: self._tokens.of(fields[n]) for n in IDENTIFIERS & {*fields} if fields[n]
        }
        return record._replace(**names)

    def _place(self, document: Document, bookings: Sequence[tuple[Booking, Item]]) -> None:
        """Keep bookings under their identifiers, with their order among those of a day."""
        moments: dict[str, list[str]] = {}
        for booking, _ in bookings:
            moments.setdefault(booking.account, []).append(booking.moment)
        newest_first = {account for account, of in moments.items() if of[0] > of[-1]}
        seen: Counter[str] = Counter()
        reused = _reused(bookings)
        for number, (booking, item) in enumerate(bookings):
            name = booking.id
            if name is None or (booking.account, name) in reused or self._is_other(booking, name):
                known = (booking.account, booking.moment, *booking.amount, *(booking.balance or ()))
                begin = made_identifier(*known)
                name = f"{begin}-{seen[begin]}"
                seen[begin] += 1
                self._compare(booking, name)
            order = -number if booking.account in newest_first else number
            placed = _Placed(booking, document, item, order)
            self._bookings[booking.account, name] = placed

    def _compare(self, booking: Booking, name: str) -> None:
        """Note a doubt if another document has a booking of other words under the same name."""
        before = self._bookings.get((booking.account, name))
        texts = (before.booking.text if before else None, booking.text)
        if texts[0] and texts[1] and not is_same_text(texts[0], texts[1]):
            self._doubts.append(
                f"{texts[1]} is taken for {texts[0]}, of the same account, day and amount in "
                "another document: if they are two payments, map or import a balance"
            )

    def _is_other(self, booking: Booking, name: str) -> bool:
        """Return whether an earlier document has another booking under an identifier."""
        before = self._bookings.get((booking.account, name))
        if before is None:
            return False
        earlier = before.booking
        is_same_day = time_of(earlier.moment).date() == time_of(booking.moment).date()
        return not is_same_day and earlier.amount != booking.amount

    def _reject(self, document: Document, item: Item, reason: str) -> None:
        texts = map(masked, (document.source, item.place, reason))
        source, place, why = map(encodable, texts)
        self._rejects.append((source, place, why, _shown(item.content)))

    def parsed(self, schema: Schema) -> ParsedStatement:
        """Return all records as rows, with the rejects."""
        is_known = self._customer in self._owners.customers["id"]
        if is_known and not (self._accounts or self._bookings):
            return self._with_rejects(Rows())
        if self._rejects and not (self._accounts or self._bookings or self._consents):
            source, place, reason, _ = self._rejects[0]
            where = f"{source}: {place}" if place else source
            message = f"nothing can be imported from these documents; {where}: {reason}"
            raise UserError("import.nothing", message, "is it a document of another standard?")
        currency = self._currency()
        digits = minor_digits(currency)
        if digits is None:
            raise UserError("import.currency", f"there is no currency {currency}", "see ISO 4217")
        stored = self._stored_accounts()
        rows: list[dict[str, Any]] = []
        balances = self._known_balances()
        for (account, name), placed in self._bookings.items():
            try:
                row = row_of(
                    placed.booking, currency, digits, balances.get((account, name)), self._today
                )
            except InvalidItem as error:
                self._reject(placed.document, placed.item, str(error))
                continue
            self._accounts.setdefault(account, Account(account, "current"))
            rows.append(row | {"id": name, "moment": placed.booking.moment, "order": placed.order})
        rows.sort(key=lambda row: (row["booking date"], row["moment"], row["order"]))
        for sequence, row in enumerate(rows):
            row["sequence"] = sequence
        accounts = [
            self._account_row(one, currency, digits)
            for one in self._accounts.values()
            if not (
                one.id in stored and one == Account(one.id, "current")
            )  # only named by bookings
        ]
        person = {"id": self._customer, "currency": currency}
        if len(self._countries) == 1:
            person["country"] = next(iter(self._countries))
        found = Rows(
            None if is_known else _frame([person], "customers", schema),
            _frame(accounts, "accounts", schema) if accounts else None,
            _frame(rows, "transactions", schema) if rows else None,
        )
        return self._with_rejects(found)

    def _with_rejects(self, rows: Rows) -> ParsedStatement:
        types = dict.fromkeys(OF_DOCUMENTS, pl.String)
        rejects = pl.DataFrame(self._rejects, schema=types, orient="row")
        rejects = rejects.with_columns(pl.lit(self._customer).alias(OF_CUSTOMER))
        taken = () if rows.transactions is None else rows.transactions["id"]
        contents = self._contents
        again = again_in_documents(self._customer, lambda: map(_shown, contents), frozenset(taken))
        doubts = tuple(map(masked, self._doubts))
        table = ParsedTable(rows, rejects, self._count, doubts=doubts, again=again)
        consents = tuple(
            one._replace(scope=tuple(map(self._tokens.of_scope, one.scope)))
            for one in self._consents.values()
        )
        return ParsedStatement(table, dict(self._ignored), consents, frozenset(self._removed))

    def _currency(self) -> str:
        """Return the stored currency of the customer, or else that of the first record with one."""
        known = self._owners.customers.filter(pl.col("id") == self._customer)["currency"]
        if len(known):
            return str(known[0])
        candidates = [account.currency for account in self._accounts.values()]
        candidates += [placed.booking.amount.currency for placed in self._bookings.values()]
        for currency in candidates:
            if currency:
                return currency
        message = f"the currency of customer {self._customer} is not known"
        raise UserError("import.currency", message, "import accounts or transactions first")

    def _stored_accounts(self) -> frozenset[str]:
        """Return the stored accounts of this customer.

        Raises:
            UserError: A record names an account of another customer.
        """
        mine: list[str] = []
        for account, owner in self._owners.accounts.select("id", "customer").iter_rows():
            if owner == self._customer:
                mine.append(account)
            elif account in self._accounts or any(a == account for a, _ in self._bookings):
                message = f"the account {account} belongs to customer {owner}"
                raise UserError("import.owner", message, "see --customer")
        return frozenset(mine)

    def _known_balances(self) -> dict[tuple[str, str], Money]:
        """Return the balance after each booking that is the last before a booked balance."""
        bookings: dict[str, list[tuple[datetime, int, tuple[str, str]]]] = {}
        for key, one in self._bookings.items():
            bookings.setdefault(key[0], []).append((time_of(one.booking.moment), one.order, key))
        for rows in bookings.values():
            rows.sort()
        found: dict[tuple[str, str], Money] = {}
        for balance in self._balances:
            rows = bookings.get(balance.account, [])
            end = bisect.bisect_right(rows, time_of(balance.moment), key=lambda row: row[0])
            if end:
                found[rows[end - 1][2]] = balance.amount
        return found

    def _account_row(self, account: Account, currency: str, digits: int) -> dict[str, Any]:
        row: dict[str, Any] = {
            "id": account.id,
            "customer": self._customer,
            "type": account.type,
            "name": plain_text(account.name),
            "opened": (account.opened - EPOCH).days if account.opened else None,
        }
        if account.id in self._limits:
            limit, document, item = self._limits[account.id]
            try:
                row["credit limit"] = (
                    minor_units(limit, digits) if limit.currency == currency else None
                )
            except InvalidItem as error:
                self._reject(document, item, f"the credit limit cannot be read: {error}")
        return row


def _shown(content: Any) -> str:
    """Return the content of an item as it is set aside."""
    return encodable(masked_json(content))[:_MAX_REJECT_LENGTH]


def _checked(record: Record) -> Record:
    """Return a record unchanged.

    Raises:
        InvalidItem: The identifier of the record or its account is invalid.
    """
    for name in ("account", "id"):
        text = getattr(record, name, None)
        if text is not None and (problem := why_not_identifier(text)) is not None:
            raise InvalidItem(f"the identifier {ascii(masked(text))[:60]} {problem}")
    return record


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


def _frame(rows: Sequence[Mapping[str, Any]], table: str, schema: Schema) -> pl.DataFrame:
    fields = columns(table, schema)
    types = {name: POLARS_TYPES[one.kind] for name, one in fields.items()}
    frame = pl.DataFrame([{name: row.get(name) for name in fields} for row in rows], schema=types)
    texts = [
        n for n, field in fields.items() if field.kind is FieldType.TEXT and n not in IDENTIFIERS
    ]
    return frame.with_columns(masked_texts(frame[n]).str.slice(0, MAX_TEXT_LENGTH) for n in texts)
