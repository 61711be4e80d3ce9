"""Signed amounts, from the marks by which a mapping says which way money goes."""

from collections.abc import Sequence

import polars as pl

from tuppence.bankdata.amounts import CREDIT, DEBIT, Amounts
from tuppence.bankdata.mapping import Sign

Signed = tuple[pl.Series, Sequence[pl.Series | pl.Expr]]
"""Amounts, negative for money out, and columns of reasons against them."""


def total(added: Sequence[Amounts], subtracted: Sequence[Amounts]) -> Amounts:
    """Return the sums of amounts; a missing part is 0, and without any part there is no sum."""
    parts = [part.signed() for part in added] + [-part.signed() for part in subtracted]
    frame = pl.DataFrame([part.alias(str(i)) for i, part in enumerate(parts)])
    reasons = [part.reasons.alias(str(i)) for i, part in enumerate((*added, *subtracted))]
    found = frame.select(
        sums=pl.when(pl.any_horizontal(pl.all().is_not_null())).then(pl.sum_horizontal(pl.all()))
    )["sums"]
    marks = pl.select(pl.when(found < 0).then(pl.lit("-")).otherwise(pl.lit(""))).to_series()
    return Amounts(found.abs(), marks, pl.DataFrame(reasons).select(pl.coalesce(pl.all()))[:, 0])


def by_sign(amounts: Amounts, sign: Sign) -> Signed:
    """Return amounts that have their sign with them: a minus, brackets, CR or DR.

    `CR` and `DR` hold whether or not the others are inverted. If some amounts are marked as money
    in and none as money out, the direction of unmarked amounts is ambiguous.
    """
    sizes, marks, reasons = amounts
    factor = -1 if sign.inverted else 1
    is_out = marks.is_in(["-"])
    plain = pl.when(is_out).then(-sizes * factor).otherwise(sizes * factor)
    by_word = pl.when(marks == CREDIT).then(sizes).when(marks == DEBIT).then(-sizes)
    signed = pl.select(pl.coalesce(by_word, plain)).to_series()
    unsure = (marks == "") & (sizes != 0)
    if sign.inverted or not (marks == CREDIT).any() or marks.is_in(["-", DEBIT]).any():
        unsure &= False
    return signed, [
        reasons,
        _where(unsure, "amount has no sign where others have CR: set sign in the mapping"),
    ]


def by_word(amounts: Amounts, sign: Sign, words: pl.Series) -> Signed:
    """Return amounts with the sign that a word in another column gives them."""
    sizes, marks, reasons = amounts
    known = sign.words()
    texts = words.fill_null("").str.strip_chars()
    meanings = {text: known.get(text.casefold()) for text in texts.unique()}
    out = texts.replace_strict(meanings, default=None, return_dtype=pl.Boolean)
    signed = pl.select(pl.when(out).then(-sizes).when(~out).then(sizes)).to_series()
    minus = (marks == "-") & (sizes != 0)
    marked = _doubly_marked(minus & out, minus & ~out, (sizes != 0) & out)
    against = ((marks == CREDIT) & out) | ((marks == DEBIT) & ~out)
    unknown = pl.select(
        pl.when(out.is_null()).then(
            pl.format("{} says neither money out nor money in: {}", pl.lit(sign.column), texts)
        )
    ).to_series()
    against_word = "amount has a sign against the word beside it"
    return signed, [reasons, unknown, _where(marked | against, against_word)]


def by_sides(paid_out: Amounts, paid_in: Amounts) -> Signed:
    """Return amounts of which money out and money in stand in two columns."""
    sizes_out, sizes_in = (side.sizes.fill_null(0) for side in (paid_out, paid_in))
    is_there = paid_out.sizes.is_not_null() | paid_in.sizes.is_not_null()
    signed = pl.select(pl.when(is_there).then(sizes_in - sizes_out)).to_series()
    minus_out = (paid_out.marks == "-") & (sizes_out != 0)
    minus_in = (paid_in.marks == "-") & (sizes_in != 0)
    wrong = _doubly_marked(minus_out, minus_in, sizes_out != 0)
    wrong |= ((paid_out.marks == CREDIT) & (sizes_out != 0)) | (
        (paid_in.marks == DEBIT) & (sizes_in != 0)
    )
    both = (sizes_out != 0) & (sizes_in != 0)
    return signed, [
        paid_out.reasons,
        paid_in.reasons,
        _where(both, "amount is both paid out and paid in"),
        _where(wrong, "amount has a sign against its column"),
    ]


def _doubly_marked(minus_out: pl.Series, minus_in: pl.Series, out: pl.Series) -> pl.Series:
    """Return which signs have no certain meaning.

    A minus that every amount of money out has, and none of money in, only says it twice. Any other
    may be a booking that was taken back.
    """
    if minus_out.sum() == out.sum() and not minus_in.any():
        return minus_out & False
    return minus_out | minus_in


def _where(bad: pl.Series, reason: str) -> pl.Series:
    return pl.select(pl.when(bad.fill_null(value=False)).then(pl.lit(reason))).to_series()
