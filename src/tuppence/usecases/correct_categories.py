"""Keeps people's corrections of categories, and applies them to the facts that are there."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

import polars as pl

from tuppence.bankdata.enrichment.corrections import EVERYONE, Correction, checked, corrected
from tuppence.bankdata.enrichment.enricher import Enricher
from tuppence.errors import UserError
from tuppence.facts.rows import Counts, Rows
from tuppence.usecases.undo_import import ImportedFacts, rebuilt

_AT_A_TIME: Final = 2_000
"""Number of customers whose rows are read at a time."""


class CorrectableFacts(ImportedFacts, Protocol):
    """The facts of a store."""

    def owners(self) -> pl.DataFrame:
        """Return every account: `id`, `customer`, and the customer's `currency`."""
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

    Own transfers, income and refunds depend on categories. So all transactions of a customer of
    whom one is corrected are inferred again, as far as the history has their imports.

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
    owners, enricher, changed = facts.owners(), Enricher(kept.all()), 0
    for start in range(0, len(wanted), _AT_A_TIME):
        rows = facts.rows_of(*wanted[start : start + _AT_A_TIME])
        if rows.transactions is not None:
            changed += _apply(rows.transactions, facts, owners, enricher)
    return changed


def _apply(
    transactions: pl.DataFrame, facts: CorrectableFacts, owners: pl.DataFrame, enricher: Enricher
) -> int:
    """Correct transactions of some customers, and return how many changed."""
    before = _plain(transactions)
    at_once = _changed(corrected(before, owners, enricher.corrections), before)
    accounts = at_once["account"].unique().implode()
    whose = owners.filter(pl.col("id").is_in(accounts))["customer"].unique().sort()
    if not len(whose):
        return 0
    again = rebuilt(facts, whose.to_list(), enricher, {}).transactions
    assert again is not None  # noqa: S101 - they have a transaction that is corrected
    # Rows that no import has read were not inferred again.
    different = _changed(corrected(_plain(again), owners, enricher.corrections), before)
    if different.height:
        facts.append(Rows(transactions=different), are_inferred=True)
    return different.height


def _plain(transactions: pl.DataFrame) -> pl.DataFrame:
    return transactions.with_columns(pl.col(pl.Enum, pl.Categorical).cast(pl.String))


def _changed(after: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that are not as they were; their order within a day does not change."""
    key = ["account", "id"]
    values = [name for name in before.columns if name not in {*key, "sequence"}]
    both = after.drop("sequence").join(before, on=key, suffix=" before", maintain_order="left")
    same: Any = pl.all_horizontal(pl.col(v).eq_missing(pl.col(f"{v} before")) for v in values)
    return both.filter(~same).select(before.columns)
