"""Finds merchants and categories of transactions from the bank's descriptions."""

import functools
import hashlib
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Any, Final, NamedTuple

import polars as pl

from tuppence.bankdata.categories import CATEGORIES, INCOMING, for_direction
from tuppence.bankdata.enrichment.brands import (
    BRANDS,
    BRANDS_ABROAD,
    KINDS,
    MERCHANTS,
    Match,
    shipped_brands,
)
from tuppence.bankdata.enrichment.corrections import Correction
from tuppence.bankdata.enrichment.descriptors import (
    PLACES,
    WORDS,
    Descriptor,
    descriptor_of,
    is_telling,
    without_town,
    words_of,
)
from tuppence.bankdata.enrichment.model import MODEL, Model, shipped_model
from tuppence.bankdata.enrichment.trades import TRADES, only_trade, trade_at_end
from tuppence.facts.rows import CERTAIN

MIN_CONFIDENCE: Final = 70
"""Minimum confidence of a category, in hundredths.

Below it there is no category, because a rule that stays silent is better than one that is wrong.
"""
_LISTS: Final = (BRANDS, BRANDS_ABROAD, KINDS, MERCHANTS, PLACES, TRADES, WORDS, MODEL)
_TYPE_CONFIDENCE: Final = 95
_UNKNOWN_NAME_CONFIDENCE: Final = 50
_CACHE_SIZE: Final = 200_000
"""Maximum number of cached findings, which take about 100 MB."""
_BY_HAND: Final = ("transfer", "standing order")
"""Types of payments that people describe in their own words."""
_NAMED: Final = ("card", "direct debit")
"""Types of payments whose descriptions begin with the payee's name."""
_PEOPLE: Final = "people"
_CALIBRATED_BY_HAND: Final = frozenset({_PEOPLE, "housing"})
"""The categories that the model may answer for payments by hand: it was calibrated on no others."""
_CASH: Final = "cash"
_BY_PAYMENT_TYPE: Final = {"cash": "cash", "fee": "bank fee", "interest": "bank fee"}
_BY_RECEIPT_TYPE: Final = {"interest": "interest", "salary": "income"}
"""Categories of receipts by type; `_BY_PAYMENT_TYPE` has those of payments."""


class Evidence(NamedTuple):
    """The fields of a transaction that a finding depends on.

    Attributes:
        text: The bank's description.
        merchant: The bank's name for the merchant.
        type: The way it was paid.
        is_payment: Whether money went out.
    """

    text: str | None
    merchant: str | None
    type: str | None
    is_payment: bool


class Finding(NamedTuple):
    """The merchant and the category found, with confidences in hundredths; None if unknown."""

    merchant: str | None
    merchant_confidence: int | None
    category: str | None
    category_confidence: int | None


class Found(NamedTuple):
    """A finding and the reason for its category, or for the lack of one."""

    finding: Finding
    reason: str


@functools.cache
def _version() -> str:
    digest = hashlib.blake2b(digest_size=4)
    for name in _LISTS:
        digest.update((files(__package__) / name).read_bytes())
    return digest.hexdigest()


class Enricher:
    """Finds merchants and categories; the same evidence always gives the same finding.

    Args:
        corrections: Corrections by people, which `infer_fields` applies afterwards.

    Attributes:
        version: Digest of the lists and the model that findings depend on.
    """

    def __init__(self, corrections: Sequence[Correction] = ()) -> None:
        self.corrections = corrections
        self._brands = shipped_brands()
        self._model: Model = shipped_model()
        self.version = _version()
        self._cached = functools.lru_cache(maxsize=_CACHE_SIZE)(self._find)

    def find(self, evidence: Evidence) -> Finding:
        """Find the merchant and the category of a transaction, as far as they are known."""
        return self._cached(evidence).finding

    def explain(self, evidence: Evidence) -> Found:
        """Find the merchant and the category of a transaction, with the reason."""
        return self._cached(evidence)

    def enriched(self, transactions: pl.DataFrame) -> pl.DataFrame:
        """Set merchants and categories that were missing or had less confidence.

        Args:
            transactions: Columns of the table of transactions, with texts as String. Fields with a
                confidence of 1 stay as they are.
        """
        evidence = pl.col("text", "merchant", "type").cast(pl.String)
        keyed = transactions.with_columns(
            evidence.name.prefix("own "), (pl.col("amount") < 0).alias("is payment")
        )
        key = ["own text", "own merchant", "own type", "is payment"]
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
        confidence = {name: pl.col(f"found {name} confidence") for name in _INFERRED}
        better = {
            # The usual name of a brand is better than the bank's spelling, even if less certain.
            "merchant": confidence["merchant"].is_not_null() & (known["merchant"] < CERTAIN),
            "category": confidence["category"] > known["category"],
        }
        return both.with_columns(
            pl.when(better[name]).then(f"found {field}").otherwise(field).alias(field)
            for name in _INFERRED
            for field in (name, f"{name} confidence")
        ).select(transactions.columns)

    def _find(self, evidence: Evidence) -> Found:
        merchant = self._merchant(evidence)
        found = list(self._categories(evidence, merchant))
        category, confidence, reason = max(
            found, key=lambda one: one[1], default=(None, 0, "there is no text")
        )
        is_certain = category is not None and confidence >= MIN_CONFIDENCE
        finding = Finding(
            merchant.name if merchant else None,
            round(100 * merchant.confidence) if merchant else None,
            category if is_certain else None,
            confidence if is_certain else None,
        )
        return Found(finding, reason)

    def _merchant(self, evidence: Evidence) -> Match | None:
        """Return the brand that the evidence names, or else a name made of the words themselves."""
        words = evidence.merchant or evidence.text
        if words is None:
            return None
        descriptor = descriptor_of(words)
        by_hand = evidence.merchant is None and evidence.type in _BY_HAND
        found = self._brands.find(descriptor, only_billers=by_hand)
        if found is not None:
            return found
        is_named = evidence.merchant is None and evidence.type in _NAMED
        name = "" if descriptor.is_path_only or not is_named else descriptor.payee()
        return Match(name.title(), _UNKNOWN_NAME_CONFIDENCE / 100, None, 0) if name else None

    def _categories(
        self, evidence: Evidence, merchant: Match | None
    ) -> Iterator[tuple[str | None, int, str]]:
        """Yield candidate categories with their confidences, in hundredths, and the reasons."""
        by_type = (_BY_PAYMENT_TYPE if evidence.is_payment else _BY_RECEIPT_TYPE).get(
            evidence.type or ""
        )
        if by_type:
            yield by_type, _TYPE_CONFIDENCE, f"the type {evidence.type}"
            return
        may_be_cash = evidence.is_payment and evidence.type not in _BY_HAND
        if may_be_cash and descriptor_of(evidence.text or "").is_withdrawal:
            yield _CASH, _TYPE_CONFIDENCE, "words of a cash machine"
            return
        is_known = merchant is not None and merchant.confidence * 100 > _UNKNOWN_NAME_CONFIDENCE
        if merchant is not None and is_known:
            # What is left of the name of a marketplace or a bank says nothing.
            confidence = round(100 * merchant.confidence * merchant.category_confidence)
            category = merchant.category and _for_direction(merchant.category, evidence)
            reason = f"the name {merchant.name}"
            yield category, confidence, reason if category else f"{reason} has no single category"
            return
        for words in filter(None, (evidence.text, evidence.merchant)):
            yield self._by_model(descriptor_of(words), evidence)

    def _by_model(self, descriptor: Descriptor, evidence: Evidence) -> tuple[str | None, int, str]:
        if descriptor.by_paypal:
            return None, 0, "a payee at PayPal who is no known brand"
        if any(word in words_of("own money") for word in descriptor.words):
            return None, 0, "words for savings, loans or the repayment of a card"
        bought = evidence.is_payment or evidence.type == "card"
        allowed = CATEGORIES - INCOMING if bought else INCOMING
        if evidence.type not in _BY_HAND:
            allowed -= {_PEOPLE}
        words = descriptor.words[descriptor.lead :]
        named = trade_at_end(without_town([word for word in words if is_telling(word)]))
        if evidence.type in _BY_HAND:
            telling = descriptor.telling(descriptor.lead, len(descriptor.words))
            only = only_trade(telling)
            named = only if only in _CALIBRATED_BY_HAND else named
        if named in allowed:
            said = _for_direction(named, evidence)
            return said, _TYPE_CONFIDENCE, f"words for {named}, and no other trade"
        if bought and evidence.type in _BY_HAND:
            allowed &= _CALIBRATED_BY_HAND
        category, confidence = self._model.category(descriptor, allowed)
        if category is None:
            return None, 0, "the words say nothing that is certain enough"
        return _for_direction(category, evidence), confidence, "the words, by the model"


_INFERRED: Final = ("merchant", "category")
_FOUND: Final[dict[str, Any]] = {
    "found merchant": pl.String,
    "found merchant confidence": pl.Int64,
    "found category": pl.String,
    "found category confidence": pl.Int64,
}


def _for_direction(category: str, evidence: Evidence) -> str | None:
    """Adjust a category to the direction of the money; money back on a card is a refund."""
    if (category in INCOMING) != evidence.is_payment:
        return category
    return for_direction(category, is_payment=False) if evidence.type == "card" else None
