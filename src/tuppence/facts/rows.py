"""Rows on their way into a store: one frame a table, checked, in the units of the store."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from tuppence.facts.schema import ACCOUNTS, TRANSACTIONS, Field, Kind, Schema

POLARS_TYPES: Final[Mapping[Kind, pl.DataType]] = {
    Kind.MONEY: pl.Int64(),
    Kind.NUMBER: pl.Int64(),
    Kind.DATE: pl.Int32(),
    Kind.TEXT: pl.String(),
    Kind.BOOLEAN: pl.Boolean(),
}

CERTAIN: Final = 100
"""A confidence of 1, in the hundredths that the store keeps."""


OF_CUSTOMER: Final = "of customer"
OF_ACCOUNT: Final = "of account"
OWNER: Final = (OF_CUSTOMER, OF_ACCOUNT)
"""Columns of rejected rows: whose they are, as far as the import knows."""


def columns(table: str, schema: Schema) -> dict[str, Field]:
    """The stored fields of `customers`, `accounts` or `transactions`, keys first."""
    key = Field("id", Kind.TEXT, "Identifier, unique among its kind.", nullable=False)
    owner = Field("customer", Kind.TEXT, "Identifier of the owner.", nullable=False)
    order = Field("sequence", Kind.NUMBER, "Order among the transactions of a day.", nullable=False)
    fields = {
        "customers": (key, *schema.customer),
        "accounts": (key, owner, *ACCOUNTS),
        "transactions": (key, order, *TRANSACTIONS),
    }[table]
    return {field.name: field for field in fields if not field.derived}


def with_confidence(transactions: pl.DataFrame) -> pl.DataFrame:
    """Transactions in which whatever says no confidence of its category or merchant is certain.

    What is given by a person, a mapping or a test is; what is inferred comes with its confidence.
    """
    filled = [
        pl.when(pl.col(name).is_not_null()).then(pl.col(sure).fill_null(CERTAIN)).alias(sure)
        for name in ("category", "merchant")
        if {name, sure := f"{name} confidence"} <= {*transactions.columns}
    ]
    return transactions.with_columns(filled)


def with_attributes(customers: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """Customers whose declared attributes came as JSON in a column `attributes`, each in its own.

    Units are those of the store; an attribute that is missing is null.
    """
    if not schema.attributes:
        return customers.drop("attributes")
    fields = [pl.Field(f.name, POLARS_TYPES[f.kind]) for f in schema.attributes]
    decoded = pl.col("attributes").str.json_decode(pl.Struct(fields)).alias("attributes")
    return customers.with_columns(decoded).unnest("attributes")


@dataclass(frozen=True, slots=True)
class Rows:
    """Frames with the columns of `columns(table, schema)`; a table without rows is None.

    Text columns are String, or Enum where the producer knows all values beforehand. Amounts are
    minor units, dates days since 1970-01-01.
    """

    customers: pl.DataFrame | None = None
    accounts: pl.DataFrame | None = None
    transactions: pl.DataFrame | None = None

    def tables(self) -> dict[str, pl.DataFrame]:
        """The tables that have rows, by name."""
        whole = {
            "customers": self.customers,
            "accounts": self.accounts,
            "transactions": self.transactions,
        }
        return {name: frame for name, frame in whole.items() if frame is not None}


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the rows of a table."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
