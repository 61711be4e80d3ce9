"""Columnar facts of one or many customers.

Tables are CSR: rows of customer i are `offsets[i]` to `offsets[i + 1]`. Money is int64 minor units,
dates are int32 days since 1970-01-01, texts are codes into a dictionary, in which 0 is null.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tuppence.facts.schema import Kind

NULL_MONEY: Final = int(np.iinfo(np.int64).min)
NULL_DATE: Final = int(np.iinfo(np.int32).min)
NULL_BOOLEAN: Final = 2
DTYPES: Final[Mapping[Kind, type]] = {
    Kind.MONEY: np.int64,
    Kind.NUMBER: np.int64,
    Kind.DATE: np.int32,
    Kind.TEXT: np.uint32,
    Kind.BOOLEAN: np.uint8,
}
NULLS: Final[Mapping[Kind, int]] = {
    Kind.MONEY: NULL_MONEY,
    Kind.NUMBER: NULL_MONEY,
    Kind.DATE: NULL_DATE,
    Kind.TEXT: 0,
    Kind.BOOLEAN: NULL_BOOLEAN,
}

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """Values of one field.

    Attributes:
        kind: Decides the type of `values` and what null is: see `DTYPES` and `NULLS`.
        values: One a row.
        dictionary: What the codes of a TEXT mean; the first entry is None.
        decimals: How many digits of a NUMBER stand after the point.
    """

    kind: Kind
    values: Array
    dictionary: tuple[str | None, ...] = (None,)
    decimals: int = 0

    def __post_init__(self) -> None:
        assert self.values.dtype == DTYPES[self.kind], (self.kind, self.values.dtype)  # noqa: S101

    def slice(self, start: int, stop: int) -> "Column":
        """The rows from start to stop, as a view."""
        return Column(self.kind, self.values[start:stop], self.dictionary, self.decimals)


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Rows of many customers, those of one side by side.

    Attributes:
        offsets: int64, one more than there are customers.
        columns: By the name of the field, all equally long.
    """

    offsets: Array
    columns: Mapping[str, Column]

    def slice(self, start: int, stop: int) -> "Table":
        """The rows of customers start to stop."""
        first, last = int(self.offsets[start]), int(self.offsets[stop])
        columns = {name: column.slice(first, last) for name, column in self.columns.items()}
        return Table(self.offsets[start : stop + 1] - first, columns)


@dataclass(frozen=True, slots=True, eq=False)
class FactBatch:
    """The facts of some customers.

    Attributes:
        customer_ids: In ascending order.
        customers: A row each, by the names of the schema's stored customer fields.
        accounts: Ordered by (customer, account id).
        transactions: Ordered by (customer, booking date, sequence).
    """

    customer_ids: tuple[str, ...]
    customers: Mapping[str, Column]
    accounts: Table
    transactions: Table

    def __len__(self) -> int:
        return len(self.customer_ids)

    def account_rows(self) -> Array:
        """For each code that transactions have for an account, its row; -1 for none.

        A slice has the dictionaries of the whole, so only the codes that it has are looked up.
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
        """Customers start to stop, as views."""
        return FactBatch(
            self.customer_ids[start:stop],
            {name: column.slice(start, stop) for name, column in self.customers.items()},
            self.accounts.slice(start, stop),
            self.transactions.slice(start, stop),
        )
