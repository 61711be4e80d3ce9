"""Tells which rows of an import are the same transactions as rows that are stored.

A bank's identifier names a transaction if it is one: not a word such as NOTPROVIDED, and not used
again for another day and amount. Rows without one have their account, day, amount and balance, and
are counted among equal ones. Texts, types and merchants depend on the mapping and change when the
bank writes them differently, so they only decide between rows that are equal otherwise.
"""

import hashlib
import itertools
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

import polars as pl

from tuppence.feel.values import Date

PLACEHOLDERS: Final = frozenset(
    {"", "NOTPROVIDED", "NOTAVAILABLE", "NA", "NONE", "NULL", "UNKNOWN", "NOREF"}
)
"""Words that banks write where they have no identifier, without blanks and marks."""
_MARKS: Final = "[ ._/-]"
_MADE: Final = r"^(~[0-9a-f]{18})-([0-9]+)$"
"""Matches an identifier that an import made of a row's content; its number counts equal rows."""
_SAME: Final = ["account", "booking date", "amount"]
_STEPS: Final = ([*_SAME, "balance", "text"], [*_SAME, "balance"], [*_SAME, "text"], _SAME)
"""Columns in which rows are compared, in this order. The last step is the weakest."""
_EXAMPLES: Final = 3


class Identified(NamedTuple):
    """The transactions of an import under the identifiers that they have in the store.

    Attributes:
        transactions: The rows.
        doubts: A sentence about rows that may be other transactions than the stored ones.
    """

    transactions: pl.DataFrame
    doubts: tuple[str, ...] = ()


def is_placeholder(identifier: str) -> bool:
    """Return whether an identifier of a transaction is a word such as NOTPROVIDED, or zeros."""
    word = re.sub(_MARKS, "", identifier).upper()
    return word in PLACEHOLDERS or not word.strip("0")


def made_identifier(*content: str | None) -> str:
    """Return the beginning of the identifier of rows that have none.

    Args:
        content: Texts that identify such a row; equal rows are told apart by a number.
    """
    key = "\x1f".join(part or "" for part in content)
    return f"~{hashlib.blake2b(key.encode(), digest_size=9).hexdigest()}"


def identifiers(rows: pl.DataFrame) -> pl.Series:
    """Return the identifiers of a file's rows; some are made of the content.

    Args:
        rows: Columns `account`, `booking date`, `amount`, `balance`, `id` as the bank gives it,
            and `is good`. An identifier that good rows use with several days, amounts or balances
            is none.
    """
    word = pl.col("id").str.replace_all(_MARKS, "").str.to_uppercase()
    is_none = pl.col("id").is_null() | word.is_in([*PLACEHOLDERS]) | word.str.contains("^0+$")
    meaning = pl.struct("booking date", "amount", "balance")
    meanings = meaning.filter("is good").n_unique().over("account", "id")
    rows = rows.with_columns(pl.when(~is_none).then("id").alias("id"))
    rows = rows.with_columns(pl.when(meanings <= 1).then("id").alias("id"))
    lacking = rows.filter(pl.col("id").is_null())
    key = [*_SAME, "balance"]
    parts = lacking.select(pl.col(key).cast(pl.String))
    made = {content: made_identifier(*content) for content in parts.unique().iter_rows()}
    nth = lacking.select(pl.int_range(pl.len()).over(key)).to_series()
    filled = iter(
        [f"{made[content]}-{n}" for content, n in zip(parts.iter_rows(), nth, strict=True)]
    )
    return pl.Series([one or next(filled) for one in rows["id"]], dtype=pl.String)


def identified(incoming: pl.DataFrame, stored: pl.DataFrame | None) -> Identified:
    """Return an import's rows under the identifiers of the stored rows that are the same ones.

    A stored row is the same as one row of an import at most. Rows with the bank's identifier are
    the same if their day or their amount is. Others are if account, day, amount and, where both
    have one, the balance are; those with an equal balance come first, then those with an equal
    text.

    Args:
        incoming: Transactions of a file or of documents.
        stored: All transactions of the same customers; None if there are none.
    """
    if stored is None or not stored.height:
        return Identified(incoming)
    rows, others = _plain(incoming, "place"), _plain(stored, "other")
    pairs, reused = _of_equal_identifiers(rows, others)
    rows = rows.with_columns(pl.col("is made") | pl.col("place").is_in(reused.implode()))
    rows = rows.join(pairs, on="place", how="anti")
    others = others.join(pairs, on="other", how="anti")
    others = others.join(rows.select(_SAME).unique(), on=_SAME, how="semi")
    weak = pairs.clear()
    for key in _STEPS:
        weak = _paired(rows, others, key)
        pairs = pl.concat([pairs, weak])
        rows = rows.join(weak, on="place", how="anti")
        others = others.join(weak, on="other", how="anti")
    named = pairs.select("place", id=stored["id"].gather(pairs["other"]))
    own = rows.filter(~pl.col("is made")).select("place", "id")
    fresh = _fresh(rows.filter("is made"), stored["id"])
    names = pl.concat([named, own, fresh]).sort("place")["id"]
    old, new = (frame["text"].cast(pl.String).gather(weak[place])
                for frame, place in ((stored, "other"), (incoming, "place")))  # fmt: skip
    doubts = (*_doubts(old, new), *_part_of_day(incoming, stored, pairs))
    return Identified(incoming.with_columns(names), doubts)


def _part_of_day(
    incoming: pl.DataFrame, stored: pl.DataFrame, pairs: pl.DataFrame
) -> Iterator[str]:
    """Say which rows may be further payments, as the file has not all that is stored of their day.

    Only rows are meant that neither a balance nor an identifier of the bank tells apart.
    """
    rows, others = _plain(incoming, "place"), _plain(stored, "other")
    weak = rows.filter("is made", pl.col("balance").is_null())
    both = weak.join(pairs, on="place").join(others.filter("is made"), on="other", suffix=" of it")
    if not both.height:
        return
    day = ["account", "booking date"]
    left = others.join(pairs, on="other", how="anti").join(both, on=day, how="semi")
    doubtful = both.join(left, on=day, how="semi")
    if doubtful.height:
        first = Date(doubtful.select(pl.min("booking date")).item())
        yield (
            f"{doubtful.height:,} rows equal stored rows of their day and are taken for the same, "
            f"though the file lacks other stored rows of that day (the first: {first}): if it "
            "begins or ends within the day and they are further payments, undo this import, and "
            "import a file with whole days"
        )


def _plain(transactions: pl.DataFrame, place: str) -> pl.DataFrame:
    """Return the keys by which rows are compared, with their positions."""
    texts = pl.col("account", "id", "text").cast(pl.String)
    rows = transactions.select(texts, "booking date", "amount", "balance")
    return rows.with_row_index(place).with_columns(
        pl.col("id").str.contains(_MADE).alias("is made")
    )


def _of_equal_identifiers(
    rows: pl.DataFrame, others: pl.DataFrame
) -> tuple[pl.DataFrame, pl.Series]:
    """Return pairs of the same rows, and the positions of rows whose identifier is used again."""
    both = rows.join(others, on=["account", "id"], suffix=" before")
    same_day = pl.col("booking date") == pl.col("booking date before")
    same_amount = pl.col("amount") == pl.col("amount before")
    same_text = pl.col("text").eq_missing(pl.col("text before"))
    is_same = pl.when("is made").then(same_amount & same_text).otherwise(same_day | same_amount)
    reused = both.filter(~is_same & ~pl.col("is made"))["place"]
    return both.filter(is_same).select("place", "other"), reused


def _paired(rows: pl.DataFrame, others: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """Return pairs of rows that are equal in some columns; balances are equal or unknown.

    Two rows that both have an identifier of the bank are not a pair.
    """
    if "balance" in key:
        known = pl.col("balance").is_not_null()
        sides = [(known, known)]
    else:
        no_balance, any_balance = pl.col("balance").is_null(), pl.lit(value=True)
        sides = [(no_balance, any_balance), (any_balance, no_balance)]
    kinds = [(True, True), (True, False), (False, True)]
    pairs = [rows.select("place").clear().with_columns(other=pl.lit(None, pl.UInt32))]
    for (mine, other), (left, right) in itertools.product(kinds, sides):
        parts = [
            frame.filter((pl.col("is made") == is_made) & side)
            .sort("booking date", maintain_order=True)
            .with_columns(nth=pl.int_range(pl.len()).over(key))
            for frame, is_made, side in ((rows, mine, left), (others, other, right))
        ]
        found = parts[0].join(parts[1], on=[*key, "nth"], nulls_equal=True)
        pairs.append(found.select("place", "other"))
        rows = rows.join(pairs[-1], on="place", how="anti")
        others = others.join(pairs[-1], on="other", how="anti")
    return pl.concat(pairs)


def _fresh(rows: pl.DataFrame, used: pl.Series) -> pl.DataFrame:
    """Return new identifiers for rows that are in no store yet, none of which is used already."""
    content = rows.select(pl.col(*_SAME, "balance").cast(pl.String))
    begins = [
        name.rpartition("-")[0] if re.fullmatch(_MADE, name) else made_identifier(*parts)
        for name, parts in zip(rows["id"], content.iter_rows(), strict=True)
    ]
    rows = rows.with_columns(pl.Series("begin", begins, dtype=pl.String))
    groups = used.cast(pl.String).str.extract_groups(_MADE).struct.unnest()
    numbers = groups.select(begin="1", number=pl.col("2").cast(pl.Int64) + 1)
    first = numbers.drop_nulls().group_by("begin").max()
    rows = rows.join(first, on="begin", how="left", maintain_order="left")
    number = pl.col("number").fill_null(0) + pl.int_range(pl.len()).over("begin")
    return rows.select("place", id=pl.col("begin") + "-" + number.cast(pl.String))


def _doubts(old: pl.Series, new: pl.Series) -> tuple[str, ...]:
    """Say which rows take the place of stored ones whose text says something else."""
    found = [
        f"{after} in place of {before}"
        for before, after in zip(old, new, strict=True)
        if before and after and not is_same_text(before, after)
    ]
    if not found:
        return ()
    sentence = (
        f"{len(found):,} rows have the account, day and amount of stored rows with other texts, "
        f"and are taken for the same ({'; '.join(found[:_EXAMPLES])}): if they are others, undo "
        "this import, and map the balance or an identifier"
    )
    return (sentence,)


def is_same_text(before: str, after: str) -> bool:
    """Return whether one of two texts has all words of the other, as with a better mapping."""
    old, new = _words(before), _words(after)
    return old <= new or new <= old


def _words(text: str) -> set[str]:
    return set(re.findall(r"[^\W\d_]+", text.lower()))
