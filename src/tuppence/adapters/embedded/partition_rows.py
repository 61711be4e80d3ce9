"""Splits rows by customer, by partition, and by whether they are new or changed."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import polars as pl

from tuppence.facts.coded import Coded, customer_of_account
from tuppence.facts.rows import Counts, Rows


def split(content: Coded, customers: Sequence[str]) -> tuple[Rows, Rows]:
    """Return the rows of some customers, and those of all others."""
    transactions = content.plain_transactions()
    own = content.accounts.filter(pl.col("customer").is_in(customers))["id"]
    is_own = {
        "customers": (content.customers, pl.col("id").is_in(customers)),
        "accounts": (content.accounts, pl.col("customer").is_in(customers)),
        "transactions": (transactions, pl.col("account").is_in(own.implode())),
    }
    mine = {name: frame.filter(own) for name, (frame, own) in is_own.items()}
    others = {name: frame.filter(~own) for name, (frame, own) in is_own.items()}
    return Rows(**mine), Rows(**others)


def by_customers(content: Coded, most: int) -> Iterator[Rows]:
    """Yield all rows of some customers at a time, at most of so many, of `ordered` content."""
    plain, ids = content.plain_transactions(), content.customers["id"]
    owner = customer_of_account(content)[content.transactions["account"].to_numpy()]
    for start in range(0, len(ids), most):
        some = ids[start : start + most]
        first, last = np.searchsorted(owner, [start, start + most]).tolist()
        accounts = content.accounts.filter(pl.col("customer").is_in(some.implode()))
        yield Rows(content.customers[start : start + most], accounts, plain[first:last])


def distribute(frame: pl.DataFrame, table: str, parts: dict[str, dict[str, pl.DataFrame]]) -> None:
    """Add the rows of a table to `parts`, by the name in their column `partition`."""
    for (name,), rows in frame.partition_by("partition", as_dict=True, include_key=False).items():
        parts.setdefault(str(name), {})[table] = rows


def difference(
    frame: pl.DataFrame, stored: pl.DataFrame | None, table: str
) -> tuple[pl.DataFrame, Counts]:
    """Return the rows that are new or changed, and the counts.

    A changed transaction keeps its position in the order of its day. Transactions get a column
    `is_new`.

    Args:
        frame: Incoming rows of a table.
        stored: Rows of the same table in the partition; None if it has none.
        table: Name of the table.
    """
    key = ["account", "id"] if table == "transactions" else ["id"]
    if stored is None:
        new_rows = frame.with_columns(is_new=True) if table == "transactions" else frame
        return new_rows, Counts(new=frame.height)
    values = [name for name in frame.columns if name not in {*key, "sequence"}]
    texts = [pl.col(n).cast(pl.String) for n, t in frame.schema.items() if isinstance(t, pl.Enum)]
    joined = frame.with_columns(texts).join(
        stored.with_columns(is_stored=True), on=key, how="left", suffix=" before"
    )
    same = pl.all_horizontal(pl.col(v).eq_missing(pl.col(f"{v} before")) for v in values)
    known = pl.col("is_stored").fill_null(value=False)
    changed = joined.with_columns(is_new=~known).filter(~known | ~same)
    new = int(changed["is_new"].sum())
    count = Counts(new, changed.height - new, frame.height - changed.height)
    if table != "transactions":
        return changed.select(frame.columns), count
    kept = pl.when("is_new").then("sequence").otherwise("sequence before").alias("sequence")
    return changed.with_columns(kept).select([*frame.columns, "is_new"]), count


class Homes:
    """Assigns each customer to a partition.

    Args:
        customers: Identifiers of the customers of each partition, by its name.
    """

    def __init__(self, customers: Mapping[str, pl.Series]) -> None:
        self._sizes = {name: len(held) for name, held in customers.items()}
        self._home = {customer: name for name, held in customers.items() for customer in held}

    def settle(self, customers: pl.Series, size: int) -> None:
        """Assign new customers to the last partition up to its size, then to new partitions."""
        names = list(self._sizes)
        for customer in customers:
            if customer in self._home:
                continue
            if not names or self._sizes[names[-1]] >= size:
                names.append(f"p{len(names):05d}")
                self._sizes[names[-1]] = 0
            self._home[customer] = names[-1]
            self._sizes[names[-1]] += 1

    def of(self, customers: pl.Series) -> pl.Series:
        """Return the partition of each customer."""
        return pl.Series([self._home[customer] for customer in customers], dtype=pl.String)
