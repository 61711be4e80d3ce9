"""A fact store in a directory: partitions of customers, each a row of immutable segments.

    facts/manifest.json         partitions and their segments; replacing it commits a change
    facts/<segment>/            customers, accounts, transactions as Parquet, dictionaries as JSON

A partition keeps the same customers for ever, at most `partition_size` of them. An import appends a
segment to each partition it changes; rows of later segments replace those of earlier ones.
Compacting merges the segments of a partition into one. Segments that the manifest no longer names
stay until the next change of the store, so that a reader that has already started rarely has to
start again.
"""

import contextlib
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec
import polars as pl

from tuppence.adapters.embedded import layout
from tuppence.adapters.embedded.appending import append_rows
from tuppence.adapters.embedded.files import disk_errors, make_private_folder
from tuppence.adapters.embedded.locking import locked
from tuppence.adapters.embedded.manifest import (
    FORMAT,
    Manifest,
    Partition,
    is_checked,
    name_content,
    read_manifest,
    write_manifest,
)
from tuppence.adapters.embedded.partition_rows import split
from tuppence.adapters.embedded.segments import Segments
from tuppence.errors import UserError
from tuppence.facts.batch import FactBatch
from tuppence.facts.coded import batch_from, coded, ordered
from tuppence.facts.rows import Counts, Rows, columns
from tuppence.facts.schema import Schema

PARTITION_SIZE: Final = 50_000
"""Maximum number of customers of a partition."""
PART_ROWS: Final = 500_000
"""Maximum number of transactions that `parts` yields at a time."""


def is_store(root: Path) -> bool:
    """Return whether there is a store in a folder.

    Args:
        root: The folder, which may be missing.
    """
    return (root / layout.FACTS / layout.MANIFEST).exists()


class FactStore:
    """Facts in a directory. Implements the port FactSource.

    Args:
        root: The store's directory; the facts are in `facts` below it.

    Raises:
        UserError: There is no store, or its manifest is damaged.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = root / layout.FACTS
        self._manifest = self._load()

    # -- the port --------------------------------------------------------------------------------

    @property
    def schema(self) -> Schema:
        """The schema of the facts."""
        return Schema(self._manifest.attributes)

    @property
    def digest(self) -> str:
        """A digest of the present content."""
        return name_content(self._manifest)

    @property
    def is_checked(self) -> bool:
        """Whether the manifest has a checksum; that of an older store has none."""
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
        if fields is None or len(entry.segments) > 1:
            return batch_from(self._segments.merge(entry), self.schema)
        stored = columns("transactions", self.schema)
        wanted = [name for name in stored if name in {*fields, "account"}]
        return batch_from(self._segments.read(entry.segments[0], fields=wanted), self.schema)

    def find(self, customer_id: str) -> FactBatch:
        """Return the facts of one customer, with the identifiers of transactions.

        Raises:
            UserError: There is no such customer.
        """
        batch = batch_from(self._segments.merge(self._home(customer_id)), self.schema)
        index = batch.customer_ids.index(customer_id)
        return batch.slice(index, index + 1)

    def _home(self, customer_id: str) -> Partition:
        """Return the partition of a customer.

        Raises:
            UserError: There is no such customer.
        """
        for partition in self._manifest.partitions:
            if customer_id in self._segments.table(partition, "customers")["id"]:
                return partition
        message = f"{self._folder.parent}: there is no customer {customer_id}"
        raise UserError("facts.unknown-customer", message, "tuppence results lists the customers")

    def rows_of(self, *customers: str) -> Rows:
        """Return all rows of some customers.

        Raises:
            UserError: One of them does not exist.
        """
        homes = {home.name: home for home in map(self._home, customers)}
        parts = [
            split(self._segments.merge(home), customers)[0].tables() for home in homes.values()
        ]
        names = parts[0] if parts else ()
        return Rows(**{name: pl.concat(part[name] for part in parts) for name in names})

    # -- writing ---------------------------------------------------------------------------------

    @classmethod
    def create(cls, root: Path, schema: Schema) -> "FactStore":
        """Open a store; create an empty one if there is none.

        Raises:
            UserError: The store exists and its customers have other attributes.
        """
        folder = root / layout.FACTS
        with locked(root), disk_errors(folder):
            if not is_store(root):
                make_private_folder(folder)
                write_manifest(folder / layout.MANIFEST, Manifest(FORMAT, schema.attributes))
        store = cls(root)
        if schema.attributes and store.schema != schema:
            message = f"{root}: the store was created with other customer attributes"
            raise UserError("store.attributes", message, "import into a new store")
        return store

    @property
    def transaction_count(self) -> int:
        """The number of transactions in the store."""
        return sum(partition.transactions for partition in self._manifest.partitions)

    def parts(self) -> Iterator[Rows]:
        """Yield all rows in chunks; accounts and their customers precede their transactions."""
        for partition in self._manifest.partitions:
            content = self._segments.merge(partition)
            yield Rows(content.customers, content.accounts)
            for rows in content.transactions.iter_slices(PART_ROWS):
                yield Rows(transactions=replace(content, transactions=rows).plain_transactions())

    def owners(self) -> pl.DataFrame:
        """Return all accounts: `id`, `customer`, the customer's `currency`."""
        accounts = [self._segments.table(p, "accounts") for p in self._manifest.partitions]
        customers = [self._segments.table(p, "customers") for p in self._manifest.partitions]
        if not accounts:
            return pl.DataFrame(
                schema={"id": pl.String, "customer": pl.String, "currency": pl.String}
            )
        currencies = pl.concat(customers).select(customer="id", currency="currency")
        return pl.concat(accounts).select("id", "customer").join(currencies, on="customer")

    def customers(self) -> pl.DataFrame:
        """Return all customers: `id` and `currency`."""
        frames = [self._segments.table(p, "customers") for p in self._manifest.partitions]
        empty = pl.DataFrame(schema={"id": pl.String, "currency": pl.String})
        return pl.concat([empty, *(frame.select("id", "currency") for frame in frames)])

    def identifiers(self) -> Iterator[pl.Series]:
        """Every identifier of customers, accounts and transactions, some at a time."""
        for partition in self._manifest.partitions:
            yield self._segments.table(partition, "customers")["id"]
            yield self._segments.table(partition, "accounts")["id"]
            for segment in partition.segments:
                yield self._segments.read(segment, "transactions", ["id"]).transactions["id"]

    def append(self, rows: Rows, partition_size: int = PARTITION_SIZE) -> Mapping[str, Counts]:
        """Add rows, or replace those with the same identifiers: all of them or, on error, none.

        Accounts must belong to customers, and transactions to accounts, that are in the store or
        among the rows. Rows that the store already has change nothing, not even a byte.

        Returns:
            For each table the number of new, changed and unchanged rows.
        """
        with self._changing():
            manifest, counts = append_rows(self._manifest, rows, partition_size, self._segments)
            if manifest != self._manifest:
                self._commit(manifest)
            return counts

    def append_all(self, parts: Iterable[Rows], partition_size: int = PARTITION_SIZE) -> None:
        """Append several parts, see `append`: all of them or, on error, none."""
        with self._changing():
            manifest = self._manifest
            for rows in parts:
                manifest, _ = append_rows(manifest, rows, partition_size, self._segments)
            self._commit(manifest)

    def add_partitions(self, parts: Iterable[Rows]) -> None:
        """Add new customers, each part as a partition; all of them or, on error, none."""
        with self._changing():
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

    def erase(self, customer_id: str) -> None:
        """Erase a customer with their accounts and transactions from all files.

        Raises:
            UserError: There is no such customer.
        """
        with self._changing():
            home = self._home(customer_id)
            _, others = split(self._segments.merge(home), [customer_id])
            self._replace(home, others)

    def remove(self, customer_id: str, transactions: Collection[str]) -> int:
        """Remove transactions of a customer by identifier, and return how many were found."""
        with self._changing():
            home = self._home(customer_id)
            content = self._segments.merge(home)
            rows = content.plain_transactions()
            own = content.accounts.filter(pl.col("customer") == customer_id)["id"]
            gone = pl.col("id").is_in(list(transactions)) & pl.col("account").is_in(own.implode())
            kept = rows.filter(~gone)
            if kept.height < rows.height:
                self._replace(home, Rows(content.customers, content.accounts, kept))
            return rows.height - kept.height

    def compact(self) -> None:
        """Merge the segments of each partition into one."""
        with self._changing():
            partitions = tuple(
                self._segments.compact(p) if len(p.segments) > 1 else p
                for p in self._manifest.partitions
            )
            self._commit(msgspec.structs.replace(self._manifest, partitions=partitions))

    def segment_names(self) -> frozenset[str]:
        """Return the names of the segments that the manifest names."""
        return frozenset(s.name for p in self._manifest.partitions for s in p.segments)

    def remove_unnamed(self) -> None:
        """Remove the segments that the manifest no longer names."""
        with self._changing():
            self._sweep(self.segment_names())

    # -- inside ----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        """Hold the store's lock, with the present manifest loaded."""
        with locked(self._root), disk_errors(self._folder):
            self._manifest = self._load()
            yield

    def _sweep(self, kept: Collection[str]) -> None:
        """Remove all folders but those of some segments."""
        for folder in self._folder.iterdir():
            if folder.is_dir() and folder.name not in kept:
                shutil.rmtree(folder)

    def _replace(self, home: Partition, rows: Rows) -> None:
        """Replace all rows of a partition; the former rows stay in no file."""
        content = ordered(coded(rows.tables(), self.schema))  # builds new dictionaries
        replaced = self._segments.write_partition(home.name, content)
        partitions = tuple(
            replaced if p.name == home.name else p for p in self._manifest.partitions
        )
        self._commit(msgspec.structs.replace(self._manifest, partitions=partitions))
        self.remove_unnamed()

    def _load(self) -> Manifest:
        return read_manifest(self._folder / layout.MANIFEST)

    @property
    def _segments(self) -> Segments:
        return Segments(self._folder, self.schema, lambda: self._load() != self._manifest)

    def _commit(self, manifest: Manifest) -> None:
        """Replace the manifest, then remove segments that the change before this one left."""
        before = self.segment_names()
        write_manifest(self._folder / layout.MANIFEST, manifest)
        self._manifest = manifest
        self._sweep(before | self.segment_names())
