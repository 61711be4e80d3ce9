"""Reads CSV and Parquet tables through a mapping as rows for a store; bad rows are rejected."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import polars as pl

from tuppence.bankdata.mapping import Mapping
from tuppence.bankdata.masking import Tokens, masked_texts
from tuppence.bankdata.ownership import owner_columns
from tuppence.bankdata.table_file import REASON, REJECTS, ROW, own_columns, read_raw
from tuppence.cards import masked
from tuppence.facts.currency import minor_digits
from tuppence.facts.identifiers import PROBLEMS
from tuppence.facts.rows import OWNER, POLARS_TYPES, Rows, columns, with_confidence
from tuppence.facts.schema import Field, FieldType, Schema

MAX_TEXT_LENGTH: Final = 1_000
IDENTIFIERS: Final = frozenset({"id", "account", "customer"})
"""Fields of any table that hold identifiers."""
_NUMBER: Final = r"^[+-]?(\d{1,15}(\.\d*)?|\.\d+)$"
_TRUE: Final = ["true", "yes", "y", "1"]
_FALSE: Final = ["false", "no", "n", "0"]


@dataclass(frozen=True, slots=True)
class Owners:
    """The customers and accounts that are stored already.

    Attributes:
        customers: `id`, `currency`.
        accounts: `id`, `customer`, `currency`.
    """

    customers: pl.DataFrame
    accounts: pl.DataFrame


@dataclass(frozen=True, slots=True)
class ParsedTable:
    """The content of a table.

    Attributes:
        rows: The valid rows, with new owners if the mapping names them.
        rejects: `row` (1 is the first after the header), `reason`, the file's own columns without
            card numbers, then the customer and the account that the row is about, null if
            unknown. If the file itself has a column `row` or `reason`, the first two are called
            `row in file` and `reason set aside`; its columns `customer` and `account` get the
            suffix `in the file`.
        count: Number of rows in the file.
    """

    rows: Rows
    rejects: pl.DataFrame
    count: int


def read_table(
    path: Path, mapping: Mapping, schema: Schema, owners: Owners, today: date, tokens: Tokens
) -> ParsedTable:
    """Read a CSV or Parquet file and mask the card numbers in it.

    The file may also be the corrected rejects of an earlier import.

    Args:
        path: The file; Parquet if it ends with `.parquet`, else CSV with a header.
        mapping: Says what its columns mean.
        schema: The fields that a store can hold.
        owners: Customers and accounts that exist.
        today: The latest date that a row may have.
        tokens: Replaces identifiers that hold a card number.

    Raises:
        UserError: The file as a whole cannot be read.
    """
    raw = read_raw(path, mapping)
    fields = mapping.fields(schema)
    frame = raw.with_columns(_source(mapping, name, field) for name, field in fields.items())
    frame = frame.with_columns(pl.coalesce(REASON, *_bad_names(fields)).alias(REASON))
    amount = _money_text(mapping, raw.columns)
    if amount is not None:
        frame = frame.with_columns(amount.alias(_new("amount")))
    frame = _without_cards(frame, fields, tokens)
    frame = _with_owners(frame, mapping, owners)
    whose = owner_columns(mapping, raw[REASON].is_not_null(), _new)
    frame = frame.with_columns(whose).with_columns(digits=_digits())
    frame = _parsed(frame, mapping, fields, today)
    if mapping.table == "transactions" and "id" not in mapping.columns:
        frame = frame.with_columns(_fallback_ids(frame).alias(_new("id")))
    frame = _without_duplicates(frame, mapping.table)
    good = frame.filter(pl.col(REASON).is_null())
    bad = frame.filter(pl.col(REASON).is_not_null())
    rejects = _rejects(bad, mapping, fields, own_columns(raw), tokens)
    return ParsedTable(_rows(good, mapping, schema, owners), rejects, raw.height)


def _rejects(
    bad: pl.DataFrame,
    mapping: Mapping,
    fields: dict[str, Field],
    own: Sequence[str],
    tokens: Tokens,
) -> pl.DataFrame:
    """Return the invalid rows as they are in the file, but without card numbers.

    Identifiers get the same tokens as in the store. Dates and amounts that can be read stay as they
    are, because they are not card numbers.
    """
    whose = {column: field for field, column in mapping.columns.items()}
    sides = (mapping.sign.paid_out, mapping.sign.paid_in)
    whose |= dict.fromkeys(filter(None, sides), "amount")
    cells: list[pl.Series] = []
    for name in own:
        cell, field = bad[name], whose.get(name, "")
        hidden = tokens.of_all(cell) if field in IDENTIFIERS else masked_texts(cell)
        match fields[field].kind if field in fields else None:
            case FieldType.DATE:
                hidden = hidden.zip_with(bad[_new(field)].is_null(), cell)
            case FieldType.MONEY | FieldType.NUMBER:
                number = _unpadded(cell)
                hidden = cell.zip_with(masked_texts(number).eq_missing(number), hidden)
        title = masked(f"{name} in the file" if name in OWNER else name)
        while any(cell.name == title for cell in cells):
            title += "_"
        cells.append(hidden.alias(title))
    row, reason = (ROW, REASON) if {*REJECTS} & {*own} else REJECTS
    owners = [tokens.of_all(bad[_new(name)]).alias(name) for name in OWNER]
    reasons = masked_texts(bad[REASON]).alias(reason)
    return pl.DataFrame([bad[ROW].alias(row), reasons, *cells, *owners])


# -- the fields ------------------------------------------------------------------------------------


def _new(field: str) -> str:
    """Return the name of a field's column, distinct from those of the file's own columns."""
    return f"→{field}"


def _source(mapping: Mapping, name: str, field: Field) -> pl.Expr:
    """Return the text of a field, from its column or a constant, translated; null if blank."""
    if name in mapping.columns:
        text = pl.col(mapping.columns[name]).str.strip_chars()
    else:
        text = pl.lit(mapping.constants.get(name), pl.String)
    if field.kind is FieldType.TEXT and name in mapping.values:
        text = text.replace(mapping.values[name])
    return pl.when(text != "").then(text).alias(_new(name))


def _without_cards(frame: pl.DataFrame, fields: dict[str, Field], tokens: Tokens) -> pl.DataFrame:
    """Mask card numbers in all fields but dates.

    A masked amount is no longer a number, so its row is rejected. A date is either valid, and so
    not a card number, or is masked when its row is rejected.
    """
    changed: list[pl.Series] = []
    for name, field in fields.items():
        text = frame.get_column(_new(name), default=None)
        if text is None or field.kind is FieldType.DATE:
            continue
        if field.kind in {FieldType.MONEY, FieldType.NUMBER}:
            text = _unpadded(text)
        changed.append(tokens.of_all(text) if name in IDENTIFIERS else masked_texts(text))
    return frame.with_columns(changed)


def _unpadded(numbers: pl.Series) -> pl.Series:
    """Return numbers without the leading zeros that a bank may fill a column with."""
    return numbers.str.replace(r"^(\s*[+-]?)0+(\d)", "${1}${2}")


def _bad_names(fields: Collection[str]) -> list[pl.Expr]:
    """Return reasons to reject identifiers; they come before any that quote an identifier."""
    texts = [(n, pl.col(_new(n)).str) for n in ("id", "account", "customer") if n in fields]
    return [_when(text.contains(bad), n, f" {why}") for n, text in texts for bad, why in PROBLEMS]


def _with_owners(frame: pl.DataFrame, mapping: Mapping, owners: Owners) -> pl.DataFrame:
    """Add each row's customer, and the currency of its amounts as `owner currency`."""
    currency = pl.col(_new("currency"))
    if mapping.table == "customers":
        return frame.with_columns(currency.alias("owner currency"))
    if mapping.table == "accounts":
        known = owners.customers.select(pl.col("id").alias(_new("customer")), known="currency")
        frame = frame.join(known, on=_new("customer"), how="left", maintain_order="left")
    else:
        known = owners.accounts.select(
            pl.col("id").alias(_new("account")), owner="customer", known="currency"
        )
        frame = frame.join(known, on=_new("account"), how="left", maintain_order="left")
        customer = pl.col("owner").fill_null(pl.col(_new("customer"))).alias(_new("customer"))
        of_customer = owners.customers.select(pl.col("id").alias(_new("customer")), cash="currency")
        frame = frame.with_columns(customer).join(
            of_customer, on=_new("customer"), how="left", maintain_order="left"
        )
        frame = frame.with_columns(known=pl.col("known").fill_null(pl.col("cash")))
    ownerless: tuple[pl.Expr | str, ...] = ("customer is missing",)
    if mapping.table == "transactions":
        reason = " is not in the store: import the accounts first"
        ownerless = ("account ", pl.col(_new("account")), reason)
    first = currency.drop_nulls().first().over(_new("customer"))
    frame = frame.with_columns(pl.coalesce("known", first).alias("owner currency"))
    other = currency != pl.col("owner currency")
    missing = pl.col("owner currency").is_null()
    return frame.with_columns(
        pl.coalesce(
            REASON,
            _when(pl.col(_new("customer")).is_null(), *ownerless),
            _when(missing, "the currency of customer ", pl.col(_new("customer")), " is not known"),
            _when(other, currency, " where the customer's money is ", pl.col("owner currency")),
        ).alias(REASON)
    )


def _when(bad: pl.Expr, *reason: pl.Expr | str) -> pl.Expr:
    """Return the reason if a row is bad, else null."""
    parts = [pl.lit(part) if isinstance(part, str) else part.fill_null("") for part in reason]
    return pl.when(bad.fill_null(value=False)).then(pl.concat_str(parts))


def _digits() -> pl.Expr:
    """Return the number of minor digits of each row's currency; null if it is no currency."""
    return pl.col("owner currency").map_elements(minor_digits, return_dtype=pl.Int64)


def _money_text(mapping: Mapping, names: Sequence[str]) -> pl.Expr | None:
    """Return the text of the signed amount, or None if the mapping has no rule for signs."""
    sign = mapping.sign
    amount = pl.col(_new("amount"))
    negative = pl.concat_str(pl.lit("-"), amount.str.strip_prefix("+")).str.replace("^--", "")
    if sign.paid_out or sign.paid_in:
        sides = {
            side: pl.col(column).str.strip_chars().replace("", None)
            if (column := getattr(sign, side)) in names
            else pl.lit(None, pl.String)
            for side in ("paid_out", "paid_in")
        }
        out = pl.concat_str(pl.lit("-"), sides["paid_out"].str.strip_prefix("-"))
        return pl.coalesce(out, sides["paid_in"])
    if sign.column:
        marked = pl.col(sign.column).str.strip_chars().is_in(list(sign.out))
        return pl.when(marked).then(negative).otherwise(amount)
    return negative if sign.inverted else None


def _parsed(
    frame: pl.DataFrame, mapping: Mapping, fields: dict[str, Field], today: date
) -> pl.DataFrame:
    """Convert the texts of all fields to values; a row keeps the first reason to reject it."""
    reasons = [pl.col(REASON)]
    values: list[pl.Expr] = []
    for name, field in fields.items():
        text = pl.col(_new(name))
        if not field.nullable and name not in {"sequence", "own transfer", "id"}:
            reasons.append(_when(text.is_null(), f"{name} is missing"))
        if name == "id" and mapping.table != "transactions":
            reasons.append(_when(text.is_null(), "id is missing"))
        value, bad = _value(text, name, field, mapping, today)
        values.append(value.alias(_new(name)))
        reasons.extend(bad)
    reasons.append(_when(pl.col("digits").is_null(), "unknown currency ", pl.col("owner currency")))
    return frame.with_columns(*values, pl.coalesce(reasons).alias(REASON))


def _value(
    text: pl.Expr, name: str, field: Field, mapping: Mapping, today: date
) -> tuple[pl.Expr, list[pl.Expr]]:
    match field.kind:
        case FieldType.TEXT:
            long = text.str.len_chars() > MAX_TEXT_LENGTH
            return text, [_when(long, f"{name} is longer than {MAX_TEXT_LENGTH} characters")]
        case FieldType.DATE:
            return _date(text, name, mapping, today)
        case FieldType.BOOLEAN:
            low = text.str.to_lowercase()
            bad = text.is_not_null() & ~low.is_in(_TRUE + _FALSE)
            value = low.is_in(_TRUE)
            value = value if field.nullable else value.fill_null(value=False)
            return value, [_when(bad, f"{name} is neither true nor false: ", text)]
        case FieldType.MONEY:
            return _decimal(text, name, pl.col("digits"), mapping)
        case FieldType.NUMBER:
            return _decimal(text, name, pl.lit(field.decimals), mapping)


def _date(text: pl.Expr, name: str, mapping: Mapping, today: date) -> tuple[pl.Expr, list[pl.Expr]]:
    kind = pl.Datetime if "%H" in mapping.date_format else pl.Date
    day = text.str.strptime(kind, mapping.date_format, strict=False).cast(pl.Date)
    bad = text.is_not_null() & day.is_null()
    return pl.when(day <= today).then(day).cast(pl.Int32), [
        _when(bad, f"{name} is not a date of the form {mapping.date_format}: ", text),
        _when(day > today, f"{name} is in the future: ", text),
    ]


def _decimal(
    text: pl.Expr, name: str, digits: pl.Expr, mapping: Mapping
) -> tuple[pl.Expr, list[pl.Expr]]:
    """Convert a text to whole units of 10^-digits, exactly, without floats."""
    plain = text.str.replace_all(mapping.grouping, "", literal=True) if mapping.grouping else text
    if mapping.decimal_point != ".":
        plain = plain.str.replace(mapping.decimal_point, ".", literal=True)
    is_number = plain.str.contains(_NUMBER)
    parts = plain.str.strip_chars_start("+-").str.splitn(".", 2).struct
    fraction = parts.field("field_1").fill_null("").str.strip_chars_end("0")
    short = fraction.str.len_chars() <= digits
    whole = parts.field("field_0").cast(pl.Int64, strict=False).fill_null(0)
    tail = pl.concat_str(fraction, pl.lit("000000")).str.slice(0, 6).cast(pl.Int64, strict=False)
    size = whole * pl.lit(10, pl.Int64).pow(digits) + tail // pl.lit(10, pl.Int64).pow(6 - digits)
    value = pl.when(plain.str.starts_with("-")).then(-size).otherwise(size)
    return pl.when(is_number & short).then(value), [
        _when(text.is_not_null() & ~is_number, f"{name} is not a number: ", text),
        _when(is_number & ~short, f"{name} has too many digits after the point: ", text),
    ]


def _fallback_ids(frame: pl.DataFrame) -> pl.Series:
    """Return identifiers made of a row's content and its number among rows of equal content."""
    parts = [_new(n) for n in ("account", "booking date", "amount", "type", "merchant", "text")]
    keys = frame.select(
        pl.concat_str([pl.col(p).cast(pl.String).fill_null("") for p in parts], separator="\x1f")
    ).to_series()
    nth = keys.to_frame("key").select(pl.int_range(pl.len()).over("key")).to_series()
    digests = [hashlib.blake2b(key.encode(), digest_size=9).hexdigest() for key in keys]
    return pl.Series([f"~{d}-{n}" for d, n in zip(digests, nth, strict=True)], dtype=pl.String)


def _without_duplicates(frame: pl.DataFrame, table: str) -> pl.DataFrame:
    key = [_new("account"), _new("id")] if table == "transactions" else [_new("id")]
    first = pl.col(ROW).filter(pl.col(REASON).is_null()).first().over(key)
    again = pl.col(REASON).is_null() & (pl.col(ROW) != first)
    reason = _when(
        again, "duplicate id ", pl.col(key[-1]), ": first in row ", first.cast(pl.String)
    )
    return frame.with_columns(pl.coalesce(REASON, reason).alias(REASON))


# -- the rows --------------------------------------------------------------------------------------


def _rows(good: pl.DataFrame, mapping: Mapping, schema: Schema, owners: Owners) -> Rows:
    """Return the valid rows as tables, with the customers and accounts that they create."""
    if mapping.table == "customers":
        return Rows(customers=_select(good, "customers", schema))
    new = good.filter(~pl.col(_new("customer")).is_in(owners.customers["id"].implode()))
    customers = new.unique(_new("customer"), maintain_order=True).select(
        pl.col(_new("customer")).alias(_new("id")),
        pl.col("owner currency").alias(_new("currency")),
    )
    new_customers = _select(customers, "customers", schema) if customers.height else None
    if mapping.table == "accounts":
        return Rows(new_customers, _select(good, "accounts", schema))
    order = pl.int_range(pl.len())
    order = pl.len().cast(pl.Int64) - 1 - order if mapping.newest_first else order
    good = good.with_columns(order.alias(_new("sequence")))
    unknown = good.filter(~pl.col(_new("account")).is_in(owners.accounts["id"].implode()))
    accounts = unknown.unique(_new("account"), maintain_order=True).select(
        pl.col(_new("account")).alias(_new("id")),
        _new("customer"),
        pl.lit("current").alias(_new("type")),
    )
    new_accounts = _select(accounts, "accounts", schema) if accounts.height else None
    transactions = with_confidence(_select(good, "transactions", schema))
    return Rows(new_customers, new_accounts, transactions)


def _select(frame: pl.DataFrame, table: str, schema: Schema) -> pl.DataFrame:
    """Return the table's columns under their own names; missing columns are null."""
    return frame.select(
        (pl.col(_new(name)) if _new(name) in frame.columns else pl.lit(None))
        .cast(POLARS_TYPES[field.kind])
        .alias(name)
        for name, field in columns(table, schema).items()
    )
