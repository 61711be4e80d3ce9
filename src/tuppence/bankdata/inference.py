"""Fields inferred from transactions: merchants, categories, currencies, own transfers, refunds."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import polars as pl

from tuppence.bankdata.categories import INCOME, REFUND
from tuppence.bankdata.enrichment.corrections import corrected
from tuppence.bankdata.enrichment.enricher import Enricher
from tuppence.bankdata.incomes import incomes
from tuppence.bankdata.refunds import refunds
from tuppence.bankdata.transfers import own_transfers
from tuppence.facts.currency import currencies
from tuppence.facts.rows import Rows

_KEY: Final = ["account", "id"]


def infer_fields(incoming: Rows, stored: Rows, enricher: Enricher) -> Rows:
    """Return the rows of an import with all fields that can be inferred for them.

    Own transfers and refunds have two sides, one of which may have been imported earlier, and
    income is recognized from the third receipt on. So the result also has stored rows whose
    inferred fields change. Importing the same rows again changes nothing.

    Args:
        incoming: Imported rows of some customers.
        stored: All stored rows of the same customers.
        enricher: Finds merchants and categories, and has what people have corrected.
    """
    if incoming.transactions is None:
        return incoming
    names = incoming.transactions.columns
    texts = pl.col(pl.Enum, pl.Categorical).cast(pl.String)
    fresh = enricher.enriched(incoming.transactions.with_columns(texts))
    before = stored.transactions
    older = fresh.clear() if before is None else before.select(names).with_columns(texts)
    older = older.join(fresh, on=_KEY, how="anti")
    known = [frame for frame in (incoming.accounts, stored.accounts) if frame is not None]
    accounts = pl.concat(
        [f.select("id", "customer", "type", "name").cast(pl.String) for f in known]
    )
    accounts = accounts.unique("id", keep="first", maintain_order=True)
    fresh = corrected(fresh, accounts, enricher.corrections)
    imported, older = older, corrected(older, accounts, enricher.corrections)
    customers = [f for f in (incoming.customers, stored.customers) if f is not None]
    together = _with_foreign_currency(pl.concat([fresh, older]), accounts, customers)
    sides = own_transfers(together, accounts).with_columns(side=True)
    own = pl.col("own transfer") | pl.col("side").fill_null(value=False)
    both = together.join(sides, on=_KEY, how="left", maintain_order="left")
    both = both.with_columns(own.alias("own transfer")).drop("side")
    found = refunds(both).rename({"refunded": "found refunded"})
    both = both.join(found, on=_KEY, how="left", maintain_order="left")
    both = both.join(incomes(both, accounts), on=_KEY, how="left", maintain_order="left")
    for category, confidence in ((INCOME, "income confidence"), (REFUND, "refund confidence")):
        is_better = pl.col(confidence) > pl.col("category confidence").fill_null(0)
        both = both.with_columns(
            pl.when(is_better).then(pl.lit(category)).otherwise("category").alias("category"),
            pl.when(is_better)
            .then(confidence)
            .otherwise("category confidence")
            .alias("category confidence"),
        )
    both = both.with_columns(refunded=pl.coalesce("found refunded", "refunded")).select(names)
    both = corrected(both, accounts, enricher.corrections)  # also where it takes a category away
    fresh, later = both.head(fresh.height), both.tail(older.height)
    same = pl.all_horizontal(later[name].eq_missing(imported[name]) for name in names)
    return replace(incoming, transactions=pl.concat([fresh, later.filter(~same)]))


def _with_foreign_currency(
    transactions: pl.DataFrame, accounts: pl.DataFrame, customers: Sequence[pl.DataFrame]
) -> pl.DataFrame:
    """Set the foreign currency that the text of a card payment names beside an amount.

    An example of such a text is `CAFE DE FLORE PARIS EUR 23.50 @ 1.16`.
    """
    money = pl.concat([f.select("id", "currency").cast(pl.String) for f in customers])
    owners = accounts.select(account="id", id="customer").join(money.unique("id"), on="id")
    named = pl.coalesce(
        pl.col("text").str.extract(r"\b([A-Z]{3}) ?\d{1,9}[.,]\d\d\b"),
        pl.col("text").str.extract(r"\b\d{1,9}[.,]\d\d ?([A-Z]{3})\b"),
    )
    known = named.is_in(sorted(currencies())) & (named != pl.col("currency"))
    is_card = pl.col("type").fill_null("card") == "card"
    both = transactions.join(
        owners.select("account", "currency"), on="account", how="left", maintain_order="left"
    )
    foreign = pl.coalesce("foreign currency", pl.when(known & is_card).then(named))
    return both.with_columns(foreign.alias("foreign currency")).drop("currency")
