"""Streams, which are recurring payments and income, for whole batches.

    payments -> groups -> chains -> streams -> a table

docs/explanation/streams.md has the exact rules, `streams_reference` follows them in plain Python.
"""

from typing import Any, Final, NamedTuple

import numpy as np

from tuppence.compiled import loop
from tuppence.derived.chains import room_for_chains
from tuppence.derived.groups import chunks, group_payments, room_for_groups, rows_of
from tuppence.derived.linking import find_chains
from tuppence.derived.measures import (
    COLUMNS,
    DAYS,
    KINDS,
    NAMES,
    STATES,
    STOPPED,
    Measures,
    measure,
)
from tuppence.derived.peers import rises_of_many
from tuppence.facts.batch import (
    DTYPES,
    Array,
    Column,
    FactBatch,
    Table,
    read_only,
    row_offsets,
)
from tuppence.facts.schema import STREAMS, FieldType
from tuppence.feel.values import Date

MAX_BEFORE: Final = 64
"""Number of streams before each one among which a duplicate is looked for."""


class FoundStreams(NamedTuple):
    """Streams of a batch.

    Attributes:
        table: The fields of `STREAMS`; those of a customer by first date, payee and amount.
        days: Days of the cadence of each stream.
        of_row: Stream of each transaction of the batch, by its row in the table; -1 for none.
    """

    table: Table
    days: Array
    of_row: Array


def find_streams(batch: FactBatch, as_of: Date) -> FoundStreams:
    """Find the streams of every customer of a batch, in the transactions booked until a date.

    Streams that are equal in first date, payee and amount are ordered by their first payments, so
    that the order does not depend on other customers of the batch.

    Args:
        batch: Transactions with `FIELDS`.
        as_of: The date; later transactions are ignored.
    """
    rows, payees = rows_of(batch)
    groups = room_for_groups(rows.offsets)
    chains = room_for_chains(groups)
    most = len(groups.rows)
    room = Measures(
        streams=np.zeros((most // 2 + 1, len(COLUMNS)), np.int64),
        payments=np.zeros(most, np.int32),
        sizes=np.zeros(most, np.int64),
        gaps=np.zeros(most, np.int32),
        month_days=np.zeros(most, np.int32),
        owner=np.zeros(most, np.int32),
        counts=np.zeros(2, np.int64),
    )
    of_row = np.full(int(rows.offsets[-1]), -1, np.int32)
    categories = batch.transactions.columns["category"].values
    found = [room.streams[:0]]
    for first, last in chunks(rows.offsets):
        group_payments(rows, first, last, as_of.day, groups)
        find_chains(groups, last - first, as_of.day, chains)
        room.counts[1] = 0
        number = sum(map(len, found))
        measure(groups, chains, first, last - first, as_of.day, room, number, of_row)
        found.append(room.streams[: room.counts[1]].copy())
    streams = dict(zip(COLUMNS, np.concatenate(found).T, strict=True))
    streams["category"] = categories[streams["category"]]
    streams["rank"] = _ranks(streams["payee"], payees.names)
    order = _order(streams)
    places = np.full(len(order) + 1, -1, np.int32)
    places[order] = np.arange(len(order), dtype=np.int32)
    ordered = {name: values[order] for name, values in streams.items()}
    ordered["duplicate"] = _duplicates(ordered)
    ordered["rise of many"] = rises_of_many(
        batch, as_of, ordered["customer"], ordered["payee"], payees.names
    )
    return FoundStreams(
        _table(ordered, payees.names, batch), DAYS[ordered["cadence"]], places[of_row]
    )


def _ranks(numbers: Array, payees: tuple[str | None, ...]) -> Array:
    """Return the rank of the name of each payee, given its number, among those that are used."""
    used, place = np.unique(numbers, return_inverse=True)
    names = [payees[number] or "" for number in used.tolist()]
    rank_of = {name: rank for rank, name in enumerate(sorted(set(names)))}
    ranks: Array = np.array([rank_of[name] for name in names], np.int64)[place]
    return ranks


def _order(streams: dict[str, Array]) -> Array:
    """Return the order of streams, by customer, first date, payee, amount and first payment."""
    keys = (streams["first row"], streams["amount"], streams["rank"], streams["first date"])
    order: Array = np.lexsort((*keys, streams["customer"]))
    return order


def _duplicates(streams: dict[str, Array]) -> Array:
    """Return 1 for each stream, in order, that duplicates one before it, else 0."""
    names = ("customer", "kind", "rank", "cadence", "amount")
    found = np.zeros(len(streams["customer"]), np.uint8)
    keys = np.stack([streams[name] for name in names], axis=1)
    _find_duplicates(read_only(keys), read_only(streams["state"]), found)
    return found


@loop
def _find_duplicates(keys: Any, states: Any, out: Any) -> None:
    """Write 1 where one of the streams before has equal keys, the first of which is the customer.

    Args:
        keys: A row each stream.
        states: States of the streams; those that have stopped are no duplicates, nor have any.
        out: Holds zeros.
    """
    for stream in range(len(keys)):
        before = stream - 1
        while before >= max(stream - MAX_BEFORE, 0) and keys[before, 0] == keys[stream, 0]:
            same = states[before] != STOPPED and states[stream] != STOPPED
            for key in range(1, keys.shape[1]):
                same &= keys[before, key] == keys[stream, key]
            if same:
                out[stream] = 1
                break
            before -= 1


def _table(streams: dict[str, Array], payees: tuple[str | None, ...], batch: FactBatch) -> Table:
    columns = batch.transactions.columns
    texts: dict[str, tuple[str | None, ...]] = {
        "account": columns["account"].dictionary,
        "payee": payees,
        "category": columns["category"].dictionary,
    }
    words = {"kind": KINDS, "cadence": NAMES, "state": STATES}
    made: dict[str, Column] = {}
    for field in STREAMS:
        values = streams[field.name]
        dictionary: tuple[str | None, ...] = texts.get(field.name, (None,))
        if field.name in words:
            values, dictionary = values + 1, (None, *words[field.name])
        made[field.name] = Column(
            field.kind,
            values.astype(DTYPES[field.kind]),
            dictionary,
            0 if field.kind is FieldType.TEXT else field.decimals,
        )
    return Table(row_offsets(streams["customer"], len(batch)), made)
