"""The sources of merchants and categories, and the accuracy of the model."""

import functools
from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import NormalDist
from typing import Final, NamedTuple

from training.categories import MARGIN, PRECISION
from training.texts import held_out, statements

from tuppence.bankdata import incomes, transfers
from tuppence.bankdata.categories import CATEGORIES, INCOMING, MERCHANT_CODE_CONFIDENCE
from tuppence.bankdata.enrichment.brands import KINDS, brand_rows
from tuppence.bankdata.enrichment.descriptors import descriptor_of, table
from tuppence.bankdata.enrichment.enricher import MIN_CONFIDENCE, Enricher
from tuppence.bankdata.enrichment.model import shipped_model
from tuppence.bankdata.plaid import CONFIDENCE_LEVELS
from tuppence.bankdata.refunds import FULL_CONFIDENCE, PARTIAL_CONFIDENCE

_BINS: Final = ((95, 95), (96, 96), (97, 97), (98, 99))
"""Confidences, in hundredths, that the picture shows together."""
_LOWEST: Final = 80
"""Lowest percentage in the picture."""


class Examined(NamedTuple):
    """The model's answer for a text that it was not trained on.

    Attributes:
        truth: The text's category; empty if it is none of ours.
        answer: The model's category; empty if it gave none.
        confidence: Its confidence, in hundredths.
    """

    truth: str
    answer: str
    confidence: int

    @property
    def is_right(self) -> bool:
        """True if the answer is the text's category."""
        return self.answer == self.truth


@functools.cache
def _examination() -> Sequence[Examined]:
    model, allowed = shipped_model(), CATEGORIES - INCOMING - {"people"}
    said = ((row, model.category(descriptor_of(row.text), allowed)) for row in held_out())
    return [Examined(row.category, found or "", confidence) for row, (found, confidence) in said]


def enrichment_page() -> Iterator[str]:
    """Yield the sources of merchants and categories, and the accuracy of the model."""
    enricher = Enricher()
    brands = {name for name, _ in brand_rows()}
    levels = [level for of in shipped_model().levels.values() for _, level in of]
    income = f"{incomes.FIRST_CONFIDENCE / 100} to {incomes.MAX_CONFIDENCE / 100}"
    yield "# Merchants and categories\n"
    yield (
        "An import finds the merchant and the category of a payment, each with a confidence from 0 "
        "to 1 that rules can read: `merchant confidence` and `category confidence`. What a person "
        "or a mapping gives has a confidence of 1 and is kept, and so is what [people have "
        "corrected](../how-to/correct-categories.md). There is no category without a confidence, "
        f"and none with less than {MIN_CONFIDENCE / 100}. `tuppence enrich TEXT` shows what is "
        "found in a text, and why.\n"
    )
    yield f"Version of the lists and the model: `{enricher.version}`.\n"
    yield "| source | confidence |\n|---|---|"
    for what, sure in (
        (
            "a merchant category code that stands for one category",
            f"{MERCHANT_CODE_CONFIDENCE / 100}",
        ),
        (
            "Plaid's `HIGH` and `VERY_HIGH`",
            " and ".join(f"{n / 100}" for n in CONFIDENCE_LEVELS.values()),
        ),
        ("cash, a fee, interest or pay, by the bank's code", "0.95"),
        ("two words or more at the end for one trade, as in `AIRPORT PARKING`", "0.95"),
        ("a transfer or standing order with words for one trade only, as in `RENT`", "0.95"),
        (f"one of {len(brands):,} brands, or of the project's own list of billers", "0.77 to 0.97"),
        (
            "a refund of all of a purchase, or of a part",
            f"{FULL_CONFIDENCE / 100} or {PARTIAL_CONFIDENCE / 100}",
        ),
        ("income: three or more receipts from one payer", income),
        ("words, by the model", f"{min(levels) / 100} to {max(levels) / 100}"),
    ):
        yield f"| {what} | {sure} |"
    yield (
        "\nAll except the last were set, not measured. A merchant's name has 0.98 if nothing else "
        "is left of the text but places, numbers and words such as `STORES`, 0.97 if the rest is a "
        "word for the merchant's own trade, 0.9 if one or two other words follow, 0.85 if it was "
        "cut short, and 0.5 if it was only derived from the words of the text. A brand is refused "
        "if a word for another trade follows, as in `COSTA BRAVA APARTMENTS`. Of a marketplace, or "
        "of a payee at PayPal who is no known brand, there is no category.\n"
    )
    yield from _accuracy()
    yield from _on_statements(enricher)
    yield from _own_transfers()
    yield "## Categories by brand\n"
    yield (
        "Tags of OpenStreetMap; brands with other tags have a name and no category. Fuel comes "
        "before a shop, except at supermarkets.\n"
    )
    yield "| category | tags |\n|---|---|"
    for row in table(KINDS):
        tags = ", ".join(kind.partition("/")[2].replace("_", " ") for kind in row["kinds"].split())
        yield f"| {row['category']} | {tags} |"


def _own_transfers() -> Iterator[str]:
    """Yield the evidence for own transfers, best first, with its grade."""
    yield "## Own transfers\n"
    yield (
        f"Two bookings of opposite amounts within {transfers.MAX_DAYS} days, in two accounts of a "
        "customer, are a transfer if something else shows it. If a booking could be paired twice, "
        "the evidence of the higher grade decides. The grades were set, not measured, and [are not "
        "stored](../adr/0048-grades-of-own-transfers.md).\n"
    )
    yield "| evidence | grade |\n|---|---|"
    for what, grade in (
        (
            "a text has the number of the other account, or its last digits",
            transfers.ACCOUNT_NUMBER,
        ),
        ("a text names the other account, or its type", transfers.ACCOUNT_NAMED),
        ("both texts have a reference in common", transfers.SAME_REFERENCE),
        ("money into a credit card or a loan that is called nothing else", transfers.REPAYMENT),
        ("both texts are the same, and say more than that it is a transfer", transfers.SAME_TEXT),
        ("two transfers by the bank's type on one day, without texts", transfers.NO_TEXT),
    ):
        yield f"| {what} | {grade / 100} |"
    yield (
        "\nCard payments, cash, fees and interest are never own transfers, nor is money with a "
        "category such as rent or income.\n"
    )


def _accuracy() -> Iterator[str]:
    """Yield the accuracy of the model for brands that it was not trained on."""
    found = _examination()
    answered = [one for one in found if one.answer]
    right = sum(one.is_right for one in answered)
    yield "## How often the model is right\n"
    yield (
        f"Tested on {len(found):,} texts of brands from all over the world that it was neither "
        "trained nor calibrated on. A list of brands would recognise them, so this is the hardest "
        "case: a name such as Zizzi does not suggest pizza. If a brand has none of our categories, "
        f"any answer counts as wrong. It answered {len(answered) / len(found):.1%} of them, and "
        f"{right / len(answered):.1%} of these answers were right. It answers for a class only "
        "where the same training, on brands that it had not seen and on invented texts, was right "
        f"so often that its precision is at least {PRECISION:.0%} with a probability of "
        f"{NormalDist().cdf(MARGIN):.0%} (the lower limit of Wilson's interval; the texts of a "
        "brand are one observation). A class that never was answers nothing.\n"
    )
    yield "| category | texts | answered | of these right |\n|---|---:|---:|---:|"
    texts, given = Counter(one.truth for one in found), Counter(one.answer for one in answered)
    hits = Counter(one.answer for one in answered if one.is_right)
    for name in sorted((texts.keys() | given.keys()) - {""}):
        share = f"{hits[name] / given[name]:.1%}" if given[name] else ""
        yield f"| {name} | {texts[name]:,} | {given[name]:,} | {share} |"
    yield f"| none | {texts['']:,} | | |\n"
    yield "![Share of right answers by confidence](enrichment.svg)\n"


def _on_statements(enricher: Enricher) -> Iterator[str]:
    found = [(enricher.find(evidence).category, truth) for evidence, truth in statements()]
    answered = [pair for pair in found if pair[0]]
    right = sum(category == truth for category, truth in answered)
    yield (
        f"All methods together, on {len(found)} texts in the style of British statements: "
        f"{len(answered)} got a category, {right} of these the right one; "
        f"{sum(truth != '' for _, truth in found) - right} texts that have a category got none or "
        "another. The authors of the lists wrote the texts by hand (`training/statements.csv`), "
        "and the model was not trained on them: they show what to expect, but are not a "
        "measurement.\n"
    )


def reliability_picture() -> Iterator[str]:
    """Yield the picture of how often answers are right, by their confidence."""
    left, top, side = 60, 40, 300
    scale = side / (100 - _LOWEST)
    bottom = top + side
    yield '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 620 400" role="img">'
    yield "  <title>Share of right answers by confidence</title>"
    yield "  <style>text { font: 13px sans-serif; fill: #1c2833 }</style>"
    yield '  <rect width="620" height="400" fill="#ffffff"/>'
    yield f'  <text x="{left}" y="24">Right answers of the model, in percent, by confidence</text>'
    for percent in range(_LOWEST, 101, 5):
        x, y = left + (percent - _LOWEST) * scale, bottom - (percent - _LOWEST) * scale
        yield f'  <path d="M{left},{y:g} H{left + side}" stroke="#e3e8ee"/>'
        yield f'  <text x="{left - 8}" y="{y + 4:g}" text-anchor="end">{percent}</text>'
        yield f'  <text x="{x:g}" y="{bottom + 18}" text-anchor="middle">{percent / 100:g}</text>'
    yield f'  <path d="M{left},{bottom} L{left + side},{top}" stroke="#adb5bd"/>'
    for place, (low, high) in enumerate(_BINS):
        inside = [one for one in _examination() if one.answer and low <= one.confidence <= high]
        stated = sum(one.confidence for one in inside) / len(inside)
        share = 100 * sum(one.is_right for one in inside) / len(inside)
        x, y = left + (stated - _LOWEST) * scale, bottom - (share - _LOWEST) * scale
        yield f'  <circle cx="{x:.1f}" cy="{y:.1f}" r="6" fill="#0b7285"/>'
        label = f"confidence {stated / 100:.3f}: {share:.1f}% of {len(inside)} right"
        yield f'  <text x="{left + side + 20}" y="{top + 20 + 22 * place}">{label}</text>'
    yield f'  <text x="{left}" y="{bottom + 40}">On the line, confidence is the share.</text>'
    yield "</svg>"
