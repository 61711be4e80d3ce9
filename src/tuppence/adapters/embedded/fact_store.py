"""A fact store in a directory: partitions of customers, each a row of immutable segments.

    facts/manifest.json         partitions and their segments; replacing it commits a change
    facts/<segment>/            customers, accounts, transactions as Parquet, dictionaries as JSON

A partition keeps the same customers for ever, at most `partition_size` of them. An import appends a
segment to each partition it changes; rows of later segments replace those of earlier ones.
Compacting merges the segments of a partition into one. Segments that the manifest no longer names
stay until the next change, so that a reader that has already started rarely has to start again.

One module because every change ends by replacing the manifest, in the same few lines.
"""

import functools
import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec
import polars as pl

from tuppence.adapters.embedded import layout
from tuppence.adapters.embedded.appending import append_rows, replace_customers
from tuppence.adapters.embedded.history import (
    before,
    given,
    history_segments,
    imports_of,
    with_import,
    without_customer,
    without_history,
    without_import,
)
from tuppence.adapters.embedded.manifest import (
    FORMAT,
    Manifest,
    Partition,
    is_checked,
    name_content,
)
from tuppence.adapters.embedded.partition_rows import by_customers, split
from tuppence.adapters.embedded.place import FolderPlace, Place, changing
from tuppence.adapters.embedded.segments import Segments, is_in_files
from tuppence.errors import UserError
from tuppence.facts.batch import FactBatch
from tuppence.facts.census import Census
from tuppence.facts.coded import Coded, batch_from, coded, ordered
from tuppence.facts.imported import Import, Taken
from tuppence.facts.rows import Counts, Rows, columns
from tuppence.facts.schema import Schema

PARTITION_SIZE: Final = 50_000
"""Maximum number of customers of a partition."""
PART_ROWS: Final = 500_000
"""Maximum number of transactions that `parts` yields at a time."""
_KEYS: Final = frozenset({"account", "id", "sequence", "booking date"})
"""Columns by which the rows of several segments are told apart and ordered."""


def is_store(root: Path) -> bool:
    """Return whether there is a store in a folder, which may be missing."""
    return (root / layout.FACTS / layout.MANIFEST).exists()


class FactStore:
    """Facts in a directory. Implements the port FactSource.

    Args:
        root: The store's directory, with the facts in `facts` below it; or another place.

    Raises:
        UserError: There is no store, or its manifest is damaged.
    """

    def __init__(self, root: Path | Place) -> None:
        self.place: Place = FolderPlace(root) if isinstance(root, Path) else root
        self.reload()

    # -- the port --------------------------------------------------------------------------------

    @property
    def schema(self) -> Schema:
        """The schema of the facts."""
        return Schema(self._manifest.attributes)

    @property
    def digest(self) -> str:
        """A digest of the present content."""
        name = name_content(self._manifest)
        if self.census is None:
            return name
        content = msgspec.json.encode(self.census, order="sorted")
        return hashlib.blake2b(name.encode() + content, digest_size=8).hexdigest()

    @functools.cached_property
    def census(self) -> Census | None:
        """The figures about many customers that rules may read; None if there are none.

        Raises:
            UserError: Their file is damaged.
        """
        return self.place.read_census()

    @property
    def manifest(self) -> Manifest:
        """The manifest that this object reads."""
        return self._manifest

    @property
    def is_checked(self) -> bool:
        """True if the manifest has a checksum; that of an older store has none."""
        return is_checked(self._manifest)

    def partitions(self) -> Sequence[tuple[str, int]]:
        """Return the names of the partitions, each with its number of customers."""
        return [(partition.name, partition.customers) for partition in self._manifest.partitions]

    def read(self, partition: str, fields: Collection[str] | None = None) -> FactBatch:
        """Return the facts of a partition.

        Args:
            partition: Name of the partition.
            fields: Fields of transactions to read; None for all. More may be returned.
        """
        entry = next(p for p in self._manifest.partitions if p.name == partition)
        if fields is None:
            return self._batch(self._segments.merge(entry))
        keys = {"account"} if len(entry.segments) == 1 else _KEYS
        stored = columns("transactions", self.schema)
        wanted = [name for name in stored if name in {*fields, *keys}]
        return self._batch(self._segments.merge(entry, wanted))

    def find(self, customer_id: str) -> FactBatch:
        """Return the facts of one customer, with the identifiers of transactions.

        Raises:
            UserError: There is no such customer.
        """
        return self._batch(self._segments.find(self._home(customer_id), customer_id))

    def _batch(self, content: Coded) -> FactBatch:
        return replace(batch_from(content, self.schema), census=self.census)

    def currency_of(self, customer_id: str) -> str:
        """Return the currency of a customer, without reading transactions; fails as `find` does."""
        customers = self._segments.table(self._home(customer_id), "customers")
        return str(customers.filter(pl.col("id") == customer_id)["currency"][0])

    def partition_of(self, customer_id: str) -> str:
        """Return the name of the partition of a customer; fails as `find` does."""
        return self._home(customer_id).name

    def _home(self, customer_id: str) -> Partition:
        """Return the partition of a customer.

        Raises:
            UserError: There is no such customer.
        """
        return self._homes([customer_id])[0]

    def _homes(self, customers: Collection[str]) -> Sequence[Partition]:
        """Return the partitions of some customers; each partition is looked at once.

        Raises:
            UserError: One of them does not exist.
        """
        wanted, found = set(customers), list[Partition]()
        for partition in self._manifest.partitions:
            if not wanted:
                break
            here = wanted.intersection(self._segments.table(partition, "customers")["id"])
            if here:
                found.append(partition)
                wanted -= here
        if wanted:
            message = f"{self.place}: there is no customer {min(wanted)}"
            hint = "tuppence results lists the customers"
            raise UserError("facts.unknown-customer", message, hint)
        return found

    def rows_of(self, *customers: str) -> Rows:
        """Return all rows of some customers.

        Raises:
            UserError: One of them does not exist.
        """
        parts = [
            split(self._segments.merge(home), customers)[0].tables()
            for home in self._homes(customers)
        ]
        names = parts[0] if parts else ()
        return Rows(**{name: pl.concat(part[name] for part in parts) for name in names})

    # -- writing ---------------------------------------------------------------------------------

    @classmethod
    def create(cls, root: Path | Place, schema: Schema) -> "FactStore":
        """Open a store; create an empty one if there is none.

        Raises:
            UserError: The store exists and its customers have other attributes.
        """
        place: Place = FolderPlace(root, for_writing=True) if isinstance(root, Path) else root
        place.make(Manifest(FORMAT, schema.attributes))
        store = cls(place)
        if schema.attributes and store.schema != schema:
            message = f"{root}: the store was created with other customer attributes"
            raise UserError("store.attributes", message, "import into a new store")
        return store

    @property
    def transaction_count(self) -> int:
        """The number of transactions in the store."""
        return sum(partition.transactions for partition in self._manifest.partitions)

    def parts(self, known: Collection[str] = ()) -> Iterator[Rows]:
        """Yield rows in chunks; accounts and their customers precede their transactions.

        Args:
            known: Names of beginnings of partitions, as from `part_names`, whose transactions are
                left out.
        """
        for partition in self._manifest.partitions:
            done = [name in known for name in _beginnings(partition)]
            new = partition.segments[done.index(False) :] if False in done else ()
            if not new:
                yield Rows(self._segments.table(partition, "customers"))
                continue
            if len(new) == len(partition.segments):
                content = self._segments.merge(partition)
                customers, accounts = content.customers, content.accounts
            else:
                customers = self._segments.table(partition, "customers")
                accounts = self._segments.table(partition, "accounts")
                content = self._segments.merge(msgspec.structs.replace(partition, segments=new))
            yield Rows(customers, accounts)
            for rows in content.transactions.iter_slices(PART_ROWS):
                yield Rows(transactions=replace(content, transactions=rows).plain_transactions())

    def whole_customers(self, most: int) -> Iterator[Rows]:
        """Yield all rows of some customers at a time, at most of so many."""
        for partition in self._manifest.partitions:
            yield from by_customers(self._segments.merge(partition), most)

    def owners(self) -> pl.DataFrame:
        """Return all accounts: `id`, `customer`, the customer's `currency`."""
        accounts = [self._segments.table(p, "accounts") for p in self._manifest.partitions]
        customers = [self._segments.table(p, "customers") for p in self._manifest.partitions]
        if not accounts:
            return pl.DataFrame(schema=dict.fromkeys(("id", "customer", "currency"), pl.String))
        currencies = pl.concat(customers).select(customer="id", currency="currency")
        return pl.concat(accounts).select("id", "customer").join(currencies, on="customer")

    def customers(self, *flags: str) -> pl.DataFrame:
        """Return all customers: `id`, `currency`, and some attributes that are true or false."""
        frames = [self._segments.table(p, "customers") for p in self._manifest.partitions]
        types = {"id": pl.String, "currency": pl.String} | dict.fromkeys(flags, pl.Boolean)
        return pl.concat([pl.DataFrame(schema=types), *(frame.select(*types) for frame in frames)])

    def identifiers(self) -> Iterator[pl.Series]:
        """Every identifier of customers, accounts and transactions, some at a time."""
        for partition in self._manifest.partitions:
            yield self._segments.table(partition, "customers")["id"]
            yield self._segments.table(partition, "accounts")["id"]
            for segment in partition.segments:
                yield self._segments.read(segment, "transactions", ["id"]).transactions["id"]
        for segment in history_segments(self._manifest):
            content = self._segments.read(segment)
            for frame in (content.customers, content.accounts, content.transactions):
                yield frame["id"]

    # -- the history of imports ------------------------------------------------------------------

    def imports(self) -> Sequence[Import]:
        """Return the imports that can be taken back, oldest first."""
        return imports_of(self._manifest)

    def given(self, number: int, customers: Sequence[str] | None = None) -> Rows:
        """Return the rows that an import has read, of some customers or of all."""
        return given(self._manifest, number, customers, self._segments)

    def rows_before(self, customers: Sequence[str]) -> Rows:
        """Return the rows that customers had before the first of the imports."""
        return before(self._manifest, customers, self._segments)

    def read_history(self) -> tuple[int, int]:
        """Read the history, and return the numbers of its imports and of their transactions.

        Raises:
            UserError: A file is damaged.
        """
        contents = map(self._segments.read, history_segments(self._manifest))
        return len(self._manifest.imports), sum(one.transactions.height for one in contents)

    @changing
    def replace_import(
        self, number: int, taken: Taken | None, customers: Sequence[str], rows: Rows
    ) -> None:
        """Take an import back, or put another one in its place: all of it or, on error, nothing.

        Args:
            number: Number of the import.
            taken: The import in its place; None to take it back.
            customers: The customers of both.
            rows: All rows that these customers have then.
        """
        old = self._manifest
        manifest = replace_customers(old, customers, rows, PARTITION_SIZE, self._segments)
        if taken is None:
            manifest = without_import(manifest, number)
        else:
            manifest = with_import(old, manifest, taken, self._segments)
        self._commit(manifest)

    # -- changing the facts ----------------------------------------------------------------------

    @changing
    def append(
        self,
        rows: Rows,
        partition_size: int = PARTITION_SIZE,
        taken: Taken | None = None,
        *,
        are_inferred: bool = False,
    ) -> Mapping[str, Counts]:
        """Add rows, or replace those with the same identifiers: all of them or, on error, none.

        Accounts must belong to customers, and transactions to accounts, that are in the store or
        among the rows. Rows that the store already has change nothing, not even a byte. After rows
        that no import has read, earlier imports cannot be taken back.

        Args:
            rows: The rows, with everything that is inferred.
            partition_size: Maximum number of customers of a partition.
            taken: The import that the rows come from, which the history keeps.
            are_inferred: Whether only inferred fields change; then imports can still be taken back.

        Returns:
            For each table the number of new, changed and unchanged rows.
        """
        old = self._manifest
        manifest, counts = append_rows(old, rows, partition_size, self._segments)
        if taken is not None:
            manifest = with_import(old, manifest, taken, self._segments)
        elif manifest != old and not are_inferred:
            manifest = without_history(manifest)
        if manifest != old:
            self._commit(manifest)
        return counts

    @changing
    def append_all(self, parts: Iterable[Rows], partition_size: int = PARTITION_SIZE) -> None:
        """Append several parts, see `append`: all of them or, on error, none."""
        manifest = self._manifest
        for rows in parts:
            manifest, _ = append_rows(manifest, rows, partition_size, self._segments)
        self._commit(without_history(manifest))

    @changing
    def add_partitions(self, parts: Iterable[Rows]) -> None:
        """Add new customers, each part as a partition; all of them or, on error, none."""
        manifest = self._manifest
        for rows in parts:
            name = f"p{len(manifest.partitions):05d}"
            content = ordered(coded(rows.tables(), self.schema))
            new = self._segments.write_partition(name, content)
            manifest = msgspec.structs.replace(
                manifest,
                partitions=(*manifest.partitions, new),
                next_sequence=manifest.next_sequence + new.transactions,
            )
        self._commit(manifest)

    @changing
    def keep_census(self, census: Census) -> None:
        """Keep a census in place of the one that is there."""
        self.place.keep_census(census)

    @changing
    def erase(self, customer_id: str) -> None:
        """Erase a customer with their accounts and transactions from all files.

        The census, to which they may have contributed, is removed: the next run takes it again.

        Raises:
            UserError: There is no such customer.
        """
        home = self._home(customer_id)
        content = self._segments.merge(home)
        accounts = content.accounts.filter(pl.col("customer") == customer_id)["id"]
        _, others = split(content, [customer_id])
        self.place.keep_census(None)
        manifest = without_customer(self._manifest, customer_id, accounts.to_list(), self._segments)
        self._replace(home, others, manifest)

    @changing
    def remove(self, customer_id: str, transactions: Collection[str]) -> int:
        """Remove transactions of a customer by identifier, and return how many were found."""
        home = self._home(customer_id)
        content = self._segments.merge(home)
        rows = content.plain_transactions()
        own = content.accounts.filter(pl.col("customer") == customer_id)["id"]
        gone = pl.col("id").is_in(list(transactions)) & pl.col("account").is_in(own.implode())
        kept = rows.filter(~gone)
        if kept.height < rows.height:
            left = Rows(content.customers, content.accounts, kept)
            self._replace(home, left, self._manifest)
        return rows.height - kept.height

    @changing
    def compact(self) -> None:
        """Merge the segments of each partition into one, with a file for each 500 customers."""
        partitions = tuple(
            p if is_in_files(p) else self._segments.compact(p) for p in self._manifest.partitions
        )
        self._commit(msgspec.structs.replace(self._manifest, partitions=partitions))

    def part_names(self) -> frozenset[str]:
        """Return the names of the beginnings of all partitions, which follow from their contents.

        A segment is not enough: if a value changes and changes back, a later segment is equal to an
        earlier one, and counts all the same.
        """
        return frozenset(name for p in self._manifest.partitions for name in _beginnings(p))

    def segment_names(self) -> frozenset[str]:
        """Return the names of the segments that the manifest names."""
        parts = {s.name for p in self._manifest.partitions for s in p.segments}
        return frozenset(parts | {s.name for s in history_segments(self._manifest)})

    @changing
    def remove_unnamed(self) -> None:
        """Remove the segments that the manifest no longer names."""
        self.place.remove(self.segment_names())

    def reload(self) -> None:
        """Read the manifest again, which another writer may have replaced."""
        self.__dict__.pop("census", None)
        self._manifest, self._version = self.place.read_manifest()

    # -- inside ----------------------------------------------------------------------------------

    def _replace(self, home: Partition, rows: Rows, manifest: Manifest) -> None:
        """Replace all rows of a partition; the former rows stay in no file."""
        content = ordered(coded(rows.tables(), self.schema))  # builds new dictionaries
        replaced = self._segments.write_partition(home.name, content)
        partitions = tuple(replaced if p.name == home.name else p for p in manifest.partitions)
        self._commit(msgspec.structs.replace(manifest, partitions=partitions))
        self.remove_unnamed()

    @property
    def _segments(self) -> Segments:
        return Segments(
            self.place, self.schema, lambda: self.place.read_manifest()[0] != self._manifest
        )

    def _commit(self, manifest: Manifest) -> None:
        """Replace the manifest, then remove segments that the change before this one left."""
        before = self.segment_names()
        self.place.replace_manifest(manifest, self._version)
        self._manifest = manifest
        self.place.remove(before | self.segment_names())


def _beginnings(partition: Partition) -> list[str]:
    """Return a name for each segment together with all before it."""
    digest = hashlib.blake2b(digest_size=8)
    names = []
    for segment in partition.segments:
        digest.update(segment.name.encode() + b"\n")
        names.append(f"{segment.name}-{digest.hexdigest()}")
    return names
