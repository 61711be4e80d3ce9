"""Columnar facts of one or many customers.

Tables are CSR: rows of customer i are `offsets[i]` to `offsets[i + 1]`. Money is int64 minor units,
dates are int32 days since 1970-01-01, texts are codes into a dictionary, in which 0 is null.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tuppence.facts.census import Census
from tuppence.facts.schema import FieldType

NULL_MONEY: Final = int(np.iinfo(np.int64).min)
NULL_DATE: Final = int(np.iinfo(np.int32).min)
NULL_BOOLEAN: Final = 2
DTYPES: Final[Mapping[FieldType, type]] = {
    FieldType.MONEY: np.int64,
    FieldType.NUMBER: np.int64,
    FieldType.DATE: np.int32,
    FieldType.TEXT: np.uint32,
    FieldType.BOOLEAN: np.uint8,
}
NULLS: Final[Mapping[FieldType, int]] = {
    FieldType.MONEY: NULL_MONEY,
    FieldType.NUMBER: NULL_MONEY,
    FieldType.DATE: NULL_DATE,
    FieldType.TEXT: 0,
    FieldType.BOOLEAN: NULL_BOOLEAN,
}

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """Values of one field.

    Attributes:
        kind: Type of the field, which determines the dtype of `values` and the representation of
            null: see `DTYPES` and `NULLS`.
        values: One value per row.
        dictionary: The texts that the codes of a TEXT stand for; the first is None.
        decimals: Number of digits of a NUMBER after the decimal point.
    """

    kind: FieldType
    values: Array
    dictionary: tuple[str | None, ...] = (None,)
    decimals: int = 0

    def __post_init__(self) -> None:
        assert self.values.dtype == DTYPES[self.kind], (self.kind, self.values.dtype)  # noqa: S101

    def slice(self, start: int, stop: int) -> "Column":
        """Return the rows from start to stop, as a view."""
        return Column(self.kind, self.values[start:stop], self.dictionary, self.decimals)


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Rows of many customers, grouped by customer.

    Attributes:
        offsets: First row of each customer, and the number of all rows; int64.
        columns: Columns by the name of the field, all of equal length.
    """

    offsets: Array
    columns: Mapping[str, Column]

    @property
    def row_counts(self) -> Array:
        """The number of rows of each customer."""
        counts: Array = self.offsets[1:] - self.offsets[:-1]
        return counts

    def slice(self, start: int, stop: int) -> "Table":
        """Return the rows of the customers from start to stop."""
        first, last = int(self.offsets[start]), int(self.offsets[stop])
        columns = {name: column.slice(first, last) for name, column in self.columns.items()}
        return Table(self.offsets[start : stop + 1] - first, columns)


@dataclass(frozen=True, slots=True, eq=False)
class FactBatch:
    """The facts of some customers.

    Attributes:
        customer_ids: Identifiers of the customers, in ascending order.
        customers: One row per customer, by the names of the schema's stored customer fields.
        accounts: Accounts, ordered by (customer, account id).
        transactions: Transactions, ordered by (customer, booking date, sequence).
        census: Figures about everybody; None if there are none.
    """

    customer_ids: tuple[str, ...]
    customers: Mapping[str, Column]
    accounts: Table
    transactions: Table
    census: Census | None = None

    def __len__(self) -> int:
        return len(self.customer_ids)

    def account_rows(self) -> Array:
        """Return the row of the account for each code of transactions' accounts; -1 for none.

        A slice keeps the dictionaries of the whole batch, so only codes that it uses are looked up.
        """
        ids, own = self.accounts.columns["id"], self.transactions.columns["account"]
        row_of = {ids.dictionary[code]: row for row, code in enumerate(ids.values.tolist())}
        is_slice = len(own.values) < len(own.dictionary)
        codes = np.unique(own.values).tolist() if is_slice else range(len(own.dictionary))
        rows = np.full(len(own.dictionary), -1, np.int64)
        for code in codes:
            rows[code] = row_of.get(own.dictionary[code], -1)
        return rows

    def slice(self, start: int, stop: int) -> "FactBatch":
        """Return the customers from start to stop, as views."""
        return FactBatch(
            self.customer_ids[start:stop],
            {name: column.slice(start, stop) for name, column in self.customers.items()},
            self.accounts.slice(start, stop),
            self.transactions.slice(start, stop),
            self.census,
        )


def row_offsets(owners: Array, count: int) -> Array:
    """Return the first row of each customer, given each row's customer in ascending order."""
    return np.searchsorted(owners, np.arange(count + 1)).astype(np.int64)


def read_only(values: Array) -> Array:
    """Return a view that cannot be written through, so that loops are compiled once for all."""
    view = np.ascontiguousarray(values).view()
    view.flags.writeable = False
    return view
