"""Imports bank data into a store: tables through a mapping, and documents of banks' interfaces."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, Protocol
from urllib.parse import quote

import polars as pl

from tuppence.bankdata.booked import EPOCH
from tuppence.bankdata.enrichment.enricher import Enricher
from tuppence.bankdata.mapping import TableMapping
from tuppence.bankdata.masking import Tokens
from tuppence.bankdata.records import ConsentRecord, Document, Items, day_of
from tuppence.bankdata.rejected import Again
from tuppence.bankdata.standards import standard_of
from tuppence.bankdata.statement import read_statement
from tuppence.bankdata.table_file import MAX_BYTES
from tuppence.bankdata.tabular import ParsedTable, read_table
from tuppence.cards import masked
from tuppence.errors import UserError
from tuppence.facts.consent import PURPOSE, Consent
from tuppence.facts.imported import Import
from tuppence.facts.rows import Counts
from tuppence.facts.schema import Schema
from tuppence.structured import read_bytes
from tuppence.usecases.keep_import import (
    ImportingFacts,
    Kept,
    Known,
    digest_of,
    keep,
    owners_without,
)
from tuppence.usecases.undo_import import TABLES, KeptRejects

MAX_REASONS: Final = 10
"""Maximum number of reasons in the error for a file of which all rows are rejected."""


class BankDataStore(ImportingFacts, Protocol):
    """Keeps the facts that are imported."""

    @property
    def schema(self) -> Schema:
        """The fields that the facts have."""
        ...

    def remove(self, customer_id: str, transactions: Collection[str]) -> int:
        """Remove transactions of a customer, and return how many there were."""
        ...


class RejectStore(KeptRejects, Protocol):
    """Keeps the rows that could not be imported."""

    def put(
        self,
        source: str,
        rows: pl.DataFrame,
        again: Again,
        earlier: str = "",
        taken: Collection[str] = (),
    ) -> str:
        """Write the rejected rows of an import; those of others stay until they are read again.

        Args:
            source: Name of the file that was imported; with a folder, of the documents.
            rows: The rows.
            again: Tells which kept rows the import has read again.
            earlier: The file with the rejected rows of an earlier import of the same bytes.
            taken: Names of the files of other imports.

        Returns:
            The name of the file below the folder of rejects; empty where there are no rows.
        """
        ...

    def path_of(self, name: str) -> Path:
        """Return the file of a name below the folder of rejects."""
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
        replaced: Number of transactions that an earlier import of the same file gave, and that are
            removed because this one does not.
        forgotten: Number of earlier imports that can no longer be taken back.
    """

    name: str
    rows: int
    counts: Counts
    rejects: int
    rejects_file: Path | None
    known: Known
    left_out: tuple[tuple[str, int], ...]
    doubts: tuple[str, ...]
    replaced: int
    forgotten: int


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
        doubts: A sentence for each thing that may be wrong with the transactions.
        replaced: Number of transactions that an earlier import of the same documents gave, and that
            are removed because this one does not.
        forgotten: Number of earlier imports that can no longer be taken back.
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
    doubts: tuple[str, ...]
    replaced: int
    forgotten: int


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
        digest = digest_of(read_bytes(file, MAX_BYTES), mapping.table, file.name)
        owners = owners_without(deps.facts, digest)
        reading = read_table(file, mapping, deps.facts.schema, owners, deps.today, deps.tokens)
        if reading.rejects.height == reading.count - sum(n for _, n in reading.left_out):
            raise _all_rejected(file, reading)
        name = masked(file.name)
        made = Import(TABLES, name, digest, _days(deps.today), mapping.table)
        set_aside = partial(_set_aside, name.replace("*", "x"), reading, digest, deps)
        stored = keep(made, reading.rows, deps.facts, deps.enricher, set_aside)
        yield ImportedTable(
            name,
            reading.count,
            stored.counts.get(mapping.table, Counts()),
            reading.rejects.height,
            _file_of(stored, deps),
            stored.known,
            reading.left_out,
            (*reading.doubts, *stored.doubts),
            stored.replaced,
            stored.forgotten,
        )


def import_statement(
    documents: Iterable[Document], standard: Standard, customer: str, deps: ImportDependencies
) -> ImportedStatement:
    """Import the documents of one customer; later ones replace what earlier ones say.

    Args:
        documents: Documents in the order in which they were fetched.
        standard: The standard of their interface.
        customer: The customer's identifier, which may hold a card number.
        deps: The store.

    Raises:
        UserError: An account is another customer's, or the customer's currency is unknown.
    """
    facts = deps.facts
    customer = deps.tokens.of(customer)
    documents = list(documents)
    contents = json.dumps([one.content for one in documents], default=str).encode()
    digest = digest_of(contents, standard.name, customer)
    owners = owners_without(facts, digest)
    try:
        found = read_statement(
            documents, standard.items, customer, facts.schema, owners, deps.today, deps.tokens
        )
    except UserError as error:
        raise _of_another_standard(error, documents, standard) from None
    consents = [_consent(customer, standard.jurisdiction, one) for one in found.consents]
    removed_ids = tuple(sorted(found.removed))
    made = Import(standard.name, customer, digest, _days(deps.today), removed=removed_ids)

    def write_beside() -> str:
        before = {one.id: one for one in deps.consents.of(customer)}
        # Consents come first: whoever has facts and no consent counts as the store's owner.
        deps.consents.record(one.after(before.get(one.id)) for one in consents)
        source = f"{standard.name}/{quote(customer, safe='')}"
        return _set_aside(source, found.table, digest, deps)

    stored = keep(made, found.table.rows, facts, deps.enricher, write_beside)
    is_known = customer in facts.customers()["id"]
    removed = facts.remove(customer, found.removed) if found.removed and is_known else 0
    return ImportedStatement(
        customer,
        stored.counts,
        found.table.count,
        found.table.rejects.height,
        _file_of(stored, deps),
        len(consents),
        removed,
        found.ignored,
        stored.known,
        (*found.table.doubts, *stored.doubts),
        stored.replaced,
        stored.forgotten,
    )


def _of_another_standard(
    error: UserError, documents: Iterable[Document], standard: Standard
) -> UserError:
    """Return an error that names the standard of a document that was given as one of another."""
    names = {standard_of(one.content) for one in documents} - {None, standard.name}
    if error.code not in {"import.nothing", "import.currency"} or len(names) != 1:
        return error
    (name,) = names
    hint = f"is it a document of another standard? It looks like one of {name}"
    return UserError(error.code, error.message, f"{hint}: use tuppence import {name}")


def _set_aside(source: str, reading: ParsedTable, digest: str, deps: ImportDependencies) -> str:
    """Keep the rejected rows, and return the name of their file; empty if there are none."""
    imports = deps.facts.imports()
    earlier = next((one.rejects for one in imports if one.digest == digest), "")
    taken = {one.rejects for one in imports if one.digest != digest}
    return deps.rejects.put(source, reading.rejects, reading.again, earlier, taken)


def _file_of(stored: Kept, deps: ImportDependencies) -> Path | None:
    """Return the file of an import's rejected rows, if it has any."""
    return deps.rejects.path_of(stored.rejects) if stored.rejects else None


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
    return _days(day_of(moment))


def _days(day: date) -> int:
    return (day - EPOCH).days
