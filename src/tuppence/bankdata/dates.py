"""Dates as banks write them; a date that may be another day gives none."""

import re
from datetime import date
from typing import Final

import polars as pl

_LETTER: Final = re.compile("%[-_0]?(.)")
_OFFSET: Final = r"\s*(?:Z|[+-][0-9]{2}:?[0-9]{2})$"
_FIRST_YEAR: Final = 1900
_NO_YEAR: Final = 2069
_MONTHS: Final = 12


def check_format(form: str) -> None:
    """Check a format of dates.

    Raises:
        ValueError: Dates cannot be read with it.
    """
    try:
        days_as_written(pl.Series(["?"]), form)
    except pl.exceptions.PolarsError as error:
        raise ValueError(str(error).split("\n")[0]) from None


def read_days(
    texts: pl.Series, name: str, form: str, today: date
) -> tuple[pl.Series, list[pl.Series]]:
    """Read the days that texts name, whatever the time and its offset.

    Args:
        texts: One a row.
        name: Name of the field, for the reasons.
        form: Format of the dates, in the letters of strftime.
        today: No day may be later.

    Returns:
        Days since 1970-01-01, and reasons against those that are null.
    """
    day = days_as_written(texts, form)
    frame = pl.DataFrame({"text": texts, "day": day, "other": _other_days(texts, day, form)})
    text, found, other = pl.col("text"), pl.col("day"), pl.col("other")
    told = pl.lit(name)
    reasons = frame.select(
        bad=pl.when(text.is_not_null() & found.is_null()).then(
            pl.format("{} is not a date of the form {}: {}", told, pl.lit(form), text)
        ),
        swapped=pl.when(found != other).then(
            pl.format(
                "{} can be read as {} and as {}: other rows fit only the form {}",
                told, found.cast(pl.String), other.cast(pl.String), pl.lit(_swapped(form)),
            )
        ),
        late=pl.when(found > today).then(pl.format("{} is in the future: {}", told, text)),
    )  # fmt: skip
    good = pl.all_horizontal(pl.col(reasons.columns).is_null())
    days = pl.select(pl.when(reasons.select(good).to_series()).then(day).cast(pl.Int32))
    return days.to_series(), reasons.get_columns()


def days_as_written(texts: pl.Series, form: str) -> pl.Series:
    """Return the days that texts name in one form; null where it does not fit.

    An offset stands at the end and does not change the day.
    """
    if form.endswith("%z"):
        has_offset = texts.str.contains(_OFFSET)
        texts = pl.select(pl.when(has_offset).then(texts.str.replace(_OFFSET, ""))).to_series()
        form = form.removesuffix("%z").rstrip()
    has_time = not {*_LETTER.findall(form)}.isdisjoint("HITS")
    kind: type[pl.Datetime | pl.Date] = pl.Datetime if has_time else pl.Date
    day = texts.str.strptime(kind, form, strict=False).cast(pl.Date)
    if "y" in _LETTER.findall(form):  # POSIX: 69 is 1969, which Polars takes for 2069
        day = pl.select(
            pl.when(day.dt.year() == _NO_YEAR).then(day.dt.offset_by("-100y")).otherwise(day)
        ).to_series()
    return pl.select(pl.when(day.dt.year() >= _FIRST_YEAR).then(day)).to_series()


def _other_days(texts: pl.Series, days: pl.Series, form: str) -> pl.Series:
    """Return the days with day and month changed over, if the form seems to have them so.

    It does if some text has no month where the form has it, and none has a month above 12 where
    the form has the day. Elsewhere the days stay as they are.
    """
    letters = [letter.replace("e", "d") for letter in _LETTER.findall(form)]
    if letters.count("d") != 1 or letters.count("m") != 1 or letters[0] not in "dm":
        return days  # after a year, nobody writes the day before the month
    numbers = re.sub(r"%[-_0]?(.)", lambda found: "\0d" if found[1] in "dem" else "\0x", form)
    pattern = re.escape(numbers).replace("\\\0", "\0")
    pattern = pattern.replace("\0d", r"\s*([0-9]{1,2})").replace("\0x", ".+?")
    places = sorted("dm", key=letters.index)
    found = texts.str.extract_groups(f"^{pattern}$").struct
    number = {letter: found.field(str(i)).cast(pl.Int32) for i, letter in enumerate(places, 1)}
    if not (number["m"] > _MONTHS).any() or (number["d"] > _MONTHS).any():
        return days
    other = days_as_written(texts, _swapped(form))
    return pl.select(pl.coalesce(other, days)).to_series()


def _swapped(form: str) -> str:
    """Return a format in which the day stands where the month did, and the month where it did."""
    swap = {"d": "%m", "e": "%m", "m": "%d"}
    return re.sub(r"%[-_0]?([dem])", lambda one: swap[one[1]], form)
