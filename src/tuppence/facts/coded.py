"""Frames of rows with coded texts, the step between imported rows and a batch."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from tuppence.facts.batch import DTYPES, NULLS, Column, FactBatch, Table, row_offsets
from tuppence.facts.rows import POLARS_TYPES, columns, with_confidence
from tuppence.facts.schema import Field, FieldType, Schema

Dictionaries = Mapping[str, list[str]]
Codes = npt.NDArray[np.uint32]
MAX_CODED_IN_PYTHON: Final = 2_000
"""Number of texts up to which coding in Python is faster than a query."""


@dataclass(frozen=True, slots=True)
class Coded:
    """Tables of some customers, in which texts of transactions are coded.

    Attributes:
        customers: Customers, with texts as String.
        accounts: Accounts, with texts as String.
        transactions: Transactions, with texts as UInt32 codes: 0 for null, else 1 + index into the
            dictionary. Their identifiers stay texts.
        dictionaries: Texts of each coded column.
    """

    customers: pl.DataFrame
    accounts: pl.DataFrame
    transactions: pl.DataFrame
    dictionaries: Dictionaries

    def plain_transactions(self) -> pl.DataFrame:
        """Return the transactions with texts in place of codes."""
        texts = [
            pl.Series([None, *values], dtype=pl.String).gather(self.transactions[name]).alias(name)
            for name, values in self.dictionaries.items()
            if name in self.transactions.columns
        ]
        return self.transactions.with_columns(texts)


def coded(
    tables: Mapping[str, pl.DataFrame], schema: Schema, fields: Collection[str] | None = None
) -> Coded:
    """Encode the texts of tables; a missing table is empty.

    Args:
        tables: Tables by name, with texts as String or Enum.
        schema: Schema of the facts.
        fields: Columns of transactions to keep; None for all.
    """
    frames: dict[str, pl.DataFrame] = {}
    for table in ("customers", "accounts", "transactions"):
        types = {n: POLARS_TYPES[f.kind] for n, f in columns(table, schema).items()}
        if table == "transactions" and fields is not None:
            types = {n: kind for n, kind in types.items() if n in {*fields, "id", "sequence"}}
        frame = tables.get(table)
        frames[table] = pl.DataFrame(schema=types) if frame is None else frame.select(list(types))
    transactions, dictionaries = _encode(with_confidence(frames["transactions"]))
    return Coded(frames["customers"], frames["accounts"], transactions, dictionaries)


def _encode(frame: pl.DataFrame) -> tuple[pl.DataFrame, Dictionaries]:
    """Replace texts by codes; dictionaries are sorted, so that equal rows give equal bytes."""
    dictionaries: dict[str, list[str]] = {}
    codes: list[pl.Series] = []
    for name, kind in frame.schema.items():
        if name == "id" or not isinstance(kind, pl.String | pl.Enum):
            continue
        column = frame[name]
        if len(column) <= MAX_CODED_IN_PYTHON and isinstance(kind, pl.String):
            found, dictionaries[name] = _codes_in_python(column.to_list())
            codes.append(pl.Series(name, found))
            continue
        values = column.drop_nulls().unique().cast(pl.String).sort()
        dictionaries[name] = values.to_list()
        if isinstance(kind, pl.Enum):
            places = values.cast(kind).to_physical()
            table = np.zeros(len(kind.categories), np.uint32)
            table[places.to_numpy()] = np.arange(1, len(values) + 1, dtype=np.uint32)
            physical = column.to_physical()
            found = table[physical.fill_null(0).to_numpy()]
            found[column.is_null().to_numpy()] = 0
            codes.append(pl.Series(name, found))
        else:
            ranks = column.cast(pl.Enum(values)).to_physical().cast(pl.UInt32) + 1
            codes.append(ranks.fill_null(0).alias(name))
    return frame.with_columns(codes), dictionaries


def _codes_in_python(texts: Sequence[str | None]) -> tuple[Codes, list[str]]:
    values = sorted({text for text in texts if text is not None})
    numbers: dict[str | None, int] = {text: number for number, text in enumerate(values, 1)}
    numbers[None] = 0
    return np.array([numbers[text] for text in texts], np.uint32), values


def ordered(content: Coded) -> Coded:
    """Return the rows in the order that a batch needs."""
    customers = content.customers.sort("id")
    accounts = content.accounts.sort("customer", "id")
    owner = customer_of_account(replace(content, customers=customers, accounts=accounts))
    transactions = content.transactions
    keys = [
        pl.Series("owner", owner[transactions["account"].to_numpy()]),
        transactions["booking date"],
        transactions["sequence"],
    ]
    order = pl.DataFrame(keys).select(pl.arg_sort_by(*(key.name for key in keys))).to_series()
    return replace(
        content, customers=customers, accounts=accounts, transactions=transactions[order]
    )


def customer_of_account(content: Coded) -> "np.ndarray[Any, np.dtype[np.int32]]":
    """Return the index of the customer for each code of an account; -1 for none."""
    customers, accounts = content.customers, content.accounts
    ids = pl.DataFrame({"id": content.dictionaries["account"]}, schema={"id": pl.String})
    index = customers.select(customer="id").with_row_index("index")
    found = ids.join(accounts.select("id", "customer"), on="id", how="left", maintain_order="left")
    found = found.join(index, on="customer", how="left", maintain_order="left")
    places = found["index"].cast(pl.Int32).fill_null(-1).to_numpy()
    return np.concatenate([[-1], places]).astype(np.int32)


def merged(parts: Sequence[Coded]) -> Coded:
    """Merge tables; a later row replaces an earlier one of the same identifier."""
    if len(parts) == 1:
        return parts[0]
    customers = pl.concat([p.customers for p in parts]).unique("id", keep="last")
    accounts = pl.concat([p.accounts for p in parts]).unique("id", keep="last")
    transactions = pl.concat([p.plain_transactions() for p in parts])
    transactions = transactions.unique(["account", "id"], keep="last", maintain_order=True)
    codes, dictionaries = _encode(transactions)
    return ordered(Coded(customers, accounts, codes, dictionaries))


def batch_from(content: Coded, schema: Schema) -> FactBatch:
    """Build a batch of tables that are `ordered`."""
    customers, accounts = content.customers, content.accounts
    index = customers.select(customer="id").with_row_index("index")
    owners = accounts.select("customer").join(index, on="customer", maintain_order="left")["index"]
    owner = customer_of_account(content)
    transactions = content.transactions
    stored = columns("transactions", schema)
    return FactBatch(
        tuple(customers["id"]),
        _columns(customers, {f.name: f for f in schema.customer if not f.derived}),
        Table(
            row_offsets(owners.to_numpy(), customers.height),
            _columns(
                accounts, {n: f for n, f in columns("accounts", schema).items() if n != "customer"}
            ),
        ),
        Table(
            row_offsets(np.take(owner, transactions["account"].to_numpy()), customers.height),
            {
                name: _column(transactions[name], field, content.dictionaries.get(name))
                for name, field in stored.items()
                if name in transactions.columns and name not in {"id", "sequence"}
            },
        ),
    )


def _columns(frame: pl.DataFrame, fields: Mapping[str, Field]) -> dict[str, Column]:
    return {name: _column(frame[name], field, None) for name, field in fields.items()}


def _column(series: pl.Series, field: Field, dictionary: list[str] | None) -> Column:
    if field.name == "id":  # all values differ
        series, dictionary = (
            pl.int_range(1, len(series) + 1, dtype=pl.UInt32, eager=True),
            series.to_list(),
        )
    elif field.kind is FieldType.TEXT and dictionary is None:
        frame, dictionaries = _encode(series.alias("text").to_frame())
        series, dictionary = frame["text"], dictionaries["text"]
    if series.null_count():
        if field.kind is FieldType.BOOLEAN:
            series = series.cast(pl.UInt8)
        series = series.fill_null(NULLS[field.kind])
    values: np.ndarray[Any, Any] = series.to_numpy().astype(DTYPES[field.kind], copy=False)
    return Column(field.kind, values, (None, *(dictionary or ())), field.decimals)
