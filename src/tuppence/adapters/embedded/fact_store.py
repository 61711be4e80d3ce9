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
import hashlib
import shutil
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec
import polars as pl

from tuppence.adapters.embedded import layout
from tuppence.adapters.embedded.files import (
    disk_errors,
    make_private_folder,
    read_file,
    write_folder,
)
from tuppence.adapters.embedded.locking import StoreChangedError, locked
from tuppence.adapters.embedded.manifest import (
    FORMAT,
    RESTORE,
    Manifest,
    Partition,
    Segment,
    is_checked,
    name_content,
    read_manifest,
    write_manifest,
)
from tuppence.adapters.embedded.partition_rows import Homes, difference, distribute, split
from tuppence.adapters.embedded.segment import read_segment, segment_files
from tuppence.errors import UserError
from tuppence.facts.batch import FactBatch
from tuppence.facts.coded import Coded, batch_from, coded, merged, ordered
from tuppence.facts.rows import Counts, Rows, columns
from tuppence.facts.schema import Schema

MAX_SEGMENTS: Final = 8
"""Maximum number of segments of a partition; with one more it is compacted."""
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
            return batch_from(self._merge(entry), self.schema)
        stored = columns("transactions", self.schema)
        wanted = [name for name in stored if name in {*fields, "account"}]
        return batch_from(self._open(entry.segments[0], fields=wanted), self.schema)

    def find(self, customer_id: str) -> FactBatch:
        """Return the facts of one customer, with the identifiers of transactions.

        Raises:
            UserError: There is no such customer.
        """
        batch = batch_from(self._merge(self._home(customer_id)), self.schema)
        index = batch.customer_ids.index(customer_id)
        return batch.slice(index, index + 1)

    def _home(self, customer_id: str) -> Partition:
        """Return the partition of a customer.

        Raises:
            UserError: There is no such customer.
        """
        for partition in self._manifest.partitions:
            if customer_id in self._table(partition, "customers")["id"]:
                return partition
        message = f"{self._folder.parent}: there is no customer {customer_id}"
        raise UserError("facts.unknown-customer", message, "tuppence results lists the customers")

    def rows_of(self, *customers: str) -> Rows:
        """Return all rows of some customers.

        Raises:
            UserError: One of them does not exist.
        """
        homes = {home.name: home for home in map(self._home, customers)}
        parts = [split(self._merge(home), customers)[0].tables() for home in homes.values()]
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
            content = self._merge(partition)
            yield Rows(content.customers, content.accounts)
            for rows in content.transactions.iter_slices(PART_ROWS):
                yield Rows(transactions=replace(content, transactions=rows).plain_transactions())

    def owners(self) -> pl.DataFrame:
        """Return all accounts: `id`, `customer`, the customer's `currency`."""
        accounts = [self._table(p, "accounts") for p in self._manifest.partitions]
        customers = [self._table(p, "customers") for p in self._manifest.partitions]
        if not accounts:
            return pl.DataFrame(
                schema={"id": pl.String, "customer": pl.String, "currency": pl.String}
            )
        currencies = pl.concat(customers).select(customer="id", currency="currency")
        return pl.concat(accounts).select("id", "customer").join(currencies, on="customer")

    def customers(self) -> pl.DataFrame:
        """Return all customers: `id` and `currency`."""
        frames = [self._table(p, "customers") for p in self._manifest.partitions]
        empty = pl.DataFrame(schema={"id": pl.String, "currency": pl.String})
        return pl.concat([empty, *(frame.select("id", "currency") for frame in frames)])

    def identifiers(self) -> Iterator[pl.Series]:
        """Every identifier of customers, accounts and transactions, some at a time."""
        for partition in self._manifest.partitions:
            yield self._table(partition, "customers")["id"]
            yield self._table(partition, "accounts")["id"]
            for segment in partition.segments:
                yield self._open(segment, "transactions", ["id"]).transactions["id"]

    def append(self, rows: Rows, partition_size: int = PARTITION_SIZE) -> Mapping[str, Counts]:
        """Add rows, or replace those with the same identifiers: all of them or, on error, none.

        Accounts must belong to customers, and transactions to accounts, that are in the store or
        among the rows. Rows that the store already has change nothing, not even a byte.

        Returns:
            For each table the number of new, changed and unchanged rows.
        """
        with self._changing():
            manifest, counts = self._appended(self._manifest, rows, partition_size)
            if manifest != self._manifest:
                self._commit(manifest)
            return counts

    def append_all(self, parts: Iterable[Rows], partition_size: int = PARTITION_SIZE) -> None:
        """Append several parts, see `append`: all of them or, on error, none."""
        with self._changing():
            manifest = self._manifest
            for rows in parts:
                manifest, _ = self._appended(manifest, rows, partition_size)
            self._commit(manifest)

    def add_partitions(self, parts: Iterable[Rows]) -> None:
        """Add new customers, each part as a partition; all of them or, on error, none."""
        with self._changing():
            manifest = self._manifest
            for rows in parts:
                name = f"p{len(manifest.partitions):05d}"
                content = ordered(coded(rows.tables(), self.schema))
                heights = (content.customers.height, content.transactions.height)
                new = Partition(name, *heights, (self._write(name, content),))
                manifest = msgspec.structs.replace(
                    manifest,
                    partitions=(*manifest.partitions, new),
                    next_sequence=manifest.next_sequence + heights[1],
                )
            self._commit(manifest)

    def erase(self, customer_id: str) -> None:
        """Erase a customer with their accounts and transactions from all files.

        Raises:
            UserError: There is no such customer.
        """
        with self._changing():
            home = self._home(customer_id)
            _, others = split(self._merge(home), [customer_id])
            self._replace(home, others)

    def remove(self, customer_id: str, transactions: Collection[str]) -> int:
        """Remove transactions of a customer by identifier, and return how many were found."""
        with self._changing():
            home = self._home(customer_id)
            content = self._merge(home)
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
                self._compacted(p) if len(p.segments) > 1 else p for p in self._manifest.partitions
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
        heights = (content.customers.height, content.transactions.height)
        replaced = Partition(home.name, *heights, (self._write(home.name, content),))
        partitions = tuple(
            replaced if p.name == home.name else p for p in self._manifest.partitions
        )
        self._commit(msgspec.structs.replace(self._manifest, partitions=partitions))
        self.remove_unnamed()

    def _load(self) -> Manifest:
        return read_manifest(self._folder / layout.MANIFEST)

    def _appended(
        self, old: Manifest, rows: Rows, partition_size: int
    ) -> tuple[Manifest, Mapping[str, Counts]]:
        """Return a manifest with rows added to an old one, and for each table their counts."""
        counts: dict[str, Counts] = {}
        homes = Homes({p.name: self._table(p, "customers")["id"] for p in old.partitions})
        parts: dict[str, dict[str, pl.DataFrame]] = {}
        if rows.customers is not None:
            homes.settle(rows.customers["id"], partition_size)
            with_home = rows.customers.with_columns(partition=homes.of(rows.customers["id"]))
            distribute(with_home, "customers", parts)
        accounts = None
        if rows.accounts is not None:
            accounts = rows.accounts.with_columns(partition=homes.of(rows.accounts["customer"]))
            distribute(accounts, "accounts", parts)
        if rows.transactions is not None:
            of_account = self._account_homes(old, accounts)
            distribute(rows.transactions.join(of_account, on="account"), "transactions", parts)
        partitions = list(old.partitions)
        sequence = old.next_sequence
        for name in sorted(parts):
            index = next((i for i, p in enumerate(partitions) if p.name == name), None)
            partition = Partition(name, 0, 0, ()) if index is None else partitions[index]
            changes = self._changed_rows(partition, parts[name], counts)
            if not changes:
                continue
            if "transactions" in changes:
                shifted = pl.col("sequence") + pl.when("is_new").then(sequence).otherwise(0)
                numbered = changes["transactions"].with_columns(shifted).drop("is_new")
                changes["transactions"] = numbered
            partition = self._with_segment(partition, changes)
            if index is None:
                partitions.append(partition)
            else:
                partitions[index] = partition
        if partitions == list(old.partitions):
            return old, counts
        if rows.transactions is not None:
            sequence += rows.transactions.select(pl.max("sequence").fill_null(0)).item() + 1
        return msgspec.structs.replace(
            old, partitions=tuple(partitions), next_sequence=sequence
        ), counts

    def _account_homes(self, old: Manifest, incoming: pl.DataFrame | None) -> pl.DataFrame:
        frames = [
            self._table(p, "accounts").select(account="id", partition=pl.lit(p.name))
            for p in old.partitions
        ]
        if incoming is not None:
            frames.insert(
                0, incoming.select("partition", account="id").select("account", "partition")
            )
        return pl.concat(frames).unique("account", keep="first")

    def _changed_rows(
        self, partition: Partition, parts: dict[str, pl.DataFrame], counts: dict[str, Counts]
    ) -> dict[str, pl.DataFrame]:
        """Return the rows that are new to a partition or differ from its rows; update counts."""
        changes: dict[str, pl.DataFrame] = {}
        for table, frame in parts.items():
            stored = self._plain(partition, table) if partition.segments else None
            changed, count = difference(frame, stored, table)
            before = counts.get(table, Counts())
            counts[table] = Counts(
                before.new + count.new,
                before.changed + count.changed,
                before.unchanged + count.unchanged,
            )
            if changed.height:
                changes[table] = changed
        return changes

    def _with_segment(self, partition: Partition, rows: dict[str, pl.DataFrame]) -> Partition:
        """Return a partition with rows added as a segment; compact it if it has too many."""
        content = coded(rows, self.schema)
        if not partition.segments:
            content = ordered(content)
        extended = msgspec.structs.replace(
            partition, segments=(*partition.segments, self._write(partition.name, content))
        )
        if len(extended.segments) > MAX_SEGMENTS:
            return self._compacted(extended)
        merged_content = content if not partition.segments else self._merge(extended)
        return msgspec.structs.replace(
            extended,
            customers=merged_content.customers.height,
            transactions=merged_content.transactions.height,
        )

    def _compacted(self, partition: Partition) -> Partition:
        content = ordered(self._merge(partition))
        return Partition(
            partition.name,
            content.customers.height,
            content.transactions.height,
            (self._write(partition.name, content),),
        )

    def _write(self, partition: str, content: Coded) -> Segment:
        files = segment_files(content)
        checksums = {name: (len(data), zlib.crc32(data)) for name, data in files.items()}
        digest = hashlib.blake2b(msgspec.json.encode(checksums), digest_size=6)
        for name in sorted(files):
            digest.update(files[name])
        name = f"{partition}-{digest.hexdigest()}"
        write_folder(self._folder / name, files)
        return Segment(name, checksums)

    def _commit(self, manifest: Manifest) -> None:
        """Replace the manifest, then remove segments that the change before this one left."""
        before = self.segment_names()
        write_manifest(self._folder / layout.MANIFEST, manifest)
        self._manifest = manifest
        self._sweep(before | self.segment_names())

    def _open(
        self, segment: Segment, only: str = "", fields: Collection[str] | None = None
    ) -> Coded:
        """Return the content of a segment.

        Args:
            segment: The segment.
            only: Name of the only table to read; empty for all.
            fields: Columns of transactions to read; None for all.

        Raises:
            StoreChangedError: A file is gone because the store was changed meanwhile.
            UserError: A file is damaged or cannot be read.
        """
        folder = self._folder / segment.name
        files: dict[str, bytes] = {}
        for name, checksum in segment.checksums.items():
            if only and name != f"{only}.parquet":
                continue
            try:
                data = read_file(folder / name)
            except OSError as error:
                if self._load() != self._manifest:
                    raise StoreChangedError(self._root) from None
                message = f"{folder / name}: cannot be read: {error.strerror}"
                raise UserError("store.corrupt", message, RESTORE) from None
            if (len(data), zlib.crc32(data)) != checksum:
                message = f"{folder / name}: damaged: its checksum is not the one on record"
                raise UserError("store.corrupt", message, RESTORE)
            files[name] = data
        return read_segment(files, self.schema, fields)

    def _merge(self, partition: Partition) -> Coded:
        return merged([self._open(segment) for segment in partition.segments])

    def _table(self, partition: Partition, table: str) -> pl.DataFrame:
        """Return the customers or accounts of a partition."""
        frames = [getattr(self._open(segment, table), table) for segment in partition.segments]
        rows: pl.DataFrame = pl.concat(frames)
        return rows.unique("id", keep="last", maintain_order=True)

    def _plain(self, partition: Partition, table: str) -> pl.DataFrame:
        """Return a table of a partition with decoded texts."""
        if table == "transactions":
            return self._merge(partition).plain_transactions()
        return self._table(partition, table)
