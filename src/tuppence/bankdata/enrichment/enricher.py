"""Merchants and categories for transactions, from the words that banks write."""

import functools
import hashlib
from collections.abc import Iterator
from importlib.resources import files
from typing import Any, Final, NamedTuple

import polars as pl

from tuppence.bankdata.categories import CATEGORIES, INCOMING, of_way
from tuppence.bankdata.enrichment.brands import BRANDS, KINDS, MERCHANTS, Brands, Match
from tuppence.bankdata.enrichment.descriptors import WORDS, Descriptor, descriptor_of
from tuppence.bankdata.enrichment.model import MODEL, Model, shipped_model
from tuppence.facts.rows import CERTAIN

LEAST: Final = 70
"""With less confidence, in hundredths, there is no category: a rule that is silent is better than
one that is wrong."""
MOST_OF_MODEL: Final = 85
"""No answer of the model is surer, in hundredths: see docs/reference/enrichment.md."""
_OF_CODE: Final = 95
_UNKNOWN_NAME: Final = 50
_CACHED: Final = 200_000
"""Findings that are remembered: about 100 MB."""
_BY_HAND: Final = ("transfer", "standing order")
"""Types of payments whose texts people write."""
_NAMED: Final = ("card", "direct debit")
"""Types of payments whose texts begin with the name of the other side."""
_PEOPLE: Final = "people"
_ENTRY: Final = {"cash": "cash", "fee": "bank fee", "interest": "bank fee"}
_RECEIPT: Final = {"interest": "interest", "salary": "income"}
"""Categories by type, of payments and of receipts."""


class Evidence(NamedTuple):
    """What is known of a transaction.

    Attributes:
        text: Of the bank's.
        merchant: As the bank names them.
        type: How it was paid.
        is_payment: Whether money went out.
    """

    text: str | None
    merchant: str | None
    type: str | None
    is_payment: bool


class Finding(NamedTuple):
    """What follows; confidences in hundredths, null with what they are of."""

    merchant: str | None
    merchant_confidence: int | None
    category: str | None
    category_confidence: int | None


class Enricher:
    """Finds merchants and categories; the same evidence gives the same finding."""

    def __init__(self) -> None:
        self._brands = Brands()
        self._model: Model = shipped_model()
        digest = hashlib.blake2b(digest_size=4)
        for name in (BRANDS, KINDS, MERCHANTS, WORDS, MODEL):
            digest.update((files(__package__) / name).read_bytes())
        self.version = digest.hexdigest()
        """Names the lists and the model that findings rest on."""
        self._cached = functools.lru_cache(maxsize=_CACHED)(self._find)

    def find(self, evidence: Evidence) -> Finding:
        """The merchant and the category of a transaction, as far as they are known."""
        return self._cached(evidence)

    def enriched(self, transactions: pl.DataFrame) -> pl.DataFrame:
        """Transactions with their merchants and categories where they were missing or less sure.

        Args:
            transactions: With the columns of the facts' table, texts as texts. What has a
                confidence of 1 stays.
        """
        given = pl.col("text", "merchant", "type").cast(pl.String)
        keyed = transactions.with_columns(
            given.name.prefix("given "), (pl.col("amount") < 0).alias("given way")
        )
        key = ["given text", "given merchant", "given type", "given way"]
        distinct = keyed.select(key).unique(maintain_order=True)
        findings = [self.find(Evidence(*row)) for row in distinct.iter_rows()]
        found = pl.DataFrame(findings, schema=_FOUND, orient="row")
        both = keyed.join(
            pl.concat([distinct, found], how="horizontal"),
            on=key,
            how="left",
            nulls_equal=True,
            maintain_order="left",
        )
        known = {name: pl.col(f"{name} confidence").fill_null(0) for name in _INFERRED}
        found_sure = {name: pl.col(f"found {name} confidence") for name in _INFERRED}
        better = {
            # a brand's name holds over the bank's spelling of it
            "merchant": found_sure["merchant"].is_not_null() & (known["merchant"] < CERTAIN),
            "category": found_sure["category"] > known["category"],
        }
        return both.with_columns(
            pl.when(better[name]).then(f"found {field}").otherwise(field).alias(field)
            for name in _INFERRED
            for field in (name, f"{name} confidence")
        ).select(transactions.columns)

    def _find(self, evidence: Evidence) -> Finding:
        merchant = self._merchant(evidence)
        found = list(self._categories(evidence, merchant))
        category, confidence = max(found, key=lambda one: one[1], default=(None, 0))
        is_sure = category is not None and confidence >= LEAST
        return Finding(
            merchant.name if merchant else None,
            round(100 * merchant.confidence) if merchant else None,
            category if is_sure else None,
            confidence if is_sure else None,
        )

    def _merchant(self, evidence: Evidence) -> Match | None:
        """The brand that the merchant's name or the text names, or else a name from its words."""
        words = evidence.merchant or evidence.text
        if words is None:
            return None
        descriptor = descriptor_of(words)
        by_hand = evidence.merchant is None and evidence.type in _BY_HAND
        found = self._brands.find(descriptor, only_billers=by_hand)
        if found is not None:
            return found
        if evidence.merchant is None and evidence.type in _NAMED:
            name = " ".join(descriptor.telling(descriptor.lead, len(descriptor.words)))
            if name:
                return Match(name.title(), _UNKNOWN_NAME / 100, None, 0)
        return None

    def _categories(
        self, evidence: Evidence, merchant: Match | None
    ) -> Iterator[tuple[str | None, int]]:
        """Categories with their confidences, in hundredths."""
        by_type = (_ENTRY if evidence.is_payment else _RECEIPT).get(evidence.type or "")
        if by_type:
            yield by_type, _OF_CODE
            return
        if merchant is not None and merchant.category is not None:
            sure = round(100 * merchant.confidence * merchant.of_category)
            yield _for_way(merchant.category, evidence), sure
        if merchant is None or merchant.category is None:
            for words in filter(None, (evidence.text, evidence.merchant)):
                descriptor = descriptor_of(words)
                if merchant is not None and merchant.confidence * 100 > _UNKNOWN_NAME:
                    descriptor = descriptor.without(descriptor_of(merchant.name).words)
                yield self._by_model(descriptor, evidence)

    def _by_model(self, descriptor: Descriptor, evidence: Evidence) -> tuple[str | None, int]:
        bought = evidence.is_payment or evidence.type == "card"
        allowed = CATEGORIES - INCOMING if bought else INCOMING
        if evidence.type not in _BY_HAND:
            allowed -= {_PEOPLE}
        category, share = self._model.category(descriptor, allowed)
        sure = min(int(100 * share), MOST_OF_MODEL)
        return (None, 0) if category is None else (_for_way(category, evidence), sure)


_INFERRED: Final = ("merchant", "category")
_FOUND: Final[dict[str, Any]] = {
    "found merchant": pl.String,
    "found merchant confidence": pl.Int64,
    "found category": pl.String,
    "found category confidence": pl.Int64,
}


def _for_way(category: str, evidence: Evidence) -> str | None:
    """A category for the way the money went; what a card brings back is a refund."""
    if (category in INCOMING) != evidence.is_payment:
        return category
    return of_way(category, is_payment=False) if evidence.type == "card" else None
