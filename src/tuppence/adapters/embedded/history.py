"""Keeps the rows that each import of a fact store has read, so that it can be taken back.

They are in segments of their own, named in the manifest, so a change of facts and of the history is
one change. A segment has the transactions of a file as they were read, before anything was
inferred, and the accounts and customers that they belong to. Customers that had rows before their
first import of the history have those rows in a segment of `before`.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Final

import msgspec
import polars as pl

from tuppence.adapters.embedded.manifest import KeptImport, Manifest, Segment
from tuppence.adapters.embedded.partition_rows import split
from tuppence.adapters.embedded.segments import Segments
from tuppence.facts.coded import coded
from tuppence.facts.imported import Import, Taken
from tuppence.facts.rows import Rows
from tuppence.facts.schema import Schema

MAX_IMPORTS: Final = 200
"""Number of imports that a history has at most; the next one begins a new history."""


def with_import(old: Manifest, new: Manifest, taken: Taken, segments: Segments) -> Manifest:
    """Return a manifest with an import added to its history, or in place of the one of its number.

    Args:
        old: The manifest before the import.
        new: The manifest with the rows of the import among the facts.
        taken: The import.
        segments: The segments of the store.
    """
    made = taken.made
    if len(new.imports) >= MAX_IMPORTS and not made.id:
        old, new = without_history(old), without_history(new)
    earlier = next((kept for kept in new.imports if kept.made.id == made.id), None)
    first = earlier.first_sequence if earlier else old.next_sequence
    rows = _with_owners(taken.given, new, segments)
    sequence = new.next_sequence
    if rows.transactions is not None:
        placed = rows.transactions.with_columns(pl.col("sequence") + first)
        sequence = max(sequence, placed.select(pl.max("sequence").fill_null(0)).item() + 1)
        rows = Rows(rows.customers, rows.accounts, placed)
    if earlier is None:
        made = msgspec.structs.replace(made, id=new.next_import)
    segment = None
    if rows.tables():
        segment = segments.write(f"i{made.id:05d}", coded(rows.tables(), Schema(new.attributes)))
    kept = KeptImport(made, first, segment)
    imports = tuple(kept if one is earlier else one for one in new.imports)
    whose = Taken(made, rows).customers
    return msgspec.structs.replace(
        new,
        next_sequence=sequence,
        imports=imports if earlier else (*imports, kept),
        next_import=max(new.next_import, made.id + 1),
        before=(*new.before, *_snapshots(old, whose, segments)),
    )


def without_import(manifest: Manifest, number: int) -> Manifest:
    """Return a manifest without an import in its history."""
    imports = tuple(kept for kept in manifest.imports if kept.made.id != number)
    before = manifest.before if imports else ()
    return msgspec.structs.replace(manifest, imports=imports, before=before)


def without_history(manifest: Manifest) -> Manifest:
    """Return a manifest whose imports cannot be taken back, because facts changed otherwise."""
    return msgspec.structs.replace(manifest, imports=(), before=())


def without_customer(
    manifest: Manifest, customer: str, accounts: Collection[str], segments: Segments
) -> Manifest:
    """Return a manifest in whose history nothing of a customer is left.

    Args:
        manifest: The manifest.
        customer: The customer.
        accounts: The customer's accounts among the facts.
        segments: The segments of the store.
    """
    imports: list[KeptImport] = []
    whose = (customer, accounts)
    for kept in manifest.imports:
        if kept.segment is None:
            imports += [kept] if kept.made.source != customer else []
        elif left := _left(manifest, kept.segment, f"i{kept.made.id:05d}", *whose, segments):
            imports.append(msgspec.structs.replace(kept, segment=left))
    before = [_left(manifest, one, "before", *whose, segments) for one in manifest.before]
    found = tuple(one for one in before if one is not None)
    return msgspec.structs.replace(manifest, imports=tuple(imports), before=found)


def given(
    manifest: Manifest, number: int, customers: Sequence[str] | None, segments: Segments
) -> Rows:
    """Return the rows of an import.

    Args:
        manifest: The manifest.
        number: Number of the import.
        customers: Whose rows to return; None for everybody's.
        segments: The segments of the store.
    """
    kept = next(one for one in manifest.imports if one.made.id == number)
    return _rows(kept.segment, customers, segments) if kept.segment else Rows()


def before(manifest: Manifest, customers: Sequence[str], segments: Segments) -> Rows:
    """Return the rows that customers had before the first import of the history."""
    parts = [_rows(one, customers, segments) for one in manifest.before]
    parts += _uncovered(manifest, customers, segments)
    tables = [part.tables() for part in parts]
    names = ("customers", "accounts", "transactions")
    return Rows(
        **{
            name: pl.concat(found)
            for name in names
            if (found := [one[name] for one in tables if name in one and one[name].height])
        }
    )


def history_segments(manifest: Manifest) -> tuple[Segment, ...]:
    """Return the segments of the history."""
    return (*(one.segment for one in manifest.imports if one.segment), *manifest.before)


def imports_of(manifest: Manifest) -> tuple[Import, ...]:
    """Return the imports of the history, oldest first."""
    return tuple(kept.made for kept in manifest.imports)


# -- inside ----------------------------------------------------------------------------------------


def _rows(segment: Segment, customers: Sequence[str] | None, segments: Segments) -> Rows:
    content = segments.read(segment)
    whose = content.customers["id"].to_list() if customers is None else customers
    return _filled(split(content, whose)[0])


def _filled(rows: Rows) -> Rows:
    """Return rows without their empty tables."""
    return Rows(**{name: frame for name, frame in rows.tables().items() if frame.height})


def _with_owners(rows: Rows, manifest: Manifest, segments: Segments) -> Rows:
    """Return rows with their accounts and customers, as they are among the facts."""
    named = [] if rows.transactions is None else [rows.transactions["account"].cast(pl.String)]
    named += [] if rows.accounts is None else [rows.accounts["id"].cast(pl.String)]
    whose = [] if rows.customers is None else [rows.customers["id"].cast(pl.String)]
    empty = pl.Series([], dtype=pl.String)
    wanted = pl.concat([empty, *named]).unique()
    parts = [segments.table(p, "accounts") for p in manifest.partitions]
    if not parts:
        return rows
    accounts = pl.concat(parts).filter(pl.col("id").is_in(wanted.implode()))
    wanted = pl.concat([empty, *whose, accounts["customer"]]).unique()
    customers = pl.concat([segments.table(p, "customers") for p in manifest.partitions])
    customers = customers.filter(pl.col("id").is_in(wanted.implode()))
    return Rows(
        customers if customers.height else None,
        accounts if accounts.height else None,
        rows.transactions,
    )


def _uncovered(
    manifest: Manifest, customers: Collection[str], segments: Segments
) -> Iterator[Rows]:
    """Yield the facts of customers who are not in the history, partition by partition."""
    covered: set[str] = set()
    for segment in history_segments(manifest):
        covered.update(segments.read(segment, "customers").customers["id"])
    wanted = {*customers} - covered
    for partition in manifest.partitions if wanted else ():
        held = wanted & {*segments.table(partition, "customers")["id"]}
        if held:
            yield split(segments.merge(partition), sorted(held))[0]


def _snapshots(old: Manifest, customers: Collection[str], segments: Segments) -> Iterator[Segment]:
    """Write the rows of customers who are not in the history yet."""
    for rows in _uncovered(old, customers, segments):
        yield segments.write("before", coded(rows.tables(), Schema(old.attributes)))


def _left(
    manifest: Manifest,
    segment: Segment,
    name: str,
    customer: str,
    accounts: Collection[str],
    segments: Segments,
) -> Segment | None:
    """Return a segment without the rows of a customer; None if nothing is left of it."""
    content = segments.read(segment)
    own, others = split(content, [customer])
    tables = others.tables()
    theirs = tables["transactions"]["account"].is_in(list(accounts))
    tables["transactions"] = tables["transactions"].filter(~theirs)
    tables["accounts"] = tables["accounts"].filter(~pl.col("id").is_in(list(accounts)))
    if not any(frame.height for frame in own.tables().values()) and not theirs.any():
        return segment
    if not tables["customers"].height:
        return None
    return segments.write(name, coded(tables, Schema(manifest.attributes)))
