"""The sources of merchants and categories, and the accuracy of the model."""

from collections import Counter
from collections.abc import Iterator

from training.texts import held_out, statements

from tuppence.bankdata import incomes
from tuppence.bankdata.categories import CATEGORIES, INCOMING, MERCHANT_CODE_CONFIDENCE
from tuppence.bankdata.enrichment.brands import KINDS, brand_rows
from tuppence.bankdata.enrichment.descriptors import descriptor_of, table
from tuppence.bankdata.enrichment.enricher import MAX_MODEL_CONFIDENCE, MIN_CONFIDENCE, Enricher
from tuppence.bankdata.enrichment.model import Model, shipped_model
from tuppence.bankdata.plaid import CONFIDENCE_LEVELS
from tuppence.bankdata.refunds import FULL_CONFIDENCE, PARTIAL_CONFIDENCE


def enrichment_page() -> Iterator[str]:
    """Yield the sources of merchants and categories, and the accuracy of the model."""
    enricher, model = Enricher(), shipped_model()
    brands = {name for name, _ in brand_rows()}
    income = f"{incomes.FIRST_CONFIDENCE / 100} to {incomes.MAX_CONFIDENCE / 100}"
    yield "# Merchants and categories\n"
    yield (
        "An import finds the merchant and the category of a payment, each with a confidence from 0 "
        "to 1 that rules can read: `merchant confidence` and `category confidence`. What a person "
        "or a mapping gives has a confidence of 1 and is kept. There is no category without a "
        "confidence, and none with "
        f"less than {MIN_CONFIDENCE / 100}.\n"
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
        (f"one of {len(brands):,} brands, or of the project's own list of billers", "0.7 to 0.92"),
        (
            "a refund of all of a purchase, or of a part",
            f"{FULL_CONFIDENCE / 100} or {PARTIAL_CONFIDENCE / 100}",
        ),
        ("income: three or more receipts from one payer", income),
        ("words, by the model", f"{MIN_CONFIDENCE / 100} to {MAX_MODEL_CONFIDENCE / 100}"),
    ):
        yield f"| {what} | {sure} |"
    yield (
        "\nAll except the last were set, not measured. A merchant's name has 0.97 if it is the "
        "whole text, 0.95 or 0.85 if it comes first, 0.75 if it comes later or was cut short, 0.9 "
        "if the bank gives it, and 0.5 if it was only derived from the words of the text.\n"
    )
    yield from _examination(model)
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
    yield "## Categories by brand\n"
    yield "Tags of OpenStreetMap; brands with other tags have a name and no category.\n"
    yield "| category | tags |\n|---|---|"
    for row in table(KINDS):
        tags = ", ".join(kind.partition("/")[2].replace("_", " ") for kind in row["kinds"].split())
        yield f"| {row['category']} | {tags} |"


def _examination(model: Model) -> Iterator[str]:
    """Yield the accuracy of the model for brands that it was not trained on."""
    allowed = CATEGORIES - INCOMING - {"people"}
    rows = held_out()
    said = [(row, *model.category(descriptor_of(row.text), allowed)) for row in rows]
    yield "## How often the model is right\n"
    yield (
        f"Tested on {len(rows):,} texts of {len({row.source for row in rows})} brands that it "
        "was not trained on. In practice the list of brands would recognise them, so this is the "
        "hardest case: a name such as Zizzi does not suggest pizza. If a brand has none of our "
        "categories, any answer counts as wrong.\n"
    )
    yield "| confidence at least | answered | of these right |\n|---:|---:|---:|"
    for least in (0.5, 0.6, 0.7, 0.8, 0.9):
        found = [(row, category) for row, category, sure in said if category and sure >= least]
        right = sum(category in row.categories for row, category in found)
        yield f"| {least} | {len(found) / len(rows):.1%} | {right / len(found):.1%} |"
    counted = Counter(
        (truth, category or "")
        for row, category, sure in said
        if len(row.categories) == 1 and category and sure >= MIN_CONFIDENCE / 100
        for truth in row.categories
    )
    names = sorted({name for pair in counted for name in pair})
    titles = [name or "none" for name in names]
    yield (
        f"\nAnswers with at least {MIN_CONFIDENCE / 100}, of brands of one category, "
        "rows are the true category:\n"
    )
    yield f"| | {' | '.join(titles)} |\n|---|{'---:|' * len(names)}"
    for truth in names:
        cells = " | ".join(f"{counted[truth, name] or ''}" for name in names)
        yield f"| {truth or 'none'} | {cells} |"
    yield ""
