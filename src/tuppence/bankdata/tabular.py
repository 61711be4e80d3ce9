"""CSV and Parquet tables become rows for a store, through a mapping; bad rows are set aside.

One module because the steps from texts to rows share the columns of one frame.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache, partial
from pathlib import Path
from typing import Final

import polars as pl

from tuppence.bankdata.amounts import Amounts, read_amounts
from tuppence.bankdata.balances import newest_first
from tuppence.bankdata.categories import ACCOUNT_TYPES, CATEGORIES
from tuppence.bankdata.dates import read_days
from tuppence.bankdata.doubts import balance_doubts, left_out_doubts, sign_doubts, word_doubts
from tuppence.bankdata.identity import identifiers
from tuppence.bankdata.mapping import ACCOUNT_TYPE, OPENING_BALANCE, Sum, words_of
from tuppence.bankdata.mapping import Mapping as TableMapping
from tuppence.bankdata.masking import Tokens, masked_texts
from tuppence.bankdata.ownership import owner_columns
from tuppence.bankdata.rejected import Again, again_in_table, never
from tuppence.bankdata.signs import Signed, by_sides, by_sign, by_word, total
from tuppence.bankdata.table_file import OWN_REJECTS, REJECTS, Table, position, read_raw
from tuppence.cards import masked
from tuppence.errors import UserError
from tuppence.facts.currency import minor_digits
from tuppence.facts.identifiers import PROBLEMS
from tuppence.facts.rows import OWNER, POLARS_TYPES, Rows, columns, with_confidence
from tuppence.facts.schema import Field, FieldType, Schema

MAX_TEXT_LENGTH: Final = 1_000
IDENTIFIERS: Final = frozenset({"id", "account", "customer"})
"""Fields that name somebody or something, in whichever table."""
ROW: Final = "row"
REASON: Final = "reason"
_TRUE: Final = ["true", "yes", "y", "1"]
_FALSE: Final = ["false", "no", "n", "0"]


@dataclass(frozen=True, slots=True)
class Owners:
    """Who is in the store already.

    Attributes:
        customers: `id`, `currency`.
        accounts: `id`, `customer`, `currency`.
    """

    customers: pl.DataFrame
    accounts: pl.DataFrame


@dataclass(frozen=True, slots=True)
class ParsedTable:
    """The outcome of reading a file.

    Attributes:
        rows: The good ones, with new owners where the mapping names them.
        rejects: `row` (1 is the first after the header), `reason`, the file's own columns without
            card numbers, then the customer and the account that the row is about, null where it is
            not known. Where the file has columns of these names, ours are `row in file` and
            `reason set aside`, and the file's are followed by `in the file`.
        count: How many rows the file has.
        left_out: How many rows the mapping leaves out, by the column and its word.
        doubts: What may be wrong with the rows, a sentence each.
        again: Tells which rows of earlier rejects this file has, too.
    """

    rows: Rows
    rejects: pl.DataFrame
    count: int
    left_out: tuple[tuple[str, int], ...] = ()
    doubts: tuple[str, ...] = ()
    again: Again = never


def read_table(
    path: Path, meaning: TableMapping, schema: Schema, owners: Owners, today: date, tokens: Tokens
) -> ParsedTable:
    """Read a CSV or Parquet file, in which card numbers are masked.

    Rejects of an earlier import may be given as the file, after they were corrected.

    Args:
        path: The file; Parquet by its ending, else CSV.
        meaning: What its columns mean.
        schema: The fields that a store can hold.
        owners: Customers and accounts that exist.
        today: No row may be dated later.
        tokens: Names for identifiers that hold a card number.

    Raises:
        UserError: The file as a whole cannot be read.
    """
    table = read_raw(path, meaning)
    fields = meaning.fields(schema)
    frame = table.cells.with_columns(
        table.reasons.alias(REASON), pl.int_range(1, pl.len() + 1).alias(ROW)
    )
    is_ragged = frame[REASON].is_not_null()
    frame, left_out = _filtered(frame, table, meaning)
    if not frame.height:
        message = f"{path}: all {table.cells.height:,} rows are skipped"
        raise UserError("import.all-left-out", message, "check only and without in the mapping")
    is_ragged = is_ragged.gather(frame[ROW] - 1)
    frame = frame.with_columns(_sources(meaning, fields, table))
    frame = frame.with_columns(pl.coalesce(REASON, *_bad_names(fields)).alias(REASON))
    frame = _without_cards(frame, meaning, fields, tokens)
    frame = _with_owners(frame, meaning, owners)
    frame = frame.with_columns(owner_columns(meaning, is_ragged, _new))
    frame = frame.with_columns(digits=_digits(frame["owner currency"]))
    frame = _parsed(frame, meaning, fields, today)
    if meaning.table == "transactions":
        frame = frame.with_columns(_identifiers(frame).alias(_new("id")))
    frame = _without_duplicates(frame, meaning.table)
    good = frame.filter(pl.col(REASON).is_null())
    bad = frame.filter(pl.col(REASON).is_not_null())
    rejects = _rejects(bad, meaning, fields, table, tokens)
    again = again_in_table(cache(partial(_rejects, frame, meaning, fields, table, tokens)))
    if meaning.table == "transactions":
        good = _in_order(good, meaning)
        if OPENING_BALANCE in meaning.constants and not bad.height:
            good = _with_balances(good)
    doubts = tuple(masked(one) for one in _doubts(good, meaning, bad.height))
    rows = _rows(good, meaning, schema, owners)
    return ParsedTable(rows, rejects, table.cells.height, left_out, doubts, again)


def _filtered(
    frame: pl.DataFrame, table: Table, mapping: TableMapping
) -> tuple[pl.DataFrame, tuple[tuple[str, int], ...]]:
    """Return the rows that the mapping wants, and the counts of the others by their words."""
    left_out: list[tuple[str, int]] = []
    for column in dict.fromkeys([*mapping.only, *mapping.without]):
        cell = _cell(table, column).str.strip_chars().fill_null("")
        low = cell.str.to_lowercase()
        only = [word.strip().lower() for word in mapping.only.get(column, ())]
        without = [word.strip().lower() for word in mapping.without.get(column, ())]
        is_wanted, is_unwanted = low.is_in(only), low.is_in(without)
        if column not in mapping.without:
            is_unwanted = ~is_wanted
        if column in mapping.only and column in mapping.without:
            unknown = ~is_wanted & ~is_unwanted
            reason = _when(unknown, f"{column} is in neither only nor without: ", cell)
            frame = frame.with_columns(pl.coalesce(REASON, reason).alias(REASON))
        is_left = pl.col(REASON).is_null() & is_unwanted
        words = masked_texts(frame.filter(is_left).select(word=cell)["word"])
        for word, count in words.value_counts(sort=True).iter_rows():
            left_out.append((f"{column}: {word}", count))
        frame = frame.filter(~is_left)
    return frame, tuple(left_out)


def _rejects(
    bad: pl.DataFrame,
    mapping: TableMapping,
    fields: dict[str, Field],
    table: Table,
    tokens: Tokens,
) -> pl.DataFrame:
    """Return the rows that cannot be imported, as in the file except for card numbers.

    Identifiers are named as in the store. Dates and amounts that can be read stay: they are no
    card numbers.
    """
    whose = {
        position(table.titles, column): name
        for name in mapping.columns
        for column in mapping.columns_of(name)
    }
    sides = filter(None, (mapping.sign.paid_out, mapping.sign.paid_in))
    whose |= {position(table.titles, side): "amount" for side in sides}
    cells: list[pl.Series] = []
    for place, name in enumerate(table.titles):
        cell, named = bad[str(place)], whose.get(place, "")
        hidden = tokens.of_all(cell) if named in IDENTIFIERS else masked_texts(cell)
        match fields[named].kind if named in fields else None:
            case FieldType.DATE:
                hidden = hidden.zip_with(bad[_new(named)].is_null(), cell)
            case FieldType.MONEY | FieldType.NUMBER:
                number = _unpadded(cell)
                hidden = cell.zip_with(masked_texts(number).eq_missing(number), hidden)
        title = masked(f"{name} in the file" if name in OWNER else name)
        while any(cell.name == title for cell in cells):
            title += "_"
        cells.append(hidden.alias(title))
    row, reason = OWN_REJECTS if {*REJECTS} & {*table.titles} else REJECTS
    owners = [tokens.of_all(bad[_new(name)]).alias(name) for name in OWNER]
    reasons = masked_texts(bad[REASON]).alias(reason)
    return pl.DataFrame([bad[ROW].alias(row), reasons, *cells, *owners])


def _doubts(good: pl.DataFrame, mapping: TableMapping, set_aside: int) -> Iterator[str]:
    """Yield what may be wrong with rows that can be read."""
    known: dict[str, Collection[str]] = {**words_of(mapping)}
    if mapping.table == "transactions":
        known["category"] = CATEGORIES
        sign = mapping.sign
        is_marked = bool(sign.column) or sign.inverted or mapping.has_sides
        yield from sign_doubts(good[_new("amount")], is_marked=is_marked)
        rows = _statement(good)
        for backward in (False, True):
            part = rows.filter(pl.col("backward") == backward)
            yield from balance_doubts(part, backward=backward, set_aside=set_aside)
    for name, words in known.items():
        if name in mapping.columns and _new(name) in good.columns:
            yield from word_doubts(good[_new(name)].alias(name), words)
    for name in mapping.translated_only:
        if _left(name) in good.columns:
            yield from left_out_doubts(good[_left(name)].alias(name))
    if OPENING_BALANCE in mapping.constants and good[_new("balance")].is_null().all():
        yield (
            f"the {OPENING_BALANCE} gives no balances, because "
            + (
                f"{set_aside:,} rows were set aside"
                if set_aside
                else "the rows have other accounts"
            )
        )


def _statement(good: pl.DataFrame) -> pl.DataFrame:
    """Return the account, day, amount and balance of rows, and `backward` where that is known."""
    names = {"account": "account", "day": "booking date", "amount": "amount", "balance": "balance"}
    frame = good.select(pl.col(_new(field)).alias(name) for name, field in names.items())
    return frame.with_columns(good["backward"]) if "backward" in good.columns else frame


def _in_order(good: pl.DataFrame, mapping: TableMapping) -> pl.DataFrame:
    """Return rows with their `sequence`, and `backward` where later rows of a day stand first."""
    if mapping.newest_first is None:
        backward = newest_first(_statement(good))
    else:
        backward = pl.Series([mapping.newest_first] * good.height, dtype=pl.Boolean)
    place = pl.int_range(pl.len(), dtype=pl.Int64)
    last = pl.len().cast(pl.Int64) - 1
    sequence = pl.when("backward").then(last - place).otherwise(place)
    return good.with_columns(backward.alias("backward")).with_columns(
        sequence.alias(_new("sequence"))
    )


def _with_balances(good: pl.DataFrame) -> pl.DataFrame:
    """Return rows with the balances that follow from the opening balance of their one account."""
    if good[_new("account")].n_unique() > 1:
        return good
    since = pl.col(_new("amount")).sort_by(_new("booking date"), _new("sequence")).cum_sum()
    place = pl.struct(_new("booking date"), _new("sequence")).rank("ordinal") - 1
    balance = pl.col(_new(OPENING_BALANCE)) + since.gather(place)
    return good.with_columns(balance.alias(_new("balance")))


# -- the fields ------------------------------------------------------------------------------------


def _new(field: str) -> str:
    """Return the column of a field; the file's own columns may be called the same."""
    return f"→{field}"


def _left(field: str) -> str:
    """Return the column of the words of a field that the mapping does not translate."""
    return f"→{field} left out"


def _cell(table: Table, column: str) -> pl.Expr:
    """Return the texts of a column of the file."""
    return pl.col(str(position(table.titles, column)))


def _parts(mapping: TableMapping, name: str) -> dict[str, str]:
    """Return the frame's columns that a number is made of, and the file's columns of each."""
    source = mapping.columns.get(name)
    if name == "amount" and mapping.has_sides:
        sides = {"out": mapping.sign.paid_out, "in": mapping.sign.paid_in}
        return {_new(f"{name} {side}"): column for side, column in sides.items()}
    if isinstance(source, Sum):
        return {_new(f"{name} {i}"): column for i, column in enumerate(mapping.columns_of(name))}
    return {_new(name): source} if isinstance(source, str) else {}


def _sources(mapping: TableMapping, fields: dict[str, Field], table: Table) -> Iterator[pl.Expr]:
    """Yield the text of each field, translated, blank as null; that of a number in its parts."""
    if mapping.sign.column:
        yield _cell(table, mapping.sign.column).alias("sign word")
    for name, field in fields.items():
        columns = [_cell(table, column).str.strip_chars() for column in mapping.columns_of(name)]
        blank = pl.lit(None, pl.String)
        if field.kind in {FieldType.MONEY, FieldType.NUMBER} and (parts := _parts(mapping, name)):
            for part, column in parts.items():
                text = _cell(table, column).str.strip_chars() if column else blank
                yield pl.when(text != "").then(text).alias(part)
            if _new(name) not in parts:
                yield blank.alias(_new(name))
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
                yield pl.when(is_left).then(text).alias(_left(name))
                text = pl.when(~is_left).then(text)
            text = text.replace(mapping.values[name])
        yield pl.when(text != "").then(text).alias(_new(name))


def _without_cards(
    frame: pl.DataFrame, mapping: TableMapping, fields: dict[str, Field], tokens: Tokens
) -> pl.DataFrame:
    """Return the fields without card numbers; an amount that may be one is no number any more.

    A date is left to be read: it is then a day, or else is masked where it is set aside.
    """
    changed: list[pl.Series] = []
    for name, field in fields.items():
        if field.kind in {FieldType.MONEY, FieldType.NUMBER}:
            parts = _parts(mapping, name) or [_new(name)]
            changed += [masked_texts(_unpadded(frame[part])) for part in parts]
        elif field.kind is not FieldType.DATE:
            text = frame[_new(name)]
            changed.append(tokens.of_all(text) if name in IDENTIFIERS else masked_texts(text))
    return frame.with_columns(changed)


def _unpadded(numbers: pl.Series) -> pl.Series:
    """Return numbers without the zeros that a bank fills a column with."""
    return numbers.str.replace(r"^(\s*[+-]?)0+(\d)", "${1}${2}")


def _bad_names(fields: Collection[str]) -> list[pl.Expr]:
    """Return reasons against identifiers. They come before those that repeat an identifier."""
    texts = [(n, pl.col(_new(n)).str) for n in ("id", "account", "customer") if n in fields]
    return [_when(text.contains(bad), n, f" {why}") for n, text in texts for bad, why in PROBLEMS]


def _with_owners(frame: pl.DataFrame, mapping: TableMapping, owners: Owners) -> pl.DataFrame:
    """Return rows with the currency of their amounts as `owner currency`, and new owners."""
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
        others = _when(
            pl.col("owner") != pl.col(_new("customer")),
            "account ", pl.col(_new("account")), " belongs to customer ", pl.col("owner"),
        )  # fmt: skip
        frame = frame.with_columns(pl.coalesce(REASON, others).alias(REASON))
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
    """Return the reason where a row is bad, else null."""
    parts = [pl.lit(part) if isinstance(part, str) else part.fill_null("") for part in reason]
    return pl.when(bad.fill_null(value=False)).then(pl.concat_str(parts))


def _digits(currencies: pl.Series) -> pl.Series:
    """Return the digits of the minor unit of each currency; null for an unknown one."""
    digits = {code: minor_digits(code) for code in currencies.drop_nulls().unique()}
    return currencies.replace_strict(digits, default=None, return_dtype=pl.Int64)


def _parsed(
    frame: pl.DataFrame, mapping: TableMapping, fields: dict[str, Field], today: date
) -> pl.DataFrame:
    """Return the fields' texts as the store's values; a row keeps the first reason against it."""
    reasons: list[pl.Series | pl.Expr] = [pl.col(REASON)]
    numbers = [
        part
        for name, field in fields.items()
        if field.kind in {FieldType.MONEY, FieldType.NUMBER, FieldType.DATE}
        for part in _parts(mapping, name) or [_new(name)]
    ]  # in rows that are set aside already, they are no evidence of how the others are written
    frame = frame.with_columns(pl.when(pl.col(REASON).is_null()).then(pl.col(numbers)))
    values: list[pl.Series] = []
    for name, field in fields.items():
        is_given = [*_parts(mapping, name)] or [_new(name)]
        if not field.nullable and name not in {"own transfer", "id"}:
            absent = pl.all_horizontal(pl.col(is_given).is_null())
            reasons.append(_when(absent, f"{name} is missing"))
        if name == "id" and mapping.table != "transactions":
            reasons.append(_when(pl.col(_new(name)).is_null(), "id is missing"))
        value, bad = _value(frame, name, field, mapping, today)
        values.append(value.alias(_new(name)))
        reasons.extend(bad)
    money = _when(pl.col("digits").is_null(), "unknown currency ", pl.col("owner currency"))
    reason = frame.select(pl.coalesce(*reasons, money)).to_series()
    frame = frame.with_columns(*values, reason.alias(REASON))
    if mapping.table != "transactions":
        return frame
    foreign = pl.col(_new("foreign currency"))
    return frame.with_columns(pl.when(foreign != pl.col("owner currency")).then(foreign))


def _value(
    frame: pl.DataFrame, name: str, field: Field, mapping: TableMapping, today: date
) -> Signed:
    """Return the values of a field, and columns of reasons against them."""
    text = pl.col(_new(name))
    match field.kind:
        case FieldType.TEXT:
            long = text.str.len_chars() > MAX_TEXT_LENGTH
            bad = [_when(long, f"{name} is longer than {MAX_TEXT_LENGTH} characters")]
            if words_of(mapping).get(name) == ACCOUNT_TYPES:
                strange = text.is_not_null() & ~text.is_in(ACCOUNT_TYPES)
                bad.append(_when(strange, f"{name} is none of {', '.join(ACCOUNT_TYPES)}: ", text))
            return frame[_new(name)], bad
        case FieldType.DATE:
            return read_days(frame[_new(name)], name, mapping.date_format, today)
        case FieldType.BOOLEAN:
            low = text.str.to_lowercase()
            strange = text.is_not_null() & ~low.is_in(_TRUE + _FALSE)
            value = low.is_in(_TRUE)
            value = value if field.nullable else value.fill_null(value=False)
            reason = _when(strange, f"{name} is neither true nor false: ", text)
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
        for part in _parts(mapping, name) or [_new(name)]
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


def _identifiers(frame: pl.DataFrame) -> pl.Series:
    """Return the identifiers of transactions."""
    names = ("account", "booking date", "amount", "balance", "id")
    given = [
        (pl.col(_new(n)) if _new(n) in frame.columns else pl.lit(None, pl.String)).alias(n)
        for n in names
    ]
    return identifiers(frame.select(*given, pl.col(REASON).is_null().alias("is good")))


def _without_duplicates(frame: pl.DataFrame, table: str) -> pl.DataFrame:
    key = [_new("account"), _new("id")] if table == "transactions" else [_new("id")]
    first = pl.col(ROW).filter(pl.col(REASON).is_null()).first().over(key)
    again = pl.col(REASON).is_null() & (pl.col(ROW) != first)
    reason = _when(
        again, "duplicate id ", pl.col(key[-1]), ": first in row ", first.cast(pl.String)
    )
    return frame.with_columns(pl.coalesce(REASON, reason).alias(REASON))


# -- the rows --------------------------------------------------------------------------------------


def _rows(good: pl.DataFrame, mapping: TableMapping, schema: Schema, owners: Owners) -> Rows:
    """Return the good rows as tables, and the customers and accounts that they bring into being."""
    if mapping.table == "customers":
        return Rows(customers=_select(good, "customers", schema))
    new = good.filter(~pl.col(_new("customer")).is_in(owners.customers["id"].implode()))
    customers = new.unique(_new("customer"), maintain_order=True).select(
        pl.col(_new("customer")).alias(_new("id")),
        pl.col("owner currency").alias(_new("currency")),
    )
    made = _select(customers, "customers", schema) if customers.height else None
    if mapping.table == "accounts":
        return Rows(made, _select(good, "accounts", schema))
    unknown = good.filter(~pl.col(_new("account")).is_in(owners.accounts["id"].implode()))
    accounts = unknown.unique(_new("account"), maintain_order=True).select(
        pl.col(_new("account")).alias(_new("id")),
        _new("customer"),
        pl.col(_new(ACCOUNT_TYPE)).fill_null("current").alias(_new("type")),
    )
    held = _select(accounts, "accounts", schema) if accounts.height else None
    return Rows(made, held, with_confidence(_select(good, "transactions", schema)))


def _select(frame: pl.DataFrame, table: str, schema: Schema) -> pl.DataFrame:
    """Return the table's columns under their own names; those that were not given are null."""
    return frame.select(
        (pl.col(_new(name)) if _new(name) in frame.columns else pl.lit(None))
        .cast(POLARS_TYPES[field.kind])
        .alias(name)
        for name, field in columns(table, schema).items()
    )
