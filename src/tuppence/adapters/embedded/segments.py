"""Reads and writes the segments of a fact store: immutable folders of files with checksums.

In a folder, the transactions of a whole partition are in a file for each 500 customers, so that one
customer can be read without the others. At an address there is a file for each of their columns, so
that a night fetches only those that its rules read.
"""

import functools
import hashlib
import io
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import pairwise
from typing import Final

import msgspec
import numpy as np
import polars as pl

from tuppence.adapters.embedded import layout
from tuppence.adapters.embedded.locking import StoreChangedError
from tuppence.adapters.embedded.manifest import RESTORE, Partition, Segment
from tuppence.adapters.embedded.place import Place
from tuppence.errors import UserError
from tuppence.facts.coded import Coded, coded, customer_of_account, merged, ordered
from tuppence.facts.schema import Schema

CUSTOMERS_PER_FILE: Final = 500
"""Number of customers whose transactions are in one file of a partition."""


class Segments:
    """The segments of a store's facts.

    Args:
        place: The place where they are kept.
        schema: The schema of the facts.
        is_replaced: Returns whether the manifest was replaced after it had been read.
    """

    def __init__(self, place: Place, schema: Schema, is_replaced: Callable[[], bool]) -> None:
        self._place = place
        self._schema = schema
        self._is_replaced = is_replaced

    def read(
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
        wanted = [
            name
            for name in segment.checksums
            if (not only or table_of(name) == only)
            and (fields is None or _column_of(name) in {"", *fields})
        ]
        return _decode(self._files(segment, wanted), self._schema, fields)

    def find(self, partition: Partition, customer: str) -> Coded:
        """Return the content of one customer of a partition.

        Of a whole partition only the file with the customer's transactions is read.
        """
        mine = self.table(partition, "customers").filter(pl.col("id") == customer)
        accounts = self.table(partition, "accounts").filter(pl.col("customer") == customer)
        parts = [self._own(one, customer, mine, accounts) for one in partition.segments]
        return parts[0] if len(parts) == 1 else merged(parts)

    def _own(
        self, segment: Segment, customer: str, mine: pl.DataFrame, accounts: pl.DataFrame
    ) -> Coded:
        """Return a segment's transactions of a customer, beside the customer and their accounts."""
        files = [name for name in segment.checksums if table_of(name) == "transactions"]
        if any("-" in name for name in files):  # customers are in the order of their identifiers
            place = self.read(segment, "customers").customers["id"].search_sorted(customer)
            files = [_file_name(place // CUSTOMERS_PER_FILE)]
        texts = [name for name in segment.checksums if table_of(name) == "dictionaries"]
        found = [name for name in (*texts, *files) if name in segment.checksums]
        content = _decode(self._files(segment, found), self._schema)
        own, ids = set(accounts["id"]), content.dictionaries.get("account", ())
        codes = [code for code, name in enumerate(ids, 1) if name in own]
        rows = content.transactions.filter(pl.col("account").is_in(codes))
        return Coded(mine, accounts, rows, content.dictionaries)

    def _files(self, segment: Segment, names: Collection[str]) -> dict[str, bytes]:
        """Return the bytes of files of a segment, which are as they were written."""
        where = f"{self._place}/{layout.FACTS}/{segment.name}"
        try:
            files = self._place.read_files(segment, names)
        except OSError as error:
            if self._is_replaced():
                raise StoreChangedError(self._place) from None
            path = error.filename or where
            message = f"{path}: cannot be read: {error.strerror or error}"
            raise UserError("store.corrupt", message, RESTORE) from None
        for name, data in files.items():
            if (len(data), zlib.crc32(data)) != segment.checksums[name]:
                message = f"{where}/{name}: damaged: its checksum is not the one on record"
                raise UserError("store.corrupt", message, RESTORE)
        return files

    def merge(self, partition: Partition, fields: Collection[str] | None = None) -> Coded:
        """Return the content of a partition.

        Args:
            partition: The partition.
            fields: Columns of transactions to read, with those that rows are told apart and ordered
                by where there are several segments; None for all.
        """
        return merged([self.read(segment, fields=fields) for segment in partition.segments])

    def table(self, partition: Partition, table: str) -> pl.DataFrame:
        """Return the customers or accounts of a partition."""

        def of(segment: Segment) -> pl.DataFrame:
            frame: pl.DataFrame = getattr(self.read(segment, table), table)
            return frame

        frames = [
            self._place.remembered((one.name, table), functools.partial(of, one))
            for one in partition.segments
        ]
        rows: pl.DataFrame = pl.concat(frames)
        return rows.unique("id", keep="last", maintain_order=True)

    def write(self, partition: str, content: Coded) -> Segment:
        """Write a segment of a partition; equal content has an equal name.

        Args:
            partition: Name of the partition.
            content: Content of the segment.
        """
        return self._write(partition, content, [content.transactions])

    def _write(
        self, partition: str, content: Coded, transactions: Sequence[pl.DataFrame]
    ) -> Segment:
        """Write a segment with a file for each part of its transactions."""
        files = (
            _encode_columns(content) if self._place.in_columns else _encode(content, transactions)
        )
        checksums = {name: (len(data), zlib.crc32(data)) for name, data in files.items()}
        digest = hashlib.blake2b(msgspec.json.encode(checksums), digest_size=6)
        for name in sorted(files):
            digest.update(files[name])
        name = f"{partition}-{digest.hexdigest()}"
        self._place.write_files(name, files)
        return Segment(name, checksums)

    def write_partition(self, name: str, content: Coded) -> Partition:
        """Write a whole partition as one segment.

        Args:
            name: Name of the partition.
            content: Its rows, `ordered`.
        """
        heights = (content.customers.height, content.transactions.height)
        parts = _by_customers(content)
        return Partition(name, *heights, (self._write(name, content, parts),))

    def compact(self, partition: Partition) -> Partition:
        """Return a partition with its segments merged into one."""
        return self.write_partition(partition.name, ordered(self.merge(partition)))


def table_of(name: str) -> str:
    """Return the table that a file of a segment has rows of."""
    return name.partition(".")[0].partition("-")[0]


def _column_of(name: str) -> str:
    """Return the only column of transactions that a file has values or texts of, or nothing."""
    parts = name.split(".")
    return parts[1] if len(parts) > 2 else ""


def is_in_files(partition: Partition) -> bool:
    """Return whether one customer's transactions can be read without those of all others."""
    if len(partition.segments) > 1:
        return False
    are_few = partition.customers <= CUSTOMERS_PER_FILE
    return are_few or "transactions.parquet" not in partition.segments[0].checksums


def _file_name(number: int) -> str:
    return f"transactions-{number:04}.parquet"


def _by_customers(content: Coded) -> list[pl.DataFrame]:
    """Return the transactions of each 500 customers, of content that is `ordered`."""
    count = content.customers.height
    if count <= CUSTOMERS_PER_FILE:
        return [content.transactions]
    owner = customer_of_account(content)[content.transactions["account"].to_numpy()]
    edges = [*range(0, count, CUSTOMERS_PER_FILE), count]
    rows = np.searchsorted(owner, edges).tolist()
    return [content.transactions[start:stop] for start, stop in pairwise(rows)]


def _encode(content: Coded, transactions: Sequence[pl.DataFrame]) -> dict[str, bytes]:
    """Return the files for a content, with its transactions in parts: their bytes by name."""
    frames = {"customers.parquet": content.customers, "accounts.parquet": content.accounts}
    if len(transactions) == 1:
        frames["transactions.parquet"] = transactions[0]
    else:
        frames |= {_file_name(number): part for number, part in enumerate(transactions)}
    files = {"dictionaries.json": msgspec.json.encode(content.dictionaries)}
    return files | {name: _parquet(frame) for name, frame in frames.items() if frame.height}


def _encode_columns(content: Coded) -> dict[str, bytes]:
    """Return the files for a content, with one for each column of its transactions."""
    rows = content.transactions
    texts = {
        f"dictionaries.{name}.json": msgspec.json.encode({name: values})
        for name, values in content.dictionaries.items()
    }
    frames = {"customers.parquet": content.customers, "accounts.parquet": content.accounts}
    frames |= {f"transactions.{name}.parquet": rows.select(name) for name in rows.columns}
    return texts | {name: _parquet(frame) for name, frame in frames.items() if frame.height}


def _parquet(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(
        buffer,
        compression="zstd",
        compression_level=1,
        row_group_size=frame.height,  # one row group: each column is read without a copy
    )
    return buffer.getvalue()


def _decode(
    files: Mapping[str, bytes], schema: Schema, fields: Collection[str] | None = None
) -> Coded:
    """Return the content of files; a table without a file is empty.

    Args:
        files: The bytes of the files by name.
        schema: The schema of the facts.
        fields: Columns of transactions to read; None for all.
    """
    dictionaries: dict[str, list[str]] = {}
    for name, data in files.items():
        if table_of(name) == "dictionaries":
            dictionaries |= msgspec.json.decode(data, type=dict[str, list[str]])
    frames: dict[str, pl.DataFrame] = {}
    for table in ("customers", "accounts", "transactions"):
        names = [name for name in files if table_of(name) == table]
        wanted = list(fields) if table == "transactions" and fields is not None else None
        if not names:
            empty = coded({}, schema)
            if table == "transactions":
                dictionaries = {**empty.dictionaries, **dictionaries}
            frame: pl.DataFrame = getattr(empty, table)
            frames[table] = frame[
                [name for name in frame.columns if wanted is None or name in wanted]
            ]
        elif _column_of(names[0]):
            columns = [pl.read_parquet(files[name]) for name in names]
            frames[table] = pl.concat(columns, how="horizontal")
        else:
            frames[table] = pl.read_parquet([files[name] for name in sorted(names)], columns=wanted)
    return Coded(frames["customers"], frames["accounts"], frames["transactions"], dictionaries)
