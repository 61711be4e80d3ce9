"""The keys, fields and words of a mapping file."""

from collections.abc import Iterator
from inspect import cleandoc
from typing import Final

from docs.generating.structure import structure

from tuppence.bankdata.amounts import CREDIT, DEBIT, MARKS
from tuppence.bankdata.mapping import (
    DATE_LETTERS,
    EXTRA,
    SIGN_WORDS,
    Sign,
    Sum,
    TableMapping,
    words_of,
)
from tuppence.bankdata.mapping import needed as needed_fields
from tuppence.facts.currency import SYMBOLS
from tuppence.facts.schema import Schema

MEANINGS: Final = {
    "": "12.50",
    "+": "12.50",
    "-": "-12.50; 12.50 with `inverted`",
    CREDIT: "12.50, money in, also with `inverted`",
    DEBIT: "-12.50, money out, also with `inverted`",
}


def mapping_page() -> Iterator[str]:
    """Yield the keys, fields and words of a mapping file."""
    yield "# A mapping\n"
    yield (
        "A YAML file that gives the meaning of the columns of a table, for `tuppence import csv`.\n"
        "[How to write one](../how-to/import-bank-data.md#from-a-table).\n"
    )
    yield "## Keys\n"
    yield from structure(TableMapping)
    yield "### sign\n"
    yield f"{cleandoc(Sign.__doc__ or '').partition('Attributes:')[0].strip()}\n"
    yield from structure(Sign)
    for title, is_out in (("money out", True), ("money in", False)):
        words = sorted(word for word, out in SIGN_WORDS.items() if out == is_out)
        yield f"Words for {title}: " + ", ".join(f"`{word}`" for word in words) + ".\n"
    yield "### A sum of columns\n"
    yield "For an amount or another number, such as `amount: {add: [Amount], subtract: [Fee]}`.\n"
    yield from structure(Sum)
    yield from _mapping_fields()
    yield from _mapping_values()


def _mapping_fields() -> Iterator[str]:
    yield "## Fields\n"
    yield "For `columns`, `constants` and `values`, by `table`.\n"
    for name in EXTRA:
        table = TableMapping(name, {})  # type: ignore[arg-type]
        needed = needed_fields(table, table.fields(Schema()))
        yield f"### {name}\n\n| field | | kind | meaning |\n|---|---|---|---|"
        for field in table.fields(Schema()).values():
            must = "required" if field.name in needed else ""
            yield f"| `{field.name}` | {must} | {field.kind.value} | {field.doc} |"
        yield ""
        for field_name, words in words_of(table).items():
            yield f"`{field_name}` is one of: " + ", ".join(f"`{w}`" for w in words) + ".\n"
    yield (
        "An amount may come from `sign.paid_out` and `sign.paid_in` instead. Other values in a\n"
        "column for the `type` of a transaction, or for its [category](words.md#categories), are\n"
        "kept and reported as a doubt, because rules do not know them. The mapping itself may\n"
        "not name a `type` that is not listed, or a misspelt category.\n"
    )


def _mapping_values() -> Iterator[str]:
    yield "## Amounts\n"
    yield (
        "Blanks are ignored, and characters that look alike are treated as the same. A row is set\n"
        "aside if its amount has another form, has two possible values, or has a currency that is\n"
        "not the customer's.\n"
    )
    yield "| text | value |\n|---|---|"
    for around, mark in MARKS.items():
        yield f"| `{around.replace('0', '12.50')}` | {MEANINGS[mark]} |"
    yield "\nCurrencies of amounts: codes of ISO 4217, and these signs, in upper or lower case.\n"
    yield "| sign | currencies |\n|---|---|"
    for symbol, codes in SYMBOLS.items():
        yield f"| `{symbol}` | {', '.join(sorted(codes))} |"
    yield "\n## Dates\n"
    letters = ", ".join(f"`%{letter}`" for letter in DATE_LETTERS)
    yield (
        f"`date_format` may contain these directives of strftime: {letters}.\n\n"
        "The day is taken as written; the time and the offset do not change it. `%z` must come\n"
        "last. If some row has a number above 12 as its month, and no row has a day above 12,\n"
        "dates that would be different with day and month swapped are set aside.\n"
    )
    yield "## Doubts\n"
    yield (
        "An import prints what looks wrong with the imported rows: balances that differ from the\n"
        "previous balance plus the amount, with their share and the likely cause; amounts that\n"
        "are all money in although the mapping does not say how money out is marked; and words\n"
        "that rules do not know. Correct the mapping and import the file again.\n"
    )
