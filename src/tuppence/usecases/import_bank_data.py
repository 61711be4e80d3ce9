"""Imports bank data into a store: tables through a mapping, and documents of banks' interfaces."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple, Protocol
from urllib.parse import quote

import polars as pl

from tuppence.bankdata.enrichment.enricher import Enricher
from tuppence.bankdata.gaps import fill_from_store
from tuppence.bankdata.inference import infer_fields
from tuppence.bankdata.mapping import Mapping as TableMapping
from tuppence.bankdata.masking import Tokens
from tuppence.bankdata.records import ConsentRecord, Document, Items, day_of
from tuppence.bankdata.statement import EPOCH, read_statement
from tuppence.bankdata.tabular import Owners, ParsedTable, read_table
from tuppence.cards import masked
from tuppence.errors import UserError
from tuppence.facts.consent import PURPOSE, Consent
from tuppence.facts.rows import Counts, Rows
from tuppence.facts.schema import Schema

MAX_REASONS: Final = 10
"""Maximum number of reasons in the error for a file of which all rows are rejected."""


class BankDataStore(Protocol):
    """Keeps the facts that are imported."""

    @property
    def schema(self) -> Schema:
        """The fields that the facts have."""
        ...

    def owners(self) -> pl.DataFrame:
        """Return every account: `id`, `customer`, and the customer's `currency`."""
        ...

    def customers(self) -> pl.DataFrame:
        """Return every customer: `id` and `currency`."""
        ...

    def rows_of(self, *customers: str) -> Rows:
        """Return all rows of some customers.

        Raises:
            UserError: There is no customer of an identifier.
        """
        ...

    def append(self, rows: Rows) -> Mapping[str, Counts]:
        """Add rows, or replace those of the same identifiers; all of them or, on error, none."""
        ...

    def remove(self, customer_id: str, transactions: Collection[str]) -> int:
        """Remove transactions of a customer, and return how many there were."""
        ...


class RejectStore(Protocol):
    """Keeps the rows that could not be imported."""

    def put(self, source: str, rows: pl.DataFrame) -> Path | None:
        """Write rows in place of those of an earlier import of the same source.

        Returns:
            The file, or None where there are no rows.
        """
        ...


class ConsentStore(Protocol):
    """Keeps the consents that banks report."""

    def of(self, customer: str) -> list[Consent]:
        """Return the consents of a customer."""
        ...

    def record(self, consents: Iterable[Consent]) -> None:
        """Keep consents, in place of those of the same identifiers."""
        ...


@dataclass(frozen=True, slots=True)
class ImportDependencies:
    """The ports and settings of an import.

    Attributes:
        facts: The facts of the store.
        rejects: Its rejected rows.
        consents: Its consents.
        tokens: Names for identifiers that hold a card number.
        enricher: Finds merchants and categories.
        today: No row may be dated later.
    """

    facts: BankDataStore
    rejects: RejectStore
    consents: ConsentStore
    tokens: Tokens
    enricher: Enricher
    today: date


class Standard(NamedTuple):
    """A standard of banks' interfaces.

    Attributes:
        name: Name of the standard, as commands and folders use it.
        items: Finds the items of a document.
        jurisdiction: ISO 3166 code of the law that its consents are under.
    """

    name: str
    items: Items
    jurisdiction: str


class Known(NamedTuple):
    """Numbers of imported transactions, and of those with a known merchant or category.

    Attributes:
        transactions: Number of transactions.
        merchants: Number of those whose merchant is known.
        categories: Number of those whose category is known.
    """

    transactions: int = 0
    merchants: int = 0
    categories: int = 0

    def __add__(self, other: "Known") -> "Known":  # type: ignore[override]
        """Return the sum, number by number."""
        return Known(*(a + b for a, b in zip(self, other, strict=True)))


class ImportedTable(NamedTuple):
    """The outcome of importing one table.

    Attributes:
        name: Name of the file, without card numbers.
        rows: Number of rows in the file.
        counts: Rows that were new, changed, or there already.
        rejects: Number of rows that could not be taken.
        rejects_file: The file that has them.
        known: Numbers of transactions with a known merchant or category.
        left_out: Number of rows that the mapping leaves out, by the column and its word.
        doubts: A sentence for each thing that may be wrong with the rows.
    """

    name: str
    rows: int
    counts: Counts
    rejects: int
    rejects_file: Path | None
    known: Known
    left_out: tuple[tuple[str, int], ...]
    doubts: tuple[str, ...]


class ImportedStatement(NamedTuple):
    """The outcome of importing the documents of one customer.

    Attributes:
        customer: Identifier of the customer in the store.
        counts: Rows of each table that were new, changed, or there already.
        items: Number of items in the documents.
        rejects: Number of items that could not be taken.
        rejects_file: The file that has them.
        consents: Number of consents that the documents report.
        removed: Number of transactions that the bank has taken back.
        ignored: Number of items of each kind that are not imported.
        known: Numbers of transactions with a known merchant or category.
    """

    customer: str
    counts: Mapping[str, Counts]
    items: int
    rejects: int
    rejects_file: Path | None
    consents: int
    removed: int
    ignored: Mapping[str, int]
    known: Known


def import_tables(
    files: Iterable[Path], mapping: TableMapping, deps: ImportDependencies
) -> Iterator[ImportedTable]:
    """Import tables one after another; the rows of a file become part of the store together.

    Args:
        files: CSV or Parquet.
        mapping: The meaning of the columns.
        deps: The store.

    Raises:
        UserError: A file cannot be read, or all of its rows are rejected; earlier files stay.
    """
    for file in files:
        owners = Owners(deps.facts.customers(), deps.facts.owners())
        reading = read_table(file, mapping, deps.facts.schema, owners, deps.today, deps.tokens)
        if reading.rejects.height == reading.count - sum(n for _, n in reading.left_out):
            raise _all_rejected(file, reading)
        name = masked(file.name)
        rejects_file = deps.rejects.put(name.replace("*", "x"), reading.rejects)
        stored = _stored(deps.facts.rows_of, reading.rows, owners)
        incoming = infer_fields(reading.rows, stored, deps.enricher)
        counts = deps.facts.append(incoming).get(mapping.table, Counts())
        known = _known(incoming)
        rejects = reading.rejects.height
        yield ImportedTable(
            name,
            reading.count,
            counts,
            rejects,
            rejects_file,
            known,
            reading.left_out,
            reading.doubts,
        )


def import_statement(
    documents: Iterable[Document], standard: Standard, customer: str, deps: ImportDependencies
) -> ImportedStatement:
    """Import the documents of one customer; later ones replace what earlier ones say.

    Args:
        documents: In the order in which they were fetched.
        standard: The standard of their interface.
        customer: The customer's identifier, which may hold a card number.
        deps: The store.

    Raises:
        UserError: An account is another customer's, or the customer's currency is unknown.
    """
    facts = deps.facts
    owners = Owners(facts.customers(), facts.owners())
    customer = deps.tokens.of(customer)
    found = read_statement(
        documents, standard.items, customer, facts.schema, owners, deps.today, deps.tokens
    )
    rejects = found.table.rejects
    rejects_file = deps.rejects.put(f"{standard.name}/{quote(customer, safe='')}", rejects)
    is_known = customer in owners.customers["id"]
    stored = facts.rows_of(customer) if is_known else Rows()
    incoming = infer_fields(fill_from_store(found.table.rows, stored), stored, deps.enricher)
    consents = [_consent(customer, standard.jurisdiction, one) for one in found.consents]
    before = {one.id: one for one in deps.consents.of(customer)}
    # Consents come first: whoever has facts and no consent counts as the store's owner.
    deps.consents.record(one.after(before.get(one.id)) for one in consents)
    counts = facts.append(incoming)
    removed = facts.remove(customer, found.removed) if found.removed and is_known else 0
    return ImportedStatement(
        customer,
        counts,
        found.table.count,
        rejects.height,
        rejects_file,
        len(consents),
        removed,
        found.ignored,
        _known(incoming),
    )


def _all_rejected(file: Path, reading: ParsedTable) -> UserError:
    """Return the error of a file of which no row can be taken; then none is set aside either."""
    first, *others = reading.rejects.head(MAX_REASONS).select(pl.nth(0, 1)).rows()
    return UserError(
        "import.all-rejected",
        f"{file}: all {reading.rejects.height:,} rows were rejected; row {first[0]}: {first[1]}",
        "nothing was imported or set aside: correct the file, or the mapping of its columns",
        [f"row {row}: {reason}" for row, reason in others],
    )


def _consent(customer: str, jurisdiction: str, agreed: ConsentRecord) -> Consent:
    """Return a consent as a store keeps it."""
    moments = (agreed.confirmed, agreed.expires, agreed.withdrawn)
    confirmed, expires, withdrawn = (moment and _day(moment) for moment in moments)
    return Consent(
        customer,
        agreed.id,
        PURPOSE,
        agreed.scope,
        jurisdiction,
        min(_day(agreed.granted), *(day for day in (confirmed, expires and expires - 1) if day)),
        confirmed or None,
        expires or None,
        withdrawn or None,
    )


def _day(moment: str) -> int:
    return (day_of(moment) - EPOCH).days


def _known(rows: Rows) -> Known:
    if rows.transactions is None:
        return Known()
    counted = rows.transactions.select("merchant", "category").count()
    return Known(rows.transactions.height, *counted.row(0))


def _stored(rows_of: Callable[..., Rows], incoming: Rows, owners: Owners) -> Rows:
    """Return what is stored of the customers whose transactions come in."""
    if incoming.transactions is None:
        return Rows()
    named = incoming.transactions.select(id="account").unique()
    whose = owners.accounts.join(named, on="id", how="semi")["customer"]
    if incoming.accounts is not None:
        whose = pl.concat([whose, incoming.accounts["customer"]])
    known = (
        whose.unique()
        .sort()
        .to_frame()
        .join(owners.customers, left_on="customer", right_on="id", how="semi")
    )
    return rows_of(*known["customer"])
