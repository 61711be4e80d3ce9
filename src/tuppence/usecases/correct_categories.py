"""Keeps people's corrections of categories, and applies them to the facts that are there."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

import polars as pl

from tuppence.bankdata.enrichment.corrections import EVERYONE, Correction, checked, corrected
from tuppence.errors import UserError
from tuppence.facts.rows import Counts, Rows

_AT_A_TIME: Final = 500
"""Number of customers whose rows are read at a time."""


class CorrectableFacts(Protocol):
    """The facts of a store."""

    def owners(self) -> pl.DataFrame:
        """Return every account: `id`, `customer`, and the customer's `currency`."""
        ...

    def customers(self) -> pl.DataFrame:
        """Return every customer: `id` and `currency`."""
        ...

    def rows_of(self, *customers: str) -> Rows:
        """Return all rows of some customers."""
        ...

    def append(self, rows: Rows, *, are_inferred: bool) -> Mapping[str, Counts]:
        """Replace rows by those of the same identifiers; the history of imports stays."""
        ...


class KeptCorrections(Protocol):
    """The corrections of a store."""

    def all(self) -> Sequence[Correction]:
        """Return all corrections."""
        ...

    def put(self, corrections: Iterable[Correction]) -> None:
        """Keep corrections, in place of those about the same payees."""
        ...


def correct_categories(
    corrections: Sequence[Correction], facts: CorrectableFacts, kept: KeptCorrections
) -> int:
    """Keep corrections, and apply them to the transactions that are there.

    Args:
        corrections: Corrections of people.
        facts: The facts of the store.
        kept: The corrections of the store.

    Returns:
        The number of transactions that changed.

    Raises:
        UserError: A correction is wrong, or names an unknown customer; then none is kept.
    """
    given = [checked(one) for one in corrections]
    known = facts.customers()["id"].sort().to_list()
    names = frozenset(known)
    for one in given:
        if one.customer != EVERYONE and one.customer not in names:
            message = f"there is no customer {one.customer}"
            raise UserError("facts.unknown-customer", message, "tuppence results lists them")
    kept.put(given)
    named = {one.customer for one in given}
    wanted = known if EVERYONE in named else sorted(named)
    everything, owners, changed = kept.all(), facts.owners(), 0
    for start in range(0, len(wanted), _AT_A_TIME):
        rows = facts.rows_of(*wanted[start : start + _AT_A_TIME])
        if rows.transactions is not None:
            changed += _apply(rows.transactions, facts, owners, everything)
    return changed


def _apply(
    transactions: pl.DataFrame,
    facts: CorrectableFacts,
    owners: pl.DataFrame,
    corrections: Sequence[Correction],
) -> int:
    before = transactions.with_columns(pl.col(pl.Enum, pl.Categorical).cast(pl.String))
    after = corrected(before, owners, corrections)
    same: Any = pl.all_horizontal(after[name].eq_missing(before[name]) for name in before.columns)
    different = after.filter(~same)
    if different.height:
        facts.append(Rows(transactions=different), are_inferred=True)
    return different.height
