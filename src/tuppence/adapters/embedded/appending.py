"""Appends rows to a fact store: computes what is new, and writes it as segments."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import polars as pl

from tuppence.adapters.embedded.manifest import Manifest, Partition
from tuppence.adapters.embedded.partition_rows import Homes, difference, distribute, split
from tuppence.adapters.embedded.segments import Segments
from tuppence.facts.coded import Coded, coded, ordered
from tuppence.facts.rows import Counts, Rows
from tuppence.facts.schema import Schema

MAX_SEGMENTS: Final = 8
"""Maximum number of segments of a partition; with one more it is compacted."""


def append_rows(
    old: Manifest, rows: Rows, partition_size: int, segments: Segments
) -> tuple[Manifest, Mapping[str, Counts]]:
    """Return a manifest with rows added to an old one, and for each table their counts.

    Args:
        old: The manifest before, which stays in force until the caller commits the new one.
        rows: The rows, which replace those of the same identifiers.
        partition_size: Maximum number of customers of a partition.
        segments: The segments of the store; new ones are written there.
    """
    counts: dict[str, Counts] = {}
    parts = _by_partition(old, rows, partition_size, segments)
    partitions = {partition.name: partition for partition in old.partitions}
    sequence = old.next_sequence
    for name in sorted(parts):
        partition = partitions.get(name, Partition(name, 0, 0, ()))
        changes: dict[str, pl.DataFrame] = {}
        new: dict[str, int] = {}
        for table, frame in parts[name].items():
            stored = _stored(partition, table, segments) if partition.segments else None
            changed, count = difference(frame, stored, table)
            counts[table] = counts.get(table, Counts()) + count
            new[table] = count.new
            if changed.height:
                changes[table] = changed
        if not changes:
            continue
        if "transactions" in changes:
            shifted = pl.col("sequence") + pl.when("is_new").then(sequence).otherwise(0)
            numbered = changes["transactions"].with_columns(shifted).drop("is_new")
            changes["transactions"] = numbered
        content = coded(changes, Schema(old.attributes))
        partitions[name] = _with_segment(partition, content, new, segments)
    if tuple(partitions.values()) == old.partitions:
        return old, counts
    if rows.transactions is not None:
        sequence += rows.transactions.select(pl.max("sequence").fill_null(0)).item() + 1
    appended = msgspec.structs.replace(
        old, partitions=tuple(partitions.values()), next_sequence=sequence
    )
    return appended, counts


def replace_customers(
    old: Manifest, customers: Sequence[str], rows: Rows, partition_size: int, segments: Segments
) -> Manifest:
    """Return a manifest in which some customers have these rows and no others.

    Args:
        old: The manifest before.
        customers: The customers; those without rows are gone.
        rows: All their rows.
        partition_size: Maximum number of customers of a partition.
        segments: The segments of the store; new ones are written there.
    """
    schema = Schema(old.attributes)
    partitions: list[Partition] = []
    left = coded(rows.tables(), schema)
    for partition in old.partitions:
        held = {*customers} & {*segments.table(partition, "customers")["id"]}
        if not held:
            partitions.append(partition)
            continue
        _, others = split(segments.merge(partition), sorted(held))
        own, rest = split(left, sorted(held))
        left = coded(rest.tables(), schema)
        both = zip(others.tables().items(), own.tables().values(), strict=True)
        tables = {name: pl.concat([other, mine]) for (name, other), mine in both}
        partitions.append(segments.write_partition(partition.name, ordered(coded(tables, schema))))
    replaced = msgspec.structs.replace(old, partitions=tuple(partitions), next_sequence=0)
    new, _ = append_rows(replaced, _plain(left), partition_size, segments)
    return msgspec.structs.replace(new, next_sequence=old.next_sequence)


def _plain(content: Coded) -> Rows:
    return Rows(content.customers, content.accounts, content.plain_transactions())


def _by_partition(
    old: Manifest, rows: Rows, partition_size: int, segments: Segments
) -> dict[str, dict[str, pl.DataFrame]]:
    """Return the rows of each partition by table; new customers are assigned to partitions."""
    homes = Homes({p.name: segments.table(p, "customers")["id"] for p in old.partitions})
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
        of_account = _account_homes(old, accounts, segments)
        distribute(rows.transactions.join(of_account, on="account"), "transactions", parts)
    return parts


def _account_homes(
    old: Manifest, incoming: pl.DataFrame | None, segments: Segments
) -> pl.DataFrame:
    """Return the partition of each account, stored or incoming."""
    frames = [
        segments.table(p, "accounts").select(account="id", partition=pl.lit(p.name))
        for p in old.partitions
    ]
    if incoming is not None:
        frames.insert(0, incoming.select("partition", account="id").select("account", "partition"))
    return pl.concat(frames).unique("account", keep="first")


def _stored(partition: Partition, table: str, segments: Segments) -> pl.DataFrame:
    """Return a table of a partition with decoded texts."""
    if table == "transactions":
        return segments.merge(partition).plain_transactions()
    return segments.table(partition, table)


def _with_segment(
    partition: Partition, content: Coded, new: Mapping[str, int], segments: Segments
) -> Partition:
    """Return a partition with rows added as a segment; compact it if it has too many.

    Args:
        partition: The partition before.
        content: The rows.
        new: For each table the number of rows that replace none.
        segments: The segments of the store.
    """
    if not partition.segments:
        return segments.write_partition(partition.name, ordered(content))
    extended = Partition(
        partition.name,
        partition.customers + new.get("customers", 0),
        partition.transactions + new.get("transactions", 0),
        (*partition.segments, segments.write(partition.name, content)),
    )
    return segments.compact(extended) if len(extended.segments) > MAX_SEGMENTS else extended
