"""Rows to be stored: one checked frame per table, in the units of the store."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from tuppence.facts.schema import ACCOUNTS, TRANSACTIONS, Field, FieldType, Schema

POLARS_TYPES: Final[Mapping[FieldType, pl.DataType]] = {
    FieldType.MONEY: pl.Int64(),
    FieldType.NUMBER: pl.Int64(),
    FieldType.DATE: pl.Int32(),
    FieldType.TEXT: pl.String(),
    FieldType.BOOLEAN: pl.Boolean(),
}

CERTAIN: Final = 100
"""A confidence of 1, in the hundredths of the store."""


OF_CUSTOMER: Final = "of customer"
OF_ACCOUNT: Final = "of account"
OWNER: Final = (OF_CUSTOMER, OF_ACCOUNT)
"""Columns of rejects with the customer and the account, as far as they are known."""


def columns(table: str, schema: Schema) -> dict[str, Field]:
    """Return the stored fields of `customers`, `accounts` or `transactions`, keys first."""
    key = Field("id", FieldType.TEXT, "Identifier, unique among its kind.", nullable=False)
    owner = Field("customer", FieldType.TEXT, "Identifier of the owner.", nullable=False)
    order = Field(
        "sequence", FieldType.NUMBER, "Order among the transactions of a day.", nullable=False
    )
    fields = {
        "customers": (key, *schema.customer),
        "accounts": (key, owner, *ACCOUNTS),
        "transactions": (key, order, *TRANSACTIONS),
    }[table]
    return {field.name: field for field in fields if not field.derived}


def with_confidence(transactions: pl.DataFrame) -> pl.DataFrame:
    """Set the confidence of categories and merchants that have none to certain.

    Inferred ones always have a confidence; those without one come from a person, a mapping or a
    test.
    """
    filled = [
        pl.when(pl.col(name).is_not_null())
        .then(pl.col(confidence).fill_null(CERTAIN))
        .alias(confidence)
        for name in ("category", "merchant")
        if {name, confidence := f"{name} confidence"} <= {*transactions.columns}
    ]
    return transactions.with_columns(filled)


def with_attributes(customers: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """Expand the column `attributes`, which is JSON, to one column for each declared attribute.

    Units are those of the store; a missing attribute is null.
    """
    if not schema.attributes:
        return customers.drop("attributes")
    fields = [pl.Field(f.name, POLARS_TYPES[f.kind]) for f in schema.attributes]
    decoded = pl.col("attributes").str.json_decode(pl.Struct(fields)).alias("attributes")
    return customers.with_columns(decoded).unnest("attributes")


@dataclass(frozen=True, slots=True)
class Rows:
    """Frames with the columns of `columns(table, schema)`; a table without rows is None.

    Text columns are String, or Enum if the producer knows all values beforehand. Amounts are in
    minor units, dates are days since 1970-01-01.
    """

    customers: pl.DataFrame | None = None
    accounts: pl.DataFrame | None = None
    transactions: pl.DataFrame | None = None

    def tables(self) -> dict[str, pl.DataFrame]:
        """Return the tables that are not None, by name."""
        whole = {
            "customers": self.customers,
            "accounts": self.accounts,
            "transactions": self.transactions,
        }
        return {name: frame for name, frame in whole.items() if frame is not None}


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of a table's rows that an import added, changed or left unchanged."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        """Return the sum, number by number."""
        return Counts(
            self.new + other.new, self.changed + other.changed, self.unchanged + other.unchanged
        )
