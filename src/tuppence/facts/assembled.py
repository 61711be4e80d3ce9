"""Builds a batch of tables whose rows are in any order, without a dataframe library.

It serves batches of few customers, as requests and the relay bring them.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from tuppence.facts.batch import DTYPES, NULLS, Array, Column, FactBatch, Table, row_offsets
from tuppence.facts.rows import CERTAIN
from tuppence.facts.schema import Field, FieldType

Columns = Mapping[str, Column]
_CONFIDENT: Final = ("category", "merchant")
"""Fields of transactions that have a confidence."""


def assembled(customers: Columns, accounts: Columns, transactions: Columns) -> FactBatch:
    """Build a batch.

    Args:
        customers: Their `id`, which is unique, and their fields.
        accounts: Their `id`, which is unique, `customer`, which is the id of one, and their fields.
        transactions: Their fields, of which `account` is the id of one, and `sequence`, which
            orders those of a day; without it they are in their order.
    """
    names = _texts(customers["id"])
    by_name = sorted(range(len(names)), key=names.__getitem__)
    place_of = {names[row]: place for place, row in enumerate(by_name)}
    owners = [place_of[owner] for owner in _texts(accounts["customer"])]
    ids = _texts(accounts["id"])
    by_owner = sorted(range(len(ids)), key=lambda row: (owners[row], ids[row]))
    owner_of = dict(zip(ids, owners, strict=True))
    own = transactions["account"]
    owner_of_code = np.array([-1, *(owner_of[name or ""] for name in own.dictionary[1:])], np.int64)
    owner = owner_of_code[own.values]
    order = _order(transactions, owner)
    sorted_ids = [ids[row] for row in by_owner]
    account_columns = _taken(accounts, by_owner)
    del account_columns["customer"]
    account_columns["id"] = Column(
        FieldType.TEXT, np.arange(1, len(ids) + 1, dtype=np.uint32), (None, *sorted_ids)
    )
    customer_columns = _taken(customers, by_name)
    del customer_columns["id"]
    rows = _confident(_taken(transactions, order))
    rows.pop("sequence", None)
    return FactBatch(
        tuple(names[row] for row in by_name),
        customer_columns,
        Table(row_offsets(np.array(owners, np.int64)[by_owner], len(names)), account_columns),
        Table(row_offsets(owner[order], len(names)), rows),
    )


def _order(transactions: Columns, owner: Array) -> Any:
    """Return the order of transactions by owner and day, a slice where they are in it."""
    days = transactions["booking date"].values
    sequence = [transactions["sequence"].values] if "sequence" in transactions else []
    if not sequence:
        key = (owner << 32) + days
        if (key[1:] >= key[:-1]).all():
            return slice(None)  # the usual case of requests: nothing has to be sorted
    order = np.lexsort((*sequence, days, owner))
    return slice(None) if (order[1:] > order[:-1]).all() else order


def text_column(values: Iterable[str | None], count: int, decimals: int = 0) -> Column:
    """Return texts, so many of them, as a column; codes are in the order of first use."""
    numbers: defaultdict[str | None, int] = defaultdict(itertools.count(1).__next__)
    numbers[None] = 0
    codes = np.fromiter(map(numbers.__getitem__, values), np.uint32, count)
    return Column(FieldType.TEXT, codes, tuple(numbers), decimals)


def column_of(values: Sequence[Any], field: Field) -> Column:
    """Return values in the units of a batch as a column; None is null."""
    return joined_column([values], len(values), field)


def joined_column(parts: Sequence[Sequence[Any]], count: int, field: Field) -> Column:
    """Return the values of several lists, so many of them, as a column; None is null."""
    values = itertools.chain.from_iterable(parts)
    if field.kind is FieldType.TEXT:
        return text_column(values, count, field.decimals)
    null, kind = NULLS[field.kind], DTYPES[field.kind]
    try:
        column: Array = np.fromiter(values, kind, count)
    except TypeError:  # some are null
        known = itertools.chain.from_iterable(parts)
        column = np.fromiter((null if one is None else one for one in known), kind, count)
    return Column(field.kind, column, decimals=field.decimals)


def null_column(field: Field, count: int) -> Column:
    """Return a column of nulls."""
    values: Array = np.full(count, NULLS[field.kind], DTYPES[field.kind])
    return Column(field.kind, values, decimals=field.decimals)


def _texts(column: Column) -> list[str]:
    dictionary = column.dictionary
    return [dictionary[code] or "" for code in column.values.tolist()]


def _taken(columns: Columns, order: Any) -> dict[str, Column]:
    """Return the columns with their rows in an order."""
    return {
        name: Column(one.kind, one.values[order], one.dictionary, one.decimals)
        for name, one in columns.items()
    }


def _confident(transactions: dict[str, Column]) -> dict[str, Column]:
    """Set the confidence of categories and merchants that have none to certain.

    Without a category or a merchant it is null.
    """
    for name in _CONFIDENT:
        column, confidence = transactions.get(name), transactions.get(f"{name} confidence")
        if column is None or confidence is None:
            continue
        null = NULLS[confidence.kind]
        known = np.where(confidence.values == null, CERTAIN, confidence.values)
        values: Array = np.where(column.values == NULLS[FieldType.TEXT], null, known)
        transactions[f"{name} confidence"] = Column(
            confidence.kind, values, confidence.dictionary, confidence.decimals
        )
    return transactions
