"""Amounts as banks write them, read exactly; an amount with two possible values gives none."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

import polars as pl

from tuppence.facts.currency import SYMBOLS, currencies

POINTS: Final = (".", ",")
GROUPINGS: Final = (".", ",", "'", " ")
CREDIT: Final = "CR"
DEBIT: Final = "DR"
MARKS: Final[Mapping[str, str]] = {
    "0": "",
    "+0": "+",
    "0+": "+",
    "-0": "-",
    "0-": "-",
    "(0)": "-",
    "0CR": CREDIT,
    "CR0": CREDIT,
    "0DR": DEBIT,
    "DR0": DEBIT,
}
"""The meaning of marks around the digits, which are `0` here; blanks are left out."""
_SAME: Final[Mapping[str, str]] = {
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2212\ufe63\uff0d", "-"),
    **dict.fromkeys("\u00a0\u2002\u2003\u2007\u2008\u2009\u200a\u202f\t", " "),
    **dict.fromkeys("\u2018\u2019\u02bc\u00b4`", "'"),
}
"""Signs that look alike in print."""
_SHAPE: Final = r"^(.*?)([.,]?[0-9](?:[0-9.,' ]*[0-9])?[.,]?)([^0-9]*)$"
_CURRENCY: Final = re.compile(
    r"(?<![^\W\d_])(?:"
    + "|".join(map(re.escape, sorted({*SYMBOLS, *currencies()}, key=len, reverse=True)))
    + r")(?![^\W\d_])"
)
MAX_WHOLE_DIGITS: Final = 15
MAX_DIGITS: Final = 18
"""Digits of the greatest number of minor units that is sure to fit into 64 bits."""


class Separators(NamedTuple):
    """The characters in numbers, as far as they are known.

    Attributes:
        point: Stands between whole and fraction; empty if unknown.
        grouping: Stands between thousands; empty if unknown.
    """

    point: str = ""
    grouping: str = ""

    def points(self) -> tuple[str, ...]:
        """Return the characters that the decimal point may be."""
        if self.point:
            return (self.point,)
        return tuple(one for one in POINTS if self.grouping not in POINTS or one != self.grouping)

    def form(self, point: str) -> str:
        """Return the regular expression of numbers with a decimal point."""
        known = {self.grouping} & {*POINTS} or {*POINTS}
        groups = [re.escape(one) for one in (*known, "'", " ") if one != point]
        grouped = "|".join(f"(?:{group}[0-9]{{3}})+" for group in groups)
        return rf"^(?:[0-9]*|[1-9][0-9]{{0,2}}(?:{grouped}))(?:{re.escape(point)}[0-9]*)?$"


class Amounts(NamedTuple):
    """Columns of amounts.

    Attributes:
        sizes: Whole units of 10^-digits, without a sign; null where there is none.
        marks: `-`, `+`, `CR` (money in), `DR` (money out), or empty.
        reasons: Reasons why there is none; null where there is one, or where the text is null.
    """

    sizes: pl.Series
    marks: pl.Series
    reasons: pl.Series

    def signed(self) -> pl.Series:
        """Return the amounts with a sign: `-` and `DR` make them negative."""
        out = self.marks.is_in(["-", DEBIT])
        return pl.select(pl.when(out).then(-self.sizes).otherwise(self.sizes)).to_series()


def read_amounts(
    texts: pl.Series,
    name: str,
    separators: Separators,
    digits: pl.Series,
    owned: pl.Series | None = None,
) -> Amounts:
    """Read amounts, never by way of a float.

    Args:
        texts: One a row.
        name: Name of the field, for the reasons.
        separators: Decimal point and grouping of these numbers.
        digits: Maximum number of digits after the point, for each row.
        owned: The currency that each amount must be in; without it none may stand beside them.
    """
    if texts.null_count() == len(texts):
        none = pl.Series([None] * len(texts), dtype=pl.String)
        return Amounts(none.cast(pl.Int64), none.fill_null(""), none)
    unowned = pl.Series([None] * len(texts), dtype=pl.String)
    columns = {"text": texts, "digits": digits, "owned": unowned if owned is None else owned}
    plain = pl.col("text").str.replace_many([*_SAME], [*_SAME.values()]).str.strip_chars(" ")
    frame = pl.DataFrame(columns).with_columns(plain.str.extract_groups(_SHAPE).alias("parts"))
    before, core, after = (pl.col("parts").struct.field(key) for key in ("1", "2", "3"))
    frame = frame.with_columns(
        core.alias("core"),
        (before + "0" + after).alias("around"),
        # 5.- is a price of five in some countries, and five to pay in none
        (core.str.contains(r"[.,]$") & after.str.contains("^ ?-")).alias("price"),
    )
    told = {one: _told(one) for one in {*frame["around"]} - {None}}
    around = pl.col("around")
    frame = frame.with_columns(
        around.replace_strict(
            {k: parts[i] for k, parts in told.items()}, default=None, return_dtype=pl.String
        ).alias(name)
        for i, name in enumerate(("mark", "symbol"))
    )
    return _sized(frame, name, separators)


def _told(around: str) -> tuple[str | None, str | None]:
    """Return the mark and the currency that stand around digits; None for an unknown mark."""
    upper = around.upper()
    found = _CURRENCY.search(upper)
    rest = upper if found is None else upper[: found.start()] + upper[found.end() :]
    return MARKS.get(rest.replace(" ", "")), found and found[0]


def _sized(frame: pl.DataFrame, name: str, separators: Separators) -> Amounts:
    """Return the sizes of amounts whose parts stand in a frame.

    Columns are added one after another because each is made from those before it.
    """
    core, digits, points = pl.col("core"), pl.col("digits"), separators.points()
    frame = frame.with_columns(
        core.str.contains(separators.form(point)).alias(f"with {point}") for point in points
    )
    is_number = pl.any_horizontal(f"with {point}" for point in points)
    plain = (
        pl.when(f"with {point}").then(
            core.str.replace_all(rf"[^0-9{point}]", "").str.replace(point, ".", literal=True)
        )
        for point in points
    )
    frame = frame.with_columns(
        (is_number & ~pl.col("price") & pl.col("mark").is_not_null()).alias("is number"),
        _is_doubtful(frame, points).alias("doubtful"),
        _is_foreign(frame).alias("foreign"),
        pl.coalesce(plain).str.splitn(".", 2).alias("plain"),
    )
    split = pl.col("plain").struct
    frame = frame.with_columns(
        split.field("field_0").str.strip_chars_start("0").alias("whole"),
        split.field("field_1").fill_null("").str.strip_chars_end("0").alias("fraction"),
    )
    length = pl.col("whole").str.len_chars()
    fits = (length <= MAX_WHOLE_DIGITS) & (length + digits <= MAX_DIGITS)
    short = pl.col("fraction").str.len_chars() <= digits
    frame = frame.with_columns(fits.alias("fits"), short.alias("short"))
    good = pl.all_horizontal("is number", "fits", "short", ~pl.col("doubtful"), ~pl.col("foreign"))
    number = pl.concat_str("whole", pl.col("fraction").str.pad_end(digits, "0"))
    size = pl.when(number == "").then(0).otherwise(number.cast(pl.Int64, strict=False))
    sizes = frame.select(pl.when(good).then(size)).to_series()
    reasons = pl.Series([None] * frame.height, dtype=pl.String)
    bad = (sizes.is_null() & frame["text"].is_not_null()).arg_true()
    if len(bad):
        reasons = reasons.scatter(bad, _reasons(frame[bad], name, points))
    return Amounts(sizes, frame["mark"].fill_null(""), reasons)


def _reasons(bad: pl.DataFrame, name: str, points: Sequence[str]) -> pl.Series:
    """Return the reasons against amounts; null for a currency that does not exist."""
    text, core, title = pl.col("text"), pl.col("core"), pl.lit(name)
    why = (
        "set decimal_point in the mapping"
        if len(points) > 1
        else "other rows of the file have another decimal point"
    )
    reason = (
        pl.when(~pl.col("is number").fill_null(value=False))
        .then(pl.format("{} is not a number: {}", title, text))
        .when("foreign")
        .then(
            pl.format(
                "{} is in {} where the customer's money is {}: {}",
                title, pl.col("symbol"), pl.col("owned").fill_null("unknown"), text,
            )
        )
        .when("doubtful")
        .then(
            pl.format(
                "{} can be read as {} and as {}: {}",
                title, core.str.replace_all(r"[.,]", "."), core.str.replace_all(r"[.,]", ""),
                pl.lit(why),
            )
        )
        .when(~pl.col("fits"))
        .then(pl.format("{} is not a number: {}", title, text))
        .when(~pl.col("short"))
        .then(pl.format("{} has too many digits after the point: {}", title, text))
    )  # fmt: skip
    return bad.select(reason.cast(pl.String)).to_series()


def _is_doubtful(frame: pl.DataFrame, points: Sequence[str]) -> pl.Expr:
    """Return which amounts have one separator, which may be of thousands or the decimal point."""
    lone = pl.col("core").str.contains(r"^[1-9][0-9]{0,2}[.,][0-9]{3}$")
    if len(points) > 1:
        return lone & pl.all_horizontal(f"with {point}" for point in points) & ~_by_default()
    return lone & _slips(frame["core"], *points)


def _by_default() -> pl.Expr:
    """Return where a point is what the unit itself asks for: three digits after it."""
    return (pl.col("digits") >= 3) & pl.col("core").str.contains(".", literal=True)


def _slips(cores: pl.Series, point: str) -> bool:
    """Return whether the other separator stands before one or two digits in any amount."""
    other = next(one for one in POINTS if one != point)
    return bool(cores.str.contains(rf"^[0-9]+{re.escape(other)}[0-9]{{1,2}}$").any())


def _is_foreign(frame: pl.DataFrame) -> pl.Series:
    """Return which amounts stand beside a currency that is not the customer's."""
    found = pl.Series([False] * frame.height, dtype=pl.Boolean)
    for symbol in frame["symbol"].drop_nulls().unique():
        meant: Collection[str] = SYMBOLS.get(symbol, {symbol})
        owned = frame["owned"].is_in([*meant]).fill_null(value=False)
        found |= (frame["symbol"] == symbol).fill_null(value=False) & ~owned
    return found
