"""The cells of a table become the values of fields; those that cannot be read get a reason."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

import polars as pl

from tuppence.bankdata.amounts import Amounts, read_amounts
from tuppence.bankdata.categories import ACCOUNT_TYPES
from tuppence.bankdata.dates import read_days
from tuppence.bankdata.mapping import Sum, TableMapping, words_of
from tuppence.bankdata.masking import Tokens, masked_texts
from tuppence.bankdata.signs import Signed, by_sides, by_sign, by_word, total
from tuppence.bankdata.table_file import Table, position
from tuppence.facts.schema import Field, FieldType

MAX_TEXT_LENGTH: Final = 1_000
IDENTIFIERS: Final = frozenset({"id", "account", "customer"})
"""Fields that name somebody or something, in whichever table."""
REASON: Final = "reason"
_TRUE: Final = ["true", "yes", "y", "1"]
_FALSE: Final = ["false", "no", "n", "0"]


def column_of(field: str) -> str:
    """Return the column of a field; the file's own columns may be called the same."""
    return f"→{field}"


def left_out_of(field: str) -> str:
    """Return the column of the words of a field that the mapping does not translate."""
    return f"→{field} left out"


def cell_of(table: Table, column: str) -> pl.Expr:
    """Return the texts of a column of the file."""
    return pl.col(str(position(table.titles, column)))


def parts_of(mapping: TableMapping, name: str) -> dict[str, str]:
    """Return the frame's columns that a number is made of, and the file's columns of each."""
    source = mapping.columns.get(name)
    if name == "amount" and mapping.has_sides:
        sides = {"out": mapping.sign.paid_out, "in": mapping.sign.paid_in}
        return {column_of(f"{name} {side}"): column for side, column in sides.items()}
    if isinstance(source, Sum):
        return {
            column_of(f"{name} {i}"): column for i, column in enumerate(mapping.columns_of(name))
        }
    return {column_of(name): source} if isinstance(source, str) else {}


def sources(mapping: TableMapping, fields: dict[str, Field], table: Table) -> Iterator[pl.Expr]:
    """Yield the text of each field, translated, with blanks as null; a number comes in parts."""
    if mapping.sign.column:
        yield cell_of(table, mapping.sign.column).alias("sign word")
    for name, field in fields.items():
        columns = [cell_of(table, column).str.strip_chars() for column in mapping.columns_of(name)]
        blank = pl.lit(None, pl.String)
        if field.kind in {FieldType.MONEY, FieldType.NUMBER} and (parts := parts_of(mapping, name)):
            for part, column in parts.items():
                text = cell_of(table, column).str.strip_chars() if column else blank
                yield pl.when(text != "").then(text).alias(part)
            if column_of(name) not in parts:
                yield blank.alias(column_of(name))
            continue
        if not columns:
            text = pl.lit(mapping.constants.get(name), pl.String)
        elif len(columns) == 1:
            text = columns[0]
        else:
            filled = [pl.when(column != "").then(column) for column in columns]
            text = pl.concat_str(filled, separator=" ", ignore_nulls=True)
        if name in mapping.patterns:
            text = text.str.extract(mapping.patterns[name], 1)
        if field.kind is FieldType.TEXT and name in mapping.values:
            if name in mapping.translated_only:
                is_left = (text != "") & ~text.is_in([*mapping.values[name]])
                yield pl.when(is_left).then(text).alias(left_out_of(name))
                text = pl.when(~is_left).then(text)
            text = text.replace(mapping.values[name])
        yield pl.when(text != "").then(text).alias(column_of(name))


def without_cards(
    frame: pl.DataFrame, mapping: TableMapping, fields: dict[str, Field], tokens: Tokens
) -> pl.DataFrame:
    """Return the fields without card numbers; an amount that may be one is no number any more.

    A date is left to be read: it is then a day, or else is masked where it is set aside.
    """
    changed: list[pl.Series] = []
    for name, field in fields.items():
        if field.kind in {FieldType.MONEY, FieldType.NUMBER}:
            parts = parts_of(mapping, name) or [column_of(name)]
            changed += [masked_texts(unpadded(frame[part])) for part in parts]
        elif field.kind is not FieldType.DATE:
            text = frame[column_of(name)]
            changed.append(tokens.of_all(text) if name in IDENTIFIERS else masked_texts(text))
    return frame.with_columns(changed)


def unpadded(numbers: pl.Series) -> pl.Series:
    """Return numbers without the leading zeros that pad a column."""
    return numbers.str.replace(r"^(\s*[+-]?)0+(\d)", "${1}${2}")


def reason_where(bad: pl.Expr, *reason: pl.Expr | str) -> pl.Expr:
    """Return the reason where a row is bad, else null."""
    parts = [pl.lit(part) if isinstance(part, str) else part.fill_null("") for part in reason]
    return pl.when(bad.fill_null(value=False)).then(pl.concat_str(parts))


def parsed(
    frame: pl.DataFrame, mapping: TableMapping, fields: dict[str, Field], today: date
) -> pl.DataFrame:
    """Return the fields' texts as the store's values; a row keeps the first reason against it."""
    reasons: list[pl.Series | pl.Expr] = [pl.col(REASON)]
    numbers = [
        part
        for name, field in fields.items()
        if field.kind in {FieldType.MONEY, FieldType.NUMBER, FieldType.DATE}
        for part in parts_of(mapping, name) or [column_of(name)]
    ]  # in rows that are set aside already, they are no evidence of how the others are written
    frame = frame.with_columns(pl.when(pl.col(REASON).is_null()).then(pl.col(numbers)))
    values: list[pl.Series] = []
    for name, field in fields.items():
        is_given = [*parts_of(mapping, name)] or [column_of(name)]
        if not field.nullable and name not in {"own transfer", "id"}:
            absent = pl.all_horizontal(pl.col(is_given).is_null())
            reasons.append(reason_where(absent, f"{name} is missing"))
        if name == "id" and mapping.table != "transactions":
            reasons.append(reason_where(pl.col(column_of(name)).is_null(), "id is missing"))
        value, bad = _value(frame, name, field, mapping, today)
        values.append(value.alias(column_of(name)))
        reasons.extend(bad)
    money = reason_where(pl.col("digits").is_null(), "unknown currency ", pl.col("owner currency"))
    reason = frame.select(pl.coalesce(*reasons, money)).to_series()
    frame = frame.with_columns(*values, reason.alias(REASON))
    if mapping.table != "transactions":
        return frame
    foreign = pl.col(column_of("foreign currency"))
    return frame.with_columns(pl.when(foreign != pl.col("owner currency")).then(foreign))


def _value(
    frame: pl.DataFrame, name: str, field: Field, mapping: TableMapping, today: date
) -> Signed:
    """Return the values of a field, and columns of reasons against them."""
    text = pl.col(column_of(name))
    match field.kind:
        case FieldType.TEXT:
            long = text.str.len_chars() > MAX_TEXT_LENGTH
            bad = [reason_where(long, f"{name} is longer than {MAX_TEXT_LENGTH} characters")]
            if words_of(mapping).get(name) == ACCOUNT_TYPES:
                strange = text.is_not_null() & ~text.is_in(ACCOUNT_TYPES)
                bad.append(
                    reason_where(strange, f"{name} is none of {', '.join(ACCOUNT_TYPES)}: ", text)
                )
            return frame[column_of(name)], bad
        case FieldType.DATE:
            return read_days(frame[column_of(name)], name, mapping.date_format, today)
        case FieldType.BOOLEAN:
            low = text.str.to_lowercase()
            strange = text.is_not_null() & ~low.is_in(_TRUE + _FALSE)
            value = low.is_in(_TRUE)
            value = value if field.nullable else value.fill_null(value=False)
            reason = reason_where(strange, f"{name} is neither true nor false: ", text)
            return frame.select(value).to_series(), [reason]
        case FieldType.MONEY:
            return _number(frame, name, mapping, frame["digits"], frame["owner currency"])
        case FieldType.NUMBER:
            digits = pl.Series([field.decimals] * frame.height, dtype=pl.Int64)
            return _number(frame, name, mapping, digits, None)


def _number(
    frame: pl.DataFrame,
    name: str,
    mapping: TableMapping,
    digits: pl.Series,
    currency: pl.Series | None,
) -> Signed:
    """Return exact whole units of 10^-digits; never by way of a float."""
    parts = [
        read_amounts(frame[part], name, mapping.separators, digits, currency)
        for part in parts_of(mapping, name) or [column_of(name)]
    ]
    if name != "amount" or mapping.table != "transactions":
        whole = _summed(mapping, name, parts)
        return whole.signed(), [whole.reasons]
    if mapping.has_sides:
        return by_sides(*parts)
    whole = _summed(mapping, name, parts)
    if mapping.sign.column:
        return by_word(whole, mapping.sign, frame["sign word"])
    return by_sign(whole, mapping.sign)


def _summed(mapping: TableMapping, name: str, parts: Sequence[Amounts]) -> Amounts:
    """Return the parts of a number as one."""
    source = mapping.columns.get(name)
    if not isinstance(source, Sum):
        return parts[0]
    return total(parts[: len(source.add)], parts[len(source.add) :])
