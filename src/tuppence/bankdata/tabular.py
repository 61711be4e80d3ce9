"""CSV and Parquet tables become rows for a store, through a mapping; bad rows are set aside."""

import itertools
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache, partial
from pathlib import Path
from typing import Final

import polars as pl

from tuppence.bankdata.balances import newest_first
from tuppence.bankdata.categories import CATEGORIES
from tuppence.bankdata.cells import (
    IDENTIFIERS,
    REASON,
    cell_of,
    column_of,
    left_out_of,
    parsed,
    reason_where,
    sources,
    unpadded,
    without_cards,
)
from tuppence.bankdata.doubts import (
    balance_doubts,
    header_doubts,
    left_out_doubts,
    opening_doubts,
    sign_doubts,
    word_doubts,
)
from tuppence.bankdata.identity import identifiers
from tuppence.bankdata.mapping import ACCOUNT_TYPE, OPENING_BALANCE, TableMapping, words_of
from tuppence.bankdata.masking import Tokens, masked_texts
from tuppence.bankdata.ownership import owner_columns
from tuppence.bankdata.rejected import Again, again_in_table, never
from tuppence.bankdata.table_file import OWN_REJECTS, REJECTS, Table, position, read_raw
from tuppence.cards import masked
from tuppence.errors import UserError
from tuppence.facts.currency import minor_digits
from tuppence.facts.identifiers import PROBLEMS
from tuppence.facts.rows import OWNER, POLARS_TYPES, Rows, columns, with_confidence
from tuppence.facts.schema import Field, FieldType, Schema

ROW: Final = "row"


@dataclass(frozen=True, slots=True)
class Owners:
    """The customers and accounts that the store already has.

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
        count: Number of rows of the file.
        left_out: Number of rows that the mapping leaves out, by the column and its word.
        doubts: Sentences about what may be wrong with the rows.
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
        meaning: The meaning of its columns.
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
    frame = frame.with_columns(sources(meaning, fields, table))
    frame = frame.with_columns(pl.coalesce(REASON, *_bad_names(fields)).alias(REASON))
    frame = without_cards(frame, meaning, fields, tokens)
    frame = _with_owners(frame, meaning, owners)
    frame = frame.with_columns(owner_columns(meaning, is_ragged, column_of))
    frame = frame.with_columns(digits=_digits(frame["owner currency"]))
    frame = parsed(frame, meaning, fields, today)
    if meaning.table == "transactions":
        frame = frame.with_columns(_identifiers(frame).alias(column_of("id")))
    frame = _without_duplicates(frame, meaning.table)
    good = frame.filter(pl.col(REASON).is_null())
    bad = frame.filter(pl.col(REASON).is_not_null())
    rejects = _rejects(bad, meaning, fields, table, tokens)
    again = again_in_table(cache(partial(_rejects, frame, meaning, fields, table, tokens)))
    if meaning.table == "transactions":
        good = _in_order(good, meaning)
        if OPENING_BALANCE in meaning.constants and not bad.height:
            good = _with_balances(good)
    found = itertools.chain(header_doubts(table.headers), _doubts(good, meaning, bad.height))
    doubts = tuple(map(masked, found))
    rows = _rows(good, meaning, schema, owners)
    return ParsedTable(rows, rejects, table.cells.height, left_out, doubts, again)


def _filtered(
    frame: pl.DataFrame, table: Table, mapping: TableMapping
) -> tuple[pl.DataFrame, tuple[tuple[str, int], ...]]:
    """Return the rows that the mapping wants, and the counts of the others by their words."""
    left_out: list[tuple[str, int]] = []
    for column in dict.fromkeys([*mapping.only, *mapping.without]):
        cell = cell_of(table, column).str.strip_chars().fill_null("")
        low = cell.str.to_lowercase()
        only = [word.strip().lower() for word in mapping.only.get(column, ())]
        without = [word.strip().lower() for word in mapping.without.get(column, ())]
        is_wanted, is_unwanted = low.is_in(only), low.is_in(without)
        if column not in mapping.without:
            is_unwanted = ~is_wanted
        if column in mapping.only and column in mapping.without:
            unknown = ~is_wanted & ~is_unwanted
            reason = reason_where(unknown, f"{column} is in neither only nor without: ", cell)
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
                hidden = hidden.zip_with(bad[column_of(named)].is_null(), cell)
            case FieldType.MONEY | FieldType.NUMBER:
                number = unpadded(cell)
                hidden = cell.zip_with(masked_texts(number).eq_missing(number), hidden)
        title = masked(f"{name} in the file" if name in OWNER else name)
        while any(cell.name == title for cell in cells):
            title += "_"
        cells.append(hidden.alias(title))
    row, reason = OWN_REJECTS if {*REJECTS} & {*table.titles} else REJECTS
    owners = [tokens.of_all(bad[column_of(name)]).alias(name) for name in OWNER]
    reasons = masked_texts(bad[REASON]).alias(reason)
    return pl.DataFrame([bad[ROW].alias(row), reasons, *cells, *owners])


def _doubts(good: pl.DataFrame, mapping: TableMapping, set_aside: int) -> Iterator[str]:
    """Yield the doubts about rows that can be read."""
    known: dict[str, Collection[str]] = {**words_of(mapping)}
    if mapping.table == "transactions":
        known["category"] = CATEGORIES
        sign = mapping.sign
        is_marked = bool(sign.column) or sign.inverted or mapping.has_sides
        amounts = good[column_of("amount")]
        yield from sign_doubts(amounts, is_marked=is_marked)
        if column_of("text") in good.columns:
            yield from opening_doubts(good[column_of("text")], amounts)
        rows = _statement(good)
        for backward in (False, True):
            part = rows.filter(pl.col("backward") == backward)
            yield from balance_doubts(part, backward=backward, set_aside=set_aside)
    for name, words in known.items():
        if name in mapping.columns and column_of(name) in good.columns:
            yield from word_doubts(good[column_of(name)].alias(name), words)
    for name in mapping.translated_only:
        if left_out_of(name) in good.columns:
            yield from left_out_doubts(good[left_out_of(name)].alias(name))
    if OPENING_BALANCE in mapping.constants and good[column_of("balance")].is_null().all():
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
    frame = good.select(pl.col(column_of(field)).alias(name) for name, field in names.items())
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
        sequence.alias(column_of("sequence"))
    )


def _with_balances(good: pl.DataFrame) -> pl.DataFrame:
    """Return rows with the balances that follow from the opening balance of their one account."""
    if good[column_of("account")].n_unique() > 1:
        return good
    since = (
        pl.col(column_of("amount"))
        .sort_by(column_of("booking date"), column_of("sequence"))
        .cum_sum()
    )
    place = pl.struct(column_of("booking date"), column_of("sequence")).rank("ordinal") - 1
    balance = pl.col(column_of(OPENING_BALANCE)) + since.gather(place)
    return good.with_columns(balance.alias(column_of("balance")))


# -- whose they are --------------------------------------------------------------------------------


def _bad_names(fields: Collection[str]) -> list[pl.Expr]:
    """Return reasons against identifiers. They come before those that repeat an identifier."""
    texts = [(n, pl.col(column_of(n)).str) for n in ("id", "account", "customer") if n in fields]
    return [
        reason_where(text.contains(bad), n, f" {why}") for n, text in texts for bad, why in PROBLEMS
    ]


def _with_owners(frame: pl.DataFrame, mapping: TableMapping, owners: Owners) -> pl.DataFrame:
    """Return rows with the currency of their amounts as `owner currency`, and new owners."""
    currency = pl.col(column_of("currency"))
    if mapping.table == "customers":
        return frame.with_columns(currency.alias("owner currency"))
    if mapping.table == "accounts":
        known = owners.customers.select(pl.col("id").alias(column_of("customer")), known="currency")
        frame = frame.join(known, on=column_of("customer"), how="left", maintain_order="left")
    else:
        known = owners.accounts.select(
            pl.col("id").alias(column_of("account")), owner="customer", known="currency"
        )
        frame = frame.join(known, on=column_of("account"), how="left", maintain_order="left")
        others = reason_where(
            pl.col("owner") != pl.col(column_of("customer")),
            "account ", pl.col(column_of("account")), " belongs to customer ", pl.col("owner"),
        )  # fmt: skip
        frame = frame.with_columns(pl.coalesce(REASON, others).alias(REASON))
        customer = (
            pl.col("owner").fill_null(pl.col(column_of("customer"))).alias(column_of("customer"))
        )
        of_customer = owners.customers.select(
            pl.col("id").alias(column_of("customer")), cash="currency"
        )
        frame = frame.with_columns(customer).join(
            of_customer, on=column_of("customer"), how="left", maintain_order="left"
        )
        frame = frame.with_columns(known=pl.col("known").fill_null(pl.col("cash")))
    ownerless: tuple[pl.Expr | str, ...] = ("customer is missing",)
    if mapping.table == "transactions":
        reason = " is not in the store: import the accounts first"
        ownerless = ("account ", pl.col(column_of("account")), reason)
    first = currency.drop_nulls().first().over(column_of("customer"))
    frame = frame.with_columns(pl.coalesce("known", first).alias("owner currency"))
    other = currency != pl.col("owner currency")
    missing = pl.col("owner currency").is_null()
    return frame.with_columns(
        pl.coalesce(
            REASON,
            reason_where(pl.col(column_of("customer")).is_null(), *ownerless),
            reason_where(
                missing, "the currency of customer ", pl.col(column_of("customer")), " is not known"
            ),
            reason_where(
                other, currency, " where the customer's money is ", pl.col("owner currency")
            ),
        ).alias(REASON)
    )


def _digits(currencies: pl.Series) -> pl.Series:
    """Return the digits of the minor unit of each currency; null for an unknown one."""
    digits = {code: minor_digits(code) for code in currencies.drop_nulls().unique()}
    return currencies.replace_strict(digits, default=None, return_dtype=pl.Int64)


def _identifiers(frame: pl.DataFrame) -> pl.Series:
    """Return the identifiers of transactions."""
    names = ("account", "booking date", "amount", "balance", "id")
    given = [
        (pl.col(column_of(n)) if column_of(n) in frame.columns else pl.lit(None, pl.String)).alias(
            n
        )
        for n in names
    ]
    return identifiers(frame.select(*given, pl.col(REASON).is_null().alias("is good")))


def _without_duplicates(frame: pl.DataFrame, table: str) -> pl.DataFrame:
    key = [column_of("account"), column_of("id")] if table == "transactions" else [column_of("id")]
    first = pl.col(ROW).filter(pl.col(REASON).is_null()).first().over(key)
    again = pl.col(REASON).is_null() & (pl.col(ROW) != first)
    reason = reason_where(
        again, "duplicate id ", pl.col(key[-1]), ": first in row ", first.cast(pl.String)
    )
    return frame.with_columns(pl.coalesce(REASON, reason).alias(REASON))


# -- the rows --------------------------------------------------------------------------------------


def _rows(good: pl.DataFrame, mapping: TableMapping, schema: Schema, owners: Owners) -> Rows:
    """Return the good rows as tables, and the customers and accounts that they bring into being."""
    if mapping.table == "customers":
        return Rows(customers=_select(good, "customers", schema))
    new = good.filter(~pl.col(column_of("customer")).is_in(owners.customers["id"].implode()))
    customers = new.unique(column_of("customer"), maintain_order=True).select(
        pl.col(column_of("customer")).alias(column_of("id")),
        pl.col("owner currency").alias(column_of("currency")),
    )
    made = _select(customers, "customers", schema) if customers.height else None
    if mapping.table == "accounts":
        return Rows(made, _select(good, "accounts", schema))
    unknown = good.filter(~pl.col(column_of("account")).is_in(owners.accounts["id"].implode()))
    accounts = unknown.unique(column_of("account"), maintain_order=True).select(
        pl.col(column_of("account")).alias(column_of("id")),
        column_of("customer"),
        pl.col(column_of(ACCOUNT_TYPE)).fill_null("current").alias(column_of("type")),
    )
    held = _select(accounts, "accounts", schema) if accounts.height else None
    return Rows(made, held, with_confidence(_select(good, "transactions", schema)))


def _select(frame: pl.DataFrame, table: str, schema: Schema) -> pl.DataFrame:
    """Return the table's columns under their own names; those that were not given are null."""
    return frame.select(
        (pl.col(column_of(name)) if column_of(name) in frame.columns else pl.lit(None))
        .cast(POLARS_TYPES[field.kind])
        .alias(name)
        for name, field in columns(table, schema).items()
    )
