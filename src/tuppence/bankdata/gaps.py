"""Fills the gaps of a bank's documents from the store."""

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from tuppence.facts.rows import Rows


def fill_from_store(incoming: Rows, stored: Rows) -> Rows:
    """Fill fields of accounts, and balances of transactions, that only an earlier import had.

    Banks deliver limits and balances in other documents than accounts and transactions.

    Args:
        incoming: Imported rows of one customer.
        stored: All stored rows of the same customer.
    """
    of_accounts = ("name", "opened", "credit limit")
    return replace(
        incoming,
        accounts=_filled(incoming.accounts, stored.accounts, ["id"], of_accounts),
        transactions=_filled(
            incoming.transactions, stored.transactions, ["account", "id"], ["balance"]
        ),
    )


def _filled(
    frame: pl.DataFrame | None,
    stored: pl.DataFrame | None,
    key: Sequence[str],
    names: Sequence[str],
) -> pl.DataFrame | None:
    if frame is None or stored is None:
        return frame
    types = frame.schema
    before = stored.select(
        *(pl.col(name).cast(types[name]) for name in key),
        *(pl.col(name).cast(types[name]).alias(f"stored {name}") for name in names),
    )
    both = frame.join(before, on=key, how="left", maintain_order="left")
    known = both.with_columns(pl.coalesce(name, f"stored {name}").alias(name) for name in names)
    return known.select(frame.columns)
