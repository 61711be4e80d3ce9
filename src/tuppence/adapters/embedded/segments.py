"""Reads and writes the segments of a fact store: immutable folders of files with checksums."""

import hashlib
import io
import zlib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import msgspec
import polars as pl

from tuppence.adapters.embedded.files import read_file, write_folder
from tuppence.adapters.embedded.locking import StoreChangedError
from tuppence.adapters.embedded.manifest import RESTORE, Partition, Segment
from tuppence.errors import UserError
from tuppence.facts.coded import Coded, coded, merged, ordered
from tuppence.facts.schema import Schema


class Segments:
    """The segments in the folder of a store's facts.

    Args:
        folder: The folder.
        schema: The schema of the facts.
        is_replaced: Returns whether the manifest was replaced after it had been read.
    """

    def __init__(self, folder: Path, schema: Schema, is_replaced: Callable[[], bool]) -> None:
        self._folder = folder
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
        folder = self._folder / segment.name
        files: dict[str, bytes] = {}
        for name, checksum in segment.checksums.items():
            if only and name != f"{only}.parquet":
                continue
            try:
                data = read_file(folder / name)
            except OSError as error:
                if self._is_replaced():
                    raise StoreChangedError(self._folder.parent) from None
                message = f"{folder / name}: cannot be read: {error.strerror}"
                raise UserError("store.corrupt", message, RESTORE) from None
            if (len(data), zlib.crc32(data)) != checksum:
                message = f"{folder / name}: damaged: its checksum is not the one on record"
                raise UserError("store.corrupt", message, RESTORE)
            files[name] = data
        return _decode(files, self._schema, fields)

    def merge(self, partition: Partition) -> Coded:
        """Return the content of a partition."""
        return merged([self.read(segment) for segment in partition.segments])

    def table(self, partition: Partition, table: str) -> pl.DataFrame:
        """Return the customers or accounts of a partition."""
        frames = [getattr(self.read(segment, table), table) for segment in partition.segments]
        rows: pl.DataFrame = pl.concat(frames)
        return rows.unique("id", keep="last", maintain_order=True)

    def write(self, partition: str, content: Coded) -> Segment:
        """Write a segment of a partition; equal content has an equal name.

        Args:
            partition: Name of the partition.
            content: Content of the segment.
        """
        files = _encode(content)
        checksums = {name: (len(data), zlib.crc32(data)) for name, data in files.items()}
        digest = hashlib.blake2b(msgspec.json.encode(checksums), digest_size=6)
        for name in sorted(files):
            digest.update(files[name])
        name = f"{partition}-{digest.hexdigest()}"
        write_folder(self._folder / name, files)
        return Segment(name, checksums)

    def write_partition(self, name: str, content: Coded) -> Partition:
        """Write a whole partition as one segment.

        Args:
            name: Name of the partition.
            content: Its rows, `ordered`.
        """
        heights = (content.customers.height, content.transactions.height)
        return Partition(name, *heights, (self.write(name, content),))

    def compact(self, partition: Partition) -> Partition:
        """Return a partition with its segments merged into one."""
        return self.write_partition(partition.name, ordered(self.merge(partition)))


def _encode(content: Coded) -> dict[str, bytes]:
    """Return the files for a content: their bytes by name."""
    files = {"dictionaries.json": msgspec.json.encode(content.dictionaries)}
    for table in ("customers", "accounts", "transactions"):
        frame: pl.DataFrame = getattr(content, table)
        if frame.height:
            buffer = io.BytesIO()
            frame.write_parquet(
                buffer,
                compression="zstd",
                compression_level=1,
                row_group_size=frame.height,  # one row group: each column is read without a copy
            )
            files[f"{table}.parquet"] = buffer.getvalue()
    return files


def _decode(
    files: Mapping[str, bytes], schema: Schema, fields: Collection[str] | None = None
) -> Coded:
    """Return the content of files; a table without a file is empty.

    Args:
        files: The bytes of the files by name.
        schema: The schema of the facts.
        fields: Columns of transactions to read; None for all.
    """
    dictionaries = msgspec.json.decode(
        files.get("dictionaries.json", b"{}"), type=dict[str, list[str]]
    )
    frames: dict[str, pl.DataFrame] = {}
    for table in ("customers", "accounts", "transactions"):
        data = files.get(f"{table}.parquet")
        if data is None:
            frames[table] = getattr(coded({}, schema), table)
        else:
            wanted = list(fields) if table == "transactions" and fields is not None else None
            frames[table] = pl.read_parquet(io.BytesIO(data), columns=wanted)
    return Coded(frames["customers"], frames["accounts"], frames["transactions"], dictionaries)
