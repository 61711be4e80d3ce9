"""Rows of a partition taken apart: by customer, by partition, and by what is new."""

from collections.abc import Mapping, Sequence

import polars as pl

from tuppence.facts.coded import Coded
from tuppence.facts.rows import Counts, Rows


def split(content: Coded, customers: Sequence[str]) -> tuple[Rows, Rows]:
    """The rows of some customers, and those of all others."""
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


def distribute(frame: pl.DataFrame, table: str, parts: dict[str, dict[str, pl.DataFrame]]) -> None:
    """Put the rows of a table, with their `partition`, among the parts of each partition."""
    for (home,), part in frame.partition_by("partition", as_dict=True, include_key=False).items():
        parts.setdefault(str(home), {})[table] = part


def difference(
    frame: pl.DataFrame, had: pl.DataFrame | None, table: str
) -> tuple[pl.DataFrame, Counts]:
    """The rows that are new or other than before, and the counts.

    A changed transaction keeps its place in the order of its day.
    """
    key = ["account", "id"] if table == "transactions" else ["id"]
    if had is None:
        fresh = frame.with_columns(is_new=True) if table == "transactions" else frame
        return fresh, Counts(new=frame.height)
    values = [name for name in frame.columns if name not in {*key, "sequence"}]
    texts = [pl.col(n).cast(pl.String) for n, t in frame.schema.items() if isinstance(t, pl.Enum)]
    both = frame.with_columns(texts).join(
        had.with_columns(had_it=True), on=key, how="left", suffix=" before"
    )
    same = pl.all_horizontal(pl.col(v).eq_missing(pl.col(f"{v} before")) for v in values)
    known = pl.col("had_it").fill_null(value=False)
    both = both.with_columns(is_new=~known).filter(~known | ~same)
    new = int(both["is_new"].sum())
    count = Counts(new, both.height - new, frame.height - both.height)
    if table != "transactions":
        return both.select(frame.columns), count
    kept = pl.when("is_new").then("sequence").otherwise("sequence before").alias("sequence")
    return both.with_columns(kept).select([*frame.columns, "is_new"]), count


class Homes:
    """The partition that each customer lives in.

    Args:
        customers: The identifiers in each partition, by its name.
    """

    def __init__(self, customers: Mapping[str, pl.Series]) -> None:
        self._sizes = {name: len(held) for name, held in customers.items()}
        self._home = {customer: name for name, held in customers.items() for customer in held}

    def settle(self, customers: pl.Series, size: int) -> None:
        """Give new customers the last partition while it has room, then new ones."""
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
