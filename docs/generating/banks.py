"""The banks and apps whose exports have a shipped mapping."""

from collections.abc import Iterator

from tuppence.bankdata.banks import Bank, shipped_banks
from tuppence.bankdata.mapping import Sum


def banks_page() -> Iterator[str]:
    """Yield every shipped mapping with what it finds in an export."""
    banks = shipped_banks()
    yield f"# Banks and apps: {len(banks)} exports\n"
    yield (
        "`tuppence import csv FILE --store STORE` finds the mapping of one of these exports by\n"
        "the titles of its first columns; `--bank NAME` names it, and `tuppence import banks`\n"
        "lists them. "
        "[Other files](../how-to/import-bank-data.md#from-a-table) get a proposal. The mappings\n"
        "were written from public descriptions of the exports, not together with the banks, and a\n"
        "bank may change its export at any time: look at the rows that the command shows.\n"
    )
    yield (
        "Words of a bank for [types and categories](words.md) are translated where they mean the\n"
        "same as ours. All others are left out, and the import lists them.\n"
    )
    for name, bank in banks.items():
        yield from _bank(name, bank)


def _bank(name: str, bank: Bank) -> Iterator[str]:
    mapping = bank.mapping
    yield f"## {name}\n"
    yield f"{', '.join(bank.names)} ({bank.country}): {bank.export}. Source: {bank.source}.\n"
    if bank.header:
        yield f"Found by `{mapping.delimiter.join(bank.header)}`.\n"
    yield "| field | from |\n|---|---|"
    for field, source in mapping.columns.items():
        columns = " and ".join(f"`{one}`" for one in mapping.columns_of(field))
        if isinstance(source, Sum):
            columns = " plus ".join(f"`{one}`" for one in source.add)
            columns += "".join(f" less `{one}`" for one in source.subtract)
        yield f"| `{field}` | {columns} |"
    for field, column in bank.optional.items():
        yield f"| `{field}` | `{column}`, if the export has it |"
    if mapping.has_sides:
        yield f"| `amount` | `{mapping.sign.paid_out}` (out) and `{mapping.sign.paid_in}` (in) |"
    for field, word in mapping.constants.items():
        yield f"| `{field}` | always `{word}` |"
    yield ""
    for field, words in mapping.values.items():
        told = ", ".join(f"`{theirs}` is `{ours}`" for theirs, ours in words.items())
        yield f"`{field}`: {told}.\n"
