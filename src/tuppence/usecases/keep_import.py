"""Puts the rows that an import has read into a store, with all that is inferred."""

import hashlib
import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple, Protocol

import msgspec
import polars as pl

from tuppence.bankdata.enrichment.enricher import Enricher
from tuppence.bankdata.gaps import fill_from_store
from tuppence.bankdata.identity import identified
from tuppence.bankdata.inference import infer_fields
from tuppence.bankdata.tabular import Owners
from tuppence.errors import UserError
from tuppence.facts.imported import Import, Taken
from tuppence.facts.rows import Counts, Rows
from tuppence.usecases.undo_import import (
    TABLES,
    ImportedFacts,
    customers_in,
    differences,
    known_rows,
    rebuilt,
)


class ImportingFacts(ImportedFacts, Protocol):
    """Keeps the facts that are imported."""

    def owners(self) -> pl.DataFrame:
        """Return every account: `id`, `customer`, and the customer's `currency`."""
        ...

    def append(self, rows: Rows, *, taken: Taken) -> Mapping[str, Counts]:
        """Add rows, or replace those of the same identifiers; all of them or, on error, none.

        Args:
            rows: The rows, with everything that is inferred.
            taken: The import that they come from.
        """
        ...


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


class Kept(NamedTuple):
    """The outcome of storing the rows of an import.

    Attributes:
        counts: Rows of each table that were new, changed, or there already.
        known: Numbers of transactions with a known merchant or category.
        doubts: A sentence for each thing that may be wrong with the transactions.
        replaced: Number of transactions that an earlier import of the same bytes gave, and that are
            removed because this one does not.
        rejects: Name of the file of rejects below their folder, or empty.
        forgotten: Number of earlier imports that can no longer be taken back, because the history
            was full and began again.
    """

    counts: Mapping[str, Counts]
    known: Known
    doubts: tuple[str, ...]
    replaced: int = 0
    rejects: str = ""
    forgotten: int = 0


def digest_of(content: bytes, *names: str) -> str:
    """Return the digest by which an import of the same bytes is recognised.

    Args:
        content: The bytes that are read.
        names: Other texts that must be equal, too.
    """
    digest = hashlib.blake2b(content, digest_size=16)
    for name in names:
        digest.update(b"\0" + name.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def owners_without(facts: ImportingFacts, digest: str) -> Owners:
    """Return the customers and accounts of a store without those that only an import has.

    Args:
        facts: The facts of the store.
        digest: Digest of the import; all are returned if there is none.
    """
    customers, accounts = facts.customers(), facts.owners()
    made = _import_of(facts, digest)
    if made is None:
        return Owners(customers, accounts)
    given = facts.given(made.id)
    whose = customers_in(given)
    for_others = [set[str](), set[str]()]
    for other in (None, *facts.imports()):
        if other == made:
            continue
        rows = facts.rows_before(whose) if other is None else facts.given(other.id, whose)
        for names, table in zip(for_others, ("customers", "accounts"), strict=True):
            frame: pl.DataFrame | None = getattr(rows, table)
            # A later file of another table has only named owners that were there already.
            counts = other is None or other.id < made.id or other.table in {"", table}
            names.update(frame["id"] if frame is not None and counts else ())
    only = [
        [one for one in frame["id"] if one not in names] if frame is not None else []
        for frame, names in zip((given.customers, given.accounts), for_others, strict=True)
    ]
    return Owners(
        customers.filter(~pl.col("id").is_in(only[0])),
        accounts.filter(~pl.col("id").is_in(only[1])),
    )


def keep(
    made: Import,
    rows: Rows,
    facts: ImportingFacts,
    enricher: Enricher,
    write_beside: Callable[[], str],
) -> Kept:
    """Put the rows of an import into the store.

    They replace the rows of an earlier import of the same bytes, which keeps its place among the
    imports.

    Args:
        made: Record of the import.
        rows: The rows that it has read.
        facts: The facts of the store.
        enricher: Finds merchants and categories.
        write_beside: Writes what is kept beside the facts, and returns the name of the file of
            rejects; called once nothing can refuse the import any more.

    Raises:
        UserError: An earlier import read the same bytes as rows of another customer; nothing is
            written then.
    """
    stored = _stored(facts.rows_of, rows, Owners(facts.customers(), facts.owners()))
    given, doubts = rows, tuple[str, ...]()
    if rows.transactions is not None:
        transactions, doubts = identified(rows.transactions, stored.transactions)
        given = replace(rows, transactions=transactions)
    main = given.tables().get(made.table or "transactions")
    made = msgspec.structs.replace(made, rows=0 if main is None else main.height)
    earlier = _import_of(facts, made.digest)
    is_latest = earlier is not None and facts.imports()[-1] == earlier
    if earlier is not None and not (is_latest and _reads_same(earlier, given, facts)):
        so_far = Kept({}, Known(), doubts)
        return _replace(made, earlier, so_far, given, facts, enricher, write_beside)
    filled = given if made.command == TABLES else fill_from_store(given, stored)
    incoming = infer_fields(filled, stored, enricher)
    made = msgspec.structs.replace(earlier or made, rejects=write_beside())
    before = facts.imports()
    counts = facts.append(incoming, taken=Taken(made, given))
    forgotten = len({one.id for one in before} - {one.id for one in facts.imports()})
    known = _known(incoming)
    return Kept(counts, known, doubts, rejects=made.rejects, forgotten=forgotten)


def _replace(
    made: Import,
    earlier: Import,
    so_far: Kept,
    given: Rows,
    facts: ImportingFacts,
    enricher: Enricher,
    write_beside: Callable[[], str],
) -> Kept:
    """Put an import in place of an earlier one of the same bytes; see `keep`."""
    before_given = facts.given(earlier.id)
    stored = _stored(facts.rows_of, given, Owners(facts.customers(), facts.owners()))
    named = (Taken(earlier, before_given).customers, customers_in(given), customers_in(stored))
    whose = list(dict.fromkeys(itertools.chain(*named)))
    before = known_rows(facts, whose)
    taken = Taken(msgspec.structs.replace(made, id=earlier.id), _with_owners(given, before))
    in_place = taken._replace(given=_numbered_as(taken.given, before_given))
    after = rebuilt(facts, whose, enricher, {earlier.id: in_place})
    gone = [one for one in customers_in(before) if one not in customers_in(after)]
    if gone:
        message = f"{made.source}: import {earlier.id} read the same bytes as rows of {gone[0]}"
        hint = f"take it back first (tuppence import undo {earlier.id}), or rename the file"
        raise UserError("import.other-customer", message, hint)
    made = msgspec.structs.replace(taken.made, rejects=write_beside())
    taken = taken._replace(made=made)
    changes = differences(before, after)
    is_same = _reads_same(earlier, given, facts) and _same_owners(before, after)
    if any(changes) or not is_same or made.rejects != earlier.rejects:
        facts.replace_import(earlier.id, taken, whose, after)
    counts = {
        name: _counts(frame, getattr(before, name), getattr(after, name), name)
        for name, frame in given.tables().items()
    }
    mine = Rows()
    if given.transactions is not None and after.transactions is not None:
        key = given.transactions.select("account", "id")
        mine = Rows(transactions=after.transactions.join(key, on=["account", "id"], how="semi"))
    return so_far._replace(
        counts=counts, known=_known(mine), replaced=changes.removed, rejects=made.rejects
    )


def _numbered_as(given: Rows, before: Rows) -> Rows:
    """Return rows numbered from where an earlier import of the same bytes began."""
    if given.transactions is None or before.transactions is None:
        return given
    shift = before.transactions["sequence"].min()
    shifted = given.transactions.with_columns(pl.col("sequence") + shift)
    return replace(given, transactions=shifted)


def _same_owners(before: Rows, after: Rows) -> bool:
    """Return whether customers and accounts are the same, in any order."""
    pairs = ((before.customers, after.customers), (before.accounts, after.accounts))
    return all(
        one is not None and other is not None and one.sort("id").equals(other.sort("id"))
        for one, other in pairs
    )


def _counts(
    given: pl.DataFrame, before: pl.DataFrame | None, after: pl.DataFrame, table: str
) -> Counts:
    """Return how many of the given rows of a table are new, changed or as they were."""
    key = ["account", "id"] if table == "transactions" else ["id"]
    mine = after.join(given.select(pl.col(key).cast(pl.String)), on=key, how="semi")
    if before is None:
        return Counts(mine.height)
    values = [name for name in mine.columns if name not in {*key, "sequence"}]
    both = mine.join(before, on=key, suffix=" before")
    same = pl.all_horizontal(pl.col(v).eq_missing(pl.col(f"{v} before")) for v in values)
    unchanged = both.filter(same).height
    return Counts(mine.height - both.height, both.height - unchanged, unchanged)


def _with_owners(given: Rows, stored: Rows) -> Rows:
    """Return rows with the stored accounts and customers that they lack."""
    if given.transactions is None or stored.accounts is None or stored.customers is None:
        return given
    named = given.transactions["account"].cast(pl.String).unique().implode()
    accounts = [stored.accounts.filter(pl.col("id").is_in(named))]
    accounts += [] if given.accounts is None else [given.accounts.select(accounts[0].columns)]
    held = pl.concat(accounts).unique("id", keep="last", maintain_order=True)
    customers = [stored.customers.filter(pl.col("id").is_in(held["customer"].implode()))]
    customers += [] if given.customers is None else [given.customers.select(customers[0].columns)]
    people = pl.concat(customers).unique("id", keep="last", maintain_order=True)
    return Rows(people, held, given.transactions)


def _reads_same(earlier: Import, given: Rows, facts: ImportingFacts) -> bool:
    """Return whether an import has read the same rows."""
    before, now = facts.given(earlier.id), given.tables()
    for name, frame in now.items():
        known = getattr(before, name)
        names = [n for n in frame.columns if n != "sequence"]
        if known is None or not frame.select(names).equals(known.select(names)):
            return False
    return before.transactions is None or "transactions" in now


def _import_of(facts: ImportedFacts, digest: str) -> Import | None:
    return next((one for one in facts.imports() if one.digest == digest), None)


def _known(rows: Rows) -> Known:
    if rows.transactions is None:
        return Known()
    counted = rows.transactions.select("merchant", "category").count()
    return Known(rows.transactions.height, *counted.row(0))


def _stored(rows_of: Callable[..., Rows], incoming: Rows, owners: Owners) -> Rows:
    """Return the stored facts of the customers whose transactions come in."""
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
