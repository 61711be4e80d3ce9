"""Corrections that people make to merchants and categories, which win over everything else.

A correction is about a payee: it holds for every text that has the payee's words, whatever numbers
and towns stand around them.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
import polars as pl

from tuppence.bankdata.categories import CATEGORIES, INCOMING
from tuppence.bankdata.enrichment.descriptors import descriptor_of, is_telling, without_town
from tuppence.cards import masked
from tuppence.errors import UserError
from tuppence.facts.rows import CERTAIN
from tuppence.plain_text import printable

MAX_TEXT: Final = 200
"""Maximum number of characters of a text or of a merchant's name."""
MAX_CORRECTIONS: Final = 100_000
EVERYONE: Final = ""
"""The customer of a correction that holds for all customers of a store."""
Key = tuple[str, str, bool]
"""A customer or EVERYONE, a payee, and whether it is about receipts."""


class Correction(msgspec.Struct, frozen=True, order=True, forbid_unknown_fields=True):
    """A person's correction of what is found for a payee.

    Attributes:
        text: A text that names the payee, as the bank writes it.
        category: The category; empty for none at all.
        merchant: The merchant's name; empty to leave the name as it is found.
        customer: The customer whose transactions it is about, or EVERYONE.
        received: Whether it is about receipts, whatever the category.
    """

    text: str
    category: str
    merchant: str = ""
    customer: str = EVERYONE
    received: bool = False

    @property
    def payee(self) -> str:
        """The words that a text must have for the correction to hold."""
        return payee_of(self.text)

    @property
    def is_of_receipts(self) -> bool:
        """True if it is about money that comes in."""
        return self.received or self.category in INCOMING

    @property
    def key(self) -> Key:
        """The values that at most one correction of a store has."""
        return self.customer, self.payee, self.is_of_receipts


def payee_of(text: str) -> str:
    """Return the words of a payee; a town at the end is left out if two words stay."""
    descriptor = descriptor_of(text)
    words = [word for word in descriptor.words[descriptor.lead :] if is_telling(word)]
    short = without_town(words)
    return " ".join(short if len(short) > 1 else words)


def checked(correction: Correction) -> Correction:
    """Return a correction without card numbers.

    Raises:
        UserError: It has an unknown category, no payee, or too long a text.
    """
    for what, text in (("text", correction.text), ("merchant", correction.merchant)):
        if len(text) > MAX_TEXT or printable(text) != text:
            message = f"{what}: longer than {MAX_TEXT} characters, or not plain text"
            raise UserError("enrich.text", message, "give the words that name the payee")
    if correction.category and correction.category not in CATEGORIES:
        close = difflib.get_close_matches(correction.category, sorted(CATEGORIES), 1, 0.5)
        hint = f"did you mean {close[0]}?" if close else f"one of {', '.join(sorted(CATEGORIES))}"
        message = f"{correction.category[:40]!r} is not a category"
        raise UserError("enrich.category", message, hint)
    if not correction.payee:
        message = f"{correction.text[:40]!r}: has no words that tell one payee from another"
        raise UserError("enrich.no-payee", message, "give a text with the payee's name")
    return msgspec.structs.replace(
        correction, text=masked(correction.text), merchant=masked(correction.merchant)
    )


def by_key(corrections: Iterable[Correction]) -> dict[Key, Correction]:
    """Return corrections by the values that at most one of a store has."""
    return {one.key: one for one in corrections}


def correction_for(
    text: str | None, corrections: Mapping[Key, Correction], customer: str, *, is_payment: bool
) -> Correction | None:
    """Return the correction that holds for a text; a customer's own comes before everyone's."""
    payee = payee_of(text or "")
    for whose in (customer, EVERYONE):
        if payee and (found := corrections.get((whose, payee, not is_payment))):
            return found
    return None


def corrected(
    transactions: pl.DataFrame, accounts: pl.DataFrame, corrections: Sequence[Correction]
) -> pl.DataFrame:
    """Return transactions with the categories and merchants that people have corrected.

    Args:
        transactions: Columns of the table of transactions, with texts as String.
        accounts: `id` and `customer` of their accounts.
        corrections: Corrections of a store.
    """
    if not corrections:
        return transactions
    rows = by_key(corrections)
    texts = transactions.select(pl.col("text").unique().drop_nulls()).to_series()
    payees = texts.map_elements(payee_of, return_dtype=pl.String)
    named = pl.DataFrame({"text": texts, "payee": payees})
    known = pl.DataFrame(
        [(*key, one.category or None, one.merchant or None, True) for key, one in rows.items()],
        schema=_CORRECTED,
        orient="row",
    )
    owners = accounts.select(account=pl.col("id"), customer=pl.col("customer"))
    both = transactions.join(named, on="text", how="left", maintain_order="left").join(
        owners, on="account", how="left", maintain_order="left"
    )
    both = both.with_columns(pl.lit(EVERYONE).alias("everyone"), receipt=pl.col("amount") >= 0)
    right = ["customer", "payee", "receipt"]
    for whose, suffix in (("customer", ""), ("everyone", " of all")):
        names = {name: f"{name}{suffix}" for name in ("new category", "new merchant", "is new")}
        both = both.join(
            known.rename(names), left_on=[whose, *right[1:]], right_on=right, how="left",
            maintain_order="left",
        )  # fmt: skip
    is_own, is_new = pl.col("is new").is_not_null(), pl.col("is new of all").is_not_null()
    category = pl.when(is_own).then("new category").otherwise("new category of all")
    merchant = pl.when(is_own).then("new merchant").otherwise("new merchant of all")
    is_corrected = is_own | is_new
    certain = pl.lit(CERTAIN, pl.Int64)
    return both.with_columns(
        pl.when(is_corrected).then(category).otherwise("category").alias("category"),
        pl.when(is_corrected)
        .then(pl.when(category.is_not_null()).then(certain))
        .otherwise("category confidence")
        .alias("category confidence"),
        pl.coalesce(merchant, "merchant").alias("merchant"),
        pl.when(merchant.is_not_null())
        .then(certain)
        .otherwise("merchant confidence")
        .alias("merchant confidence"),
    ).select(transactions.columns)


_CORRECTED: Final[Mapping[str, Any]] = {
    "customer": pl.String,
    "payee": pl.String,
    "receipt": pl.Boolean,
    "new category": pl.String,
    "new merchant": pl.String,
    "is new": pl.Boolean,
}
