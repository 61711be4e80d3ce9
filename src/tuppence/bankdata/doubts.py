"""Doubts about rows that can be read, as sentences for the person who imports them."""

import difflib
from collections.abc import Collection, Iterator

import polars as pl

from tuppence.bankdata.balances import chain
from tuppence.bankdata.columns import OPENING

_WORDS_TOLD = 5


def balance_doubts(rows: pl.DataFrame, *, backward: bool, set_aside: int) -> Iterator[str]:
    """Yield the share of balances that do not follow from the amounts, and the likely cause.

    Args:
        rows: `account`, `day`, `amount` and `balance`, as they stand in the file.
        backward: Whether later rows of a day are taken to stand first.
        set_aside: Number of other rows of the file, which could not be taken.
    """
    found = chain(rows, backward=backward, turned=False)
    if not found.broken:
        return
    turned = chain(rows, backward=backward, turned=True).broken
    other = chain(rows, backward=not backward, turned=False).broken
    missing = (
        f"rows are missing ({set_aside:,} were set aside)" if set_aside else "rows are missing"
    )
    cause = f"{missing}, or the amounts lack a part, such as a fee"
    if min(turned, other) * 2 < found.broken:
        order = "false" if backward else "true"
        cause = (
            "the amounts, or the balances of a card, seem to have the other sign: see sign"
            if turned <= other
            else f"the rows of a day seem to stand in the other order: set newest_first: {order}"
        )
    share = found.broken / found.pairs
    yield (
        f"{found.broken:,} of {found.pairs:,} balances ({share:.0%}) are not the balance before "
        f"plus the amount; {cause}"
    )


def sign_doubts(amounts: pl.Series, *, is_marked: bool) -> Iterator[str]:
    """Yield that no money goes out, where nothing says how money out is marked.

    Args:
        amounts: Signed amounts of the rows.
        is_marked: Whether the mapping says how.
    """
    if not is_marked and len(amounts) > 1 and (amounts > 0).any() and not (amounts < 0).any():
        yield (
            f"all {len(amounts):,} amounts are money in; if some are money out, say under sign how "
            "that is marked"
        )


def header_doubts(count: int) -> Iterator[str]:
    """Yield a doubt if a file was put together from exports whose rows may overlap.

    Args:
        count: Number of repetitions of the header.
    """
    if count:
        yield (
            f"the header stands in the file {count + 1:,} times, so it was made of several "
            "files: rows that they have in common count twice, unless you import them one by one"
        )


def opening_doubts(texts: pl.Series, amounts: pl.Series) -> Iterator[str]:
    """Yield a doubt if rows that state a balance are read as money in or out."""
    is_balance = texts.str.strip_chars().str.to_lowercase().is_in([*OPENING])
    words = texts.filter(is_balance & (amounts != 0))
    if len(words):
        yield (
            f"{len(words):,} rows seem to say what was in the account, and are read as money "
            f"({words[0]}): leave them out with without"
        )


def word_doubts(words: pl.Series, known: Collection[str]) -> Iterator[str]:
    """Yield the words that rules do not know, the most frequent first.

    Args:
        words: Words of a field, whose name the column has.
        known: The words that rules know.
    """
    strange = words.drop_nulls().filter(~words.drop_nulls().is_in([*known]))
    if told := _counted(strange, known):
        yield f"{words.name}: rules know no {told}; translate them under values"


def left_out_doubts(words: pl.Series) -> Iterator[str]:
    """Yield the words that were left out since the mapping has no translation of them.

    Args:
        words: Words of a field, whose name the column has.
    """
    if told := _counted(words.drop_nulls(), ()):
        yield f"{words.name}: left out, since the mapping does not translate it: {told}"


def _counted(words: pl.Series, known: Collection[str]) -> str:
    """Return words with their numbers, the most frequent first, and similar ones that are known."""
    counted = words.value_counts(sort=True).sort("count", words.name, descending=[True, False])
    told = []
    for word, count in counted.head(_WORDS_TOLD).iter_rows():
        close = difflib.get_close_matches(word.casefold(), known, 1, 0.5)
        told.append(f"{word} ({count:,}{f', perhaps {close[0]}' if close else ''})")
    more = counted.height - len(told)
    return f"{', '.join(told)}{f' and {more:,} more' if more else ''}"
