"""The mapping file: how the columns of somebody's table become fields of ours."""

import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, Literal

import msgspec
import polars as pl

from tuppence.bankdata.amounts import GROUPINGS, POINTS, Separators
from tuppence.bankdata.categories import ACCOUNT_TYPES, CATEGORIES, TRANSACTION_TYPES
from tuppence.bankdata.dates import check_format
from tuppence.errors import UserError
from tuppence.facts.rows import columns
from tuppence.facts.schema import Field, FieldType, Schema
from tuppence.structured import Document, read_yaml

_LETTER: Final = re.compile("%[-_0]?(.)")
DATE_LETTERS: Final = "YymbBdejFHIMSfTzZp%"
BY_NUMBER: Final = re.compile("column ([1-9][0-9]{0,3})")
"""Matches the name of a column by its place in a row."""

_NO_CONSTANTS: Final[Mapping[str, str]] = {}
ACCOUNT_TYPE: Final = "account type"
OPENING_BALANCE: Final = "opening balance"
EXTRA: Final[Mapping[str, tuple[Field, ...]]] = {
    "customers": (),
    "accounts": (Field("currency", FieldType.TEXT, "Currency of a new customer, ISO 4217."),),
    "transactions": (
        Field("customer", FieldType.TEXT, "Identifier of the owner of a new account."),
        Field("currency", FieldType.TEXT, "Currency of the amount, ISO 4217."),
        Field(ACCOUNT_TYPE, FieldType.TEXT, "Type of a new account; `current` if omitted."),
        Field(
            OPENING_BALANCE,
            FieldType.MONEY,
            "Constant: the balance before the first row of a file that has no balances.",
        ),
    ),
}
"""Fields that a mapping may give besides the table's own, to create the owners of its rows."""
_MEANT: Final[Mapping[str, str]] = {
    **dict.fromkeys(("description", "details", "memo", "narrative", "reference"), "text"),
    **dict.fromkeys(("payee", "counterparty"), "merchant"),
    "value": "amount",
}
"""Banks' words for our fields, where they differ from the names."""
_OUT: Final = (
    "out dr d debit debet débit debe dbit soll s af uit addebito cargo débito minus - withdrawal"
)
_IN: Final = "in cr c credit crédit haber crdt haben h bij accredito abono crédito plus + deposit"
SIGN_WORDS: Final[Mapping[str, bool]] = {
    **dict.fromkeys(_IN.split(), False),
    **dict.fromkeys(_OUT.split(), True),
}
"""Words of many banks in small letters, and whether each means money out."""


class Sum(msgspec.Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """An amount that is spread over several columns.

    Attributes:
        add: Columns to add; an empty cell is 0.
        subtract: Columns to subtract, such as a fee.
    """

    add: tuple[str, ...]
    subtract: tuple[str, ...] = ()


class Sign(msgspec.Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """The marks of money out, if its amounts are not negative.

    One of: `column`, with `out` and `in`; `inverted`; `paid_out` and `paid_in`. A row is set aside
    if the meaning of its word or sign is not certain.

    Attributes:
        column: Column with a word for money out or money in, in upper or lower case.
        out: Words for money out, in addition to the common ones below.
        in_: Words for money in, in addition to the common ones below.
        inverted: Whether positive amounts are money out.
        paid_out: Column of money out; an empty cell or 0 means none.
        paid_in: Column of money in; an empty cell or 0 means none.
    """

    column: str = ""
    out: tuple[str, ...] = ()
    in_: tuple[str, ...] = msgspec.field(default=(), name="in")
    inverted: bool = False
    paid_out: str = ""
    paid_in: str = ""

    def words(self) -> dict[str, bool]:
        """Return the words in small letters, and whether each means money out."""
        given = {word.strip().casefold(): False for word in self.in_}
        given |= {word.strip().casefold(): True for word in self.out}
        return {**SIGN_WORDS, **given}


class TableMapping(msgspec.Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """A mapping file.

    Attributes:
        table: The table that the rows belong to: `customers`, `accounts` or `transactions`.
        columns: For each field, the column that holds it, by its title (in any letters) or as
            `column 3`; or a list of columns, whose texts are joined with a blank; or, for an
            amount, a sum of columns. A file has no header if all its columns are named by number.
        constants: For each field, a value that holds for every row.
        values: For each field, translations of the bank's words, as `the bank's word: our word`.
            Other words stay.
        patterns: For text fields, a regular expression with one group. The group is the text, and
            there is none where the expression does not match. It comes before `values`.
        translated_only: Text fields whose other words are left out and reported as a doubt.
        only: For each column, the words of the rows that are imported, in upper or lower case.
        without: For each column, the words of the rows that are skipped, in upper or lower case.
        sign: The marks of money out; if omitted, amounts of money out are negative.
        date_format: Format of dates, in the notation of strftime.
        decimal_point: The character before the decimals of a number, `.` or `,`. If omitted, an
            amount that can be read in two ways, such as 1.234, is set aside.
        grouping: The character between thousands: `.`, `,`, `'` or a blank. If omitted, it may be
            any of them.
        delimiter: The character between the fields of a CSV file.
        encoding: The encoding of a CSV file. If omitted, UTF-16 and a byte order mark are
            recognised.
        preamble: Number of lines before the header. If omitted, the header is the first line that
            has all the columns.
        footer: Number of lines after the last row.
        newest_first: Whether the file lists the newest rows of a day first. If omitted, the order
            of the dates decides.
    """

    table: Literal["customers", "accounts", "transactions"]
    columns: dict[str, str | tuple[str, ...] | Sum]
    constants: dict[str, str] = {}
    values: dict[str, dict[str, str]] = {}
    patterns: dict[str, str] = {}
    translated_only: tuple[str, ...] = ()
    only: dict[str, tuple[str, ...]] = {}
    without: dict[str, tuple[str, ...]] = {}
    sign: Sign = Sign()
    date_format: str = "%Y-%m-%d"
    decimal_point: str = ""
    grouping: str = ""
    delimiter: str = ","
    encoding: str = "utf-8"
    preamble: int | None = None
    footer: int = 0
    newest_first: bool | None = None

    def fields(self, schema: Schema) -> dict[str, Field]:
        """Return the fields that rows of this mapping can have."""
        extra = {field.name: field for field in EXTRA[self.table]}
        stored = columns(self.table, schema)
        stored.pop("sequence", None)  # follows from the order of the rows
        return stored | extra

    def sources(self) -> dict[str, str]:
        """Return every column that is read, with the place in the mapping that names it."""
        named: dict[str, str] = {}
        for field in self.columns:
            for column in self.columns_of(field):
                named.setdefault(column, f"columns.{field}")
        for key in ("column", "paid_out", "paid_in"):
            if getattr(self.sign, key):
                named.setdefault(getattr(self.sign, key), f"sign.{key}")
        for column in self.only:
            named.setdefault(column, "only")
        for column in self.without:
            named.setdefault(column, "without")
        return named

    def columns_of(self, field: str) -> tuple[str, ...]:
        """Return the columns that a field is made of."""
        match self.columns.get(field, ()):
            case str() as column:
                return (column,)
            case Sum(add, subtract):
                return (*add, *subtract)
            case joined:
                return joined

    @property
    def separators(self) -> Separators:
        """The characters in its numbers, as far as it names them."""
        return Separators(self.decimal_point, self.grouping.replace("\u00a0", " "))

    @property
    def has_sides(self) -> bool:
        """True if money out and money in stand in two columns."""
        return bool(self.sign.paid_out or self.sign.paid_in)


def with_constants(
    mapping: TableMapping, constants: Mapping[str, str], path: object
) -> TableMapping:
    """Return a mapping with other constants, which win over its own.

    Args:
        mapping: Any mapping.
        constants: Values by field.
        path: Name of the mapping in errors.

    Raises:
        UserError: The mapping takes one of the fields from a column.
    """
    for field in constants:
        if field in mapping.columns:
            columns = " and ".join(mapping.columns_of(field))
            message = f"{path}: {field} comes from the column {columns}, not from an option"
            raise UserError("mapping.format", message, "leave the option out, or the column")
    return msgspec.structs.replace(mapping, constants={**mapping.constants, **constants})


def read_mapping(
    path: Path, schema: Schema, constants: Mapping[str, str] = _NO_CONSTANTS
) -> TableMapping:
    """Read and check a mapping file.

    Args:
        path: The file.
        schema: The fields that a store can hold.
        constants: Values for fields, which win over those of the file.

    Raises:
        UserError: It cannot be read, has a key, a field or a word that does not exist, or lacks a
            field that is required.
    """
    document = read_yaml(path, TableMapping)
    mapping = with_constants(document.value, constants, path)
    fields = mapping.fields(schema)
    for key in ("columns", "constants", "values", "patterns"):
        for name in getattr(mapping, key):
            if name not in fields:
                raise _unknown(document, key, name, fields)
    given = {*mapping.columns, *mapping.constants}
    if mapping.has_sides:
        given.add("amount")
    for name in mapping.translated_only:
        if name not in mapping.values:
            message = f"{path}: translated_only names {name}, which has no translations"
            raise UserError("mapping.format", message, f"add values: {{{name}: ...}}")
    for name in needed(mapping, fields):
        if name not in given:
            message = f"{path}: no column or constant for {name}, which {mapping.table} must have"
            raise UserError("mapping.incomplete", message, f"add {name}: under columns")
    _check_words(document)
    for problem in _problems(mapping, fields):
        raise UserError("mapping.format", f"{path}: {problem}")
    return mapping


def needed(mapping: TableMapping, fields: Mapping[str, Field]) -> list[str]:
    """Return the fields that a column or a constant must give.

    Args:
        mapping: Its table decides.
        fields: All fields that it can have.
    """
    optional = {"own transfer"}
    if mapping.table == "transactions":
        optional.add("id")
    return [n for n, field in fields.items() if not field.nullable and n not in optional]


def _unknown(
    document: Document[TableMapping], key: str, name: str, fields: dict[str, Field]
) -> UserError:
    line, column = document.position((key, name))
    message = f"{document.path}:{line}:{column}: {document.value.table} have no field {name!r}"
    return UserError("mapping.unknown-field", message, nearest(name, fields))


def nearest(word: str, known: Collection[str]) -> str:
    """Return a hint that names the word that was probably meant, or else all of them."""
    plain = word.replace("_", " ").casefold()
    if _MEANT.get(plain) in known:
        return f"did you mean {_MEANT[plain]}?"
    close = difflib.get_close_matches(plain, known, 1)
    close += [one for one in known if plain in one.split()]
    return f"did you mean {close[0]}?" if close else f"there is {', '.join(known)}"


def words_of(mapping: TableMapping) -> dict[str, tuple[str, ...]]:
    """Return the fields that have words of their own, and these words."""
    if mapping.table == "accounts":
        return {"type": ACCOUNT_TYPES}
    if mapping.table == "transactions":
        return {"type": TRANSACTION_TYPES, ACCOUNT_TYPE: ACCOUNT_TYPES}
    return {}


def _check_words(document: Document[TableMapping]) -> None:
    """Check the words that the mapping itself gives: types, and categories that are misspelt."""
    mapping = document.value
    known = words_of(mapping)
    for place, field, word in _own_words(mapping):
        misspelt = field == "category" and word not in CATEGORIES and _close(word, CATEGORIES)
        if not misspelt and (field not in known or word in known[field]):
            continue
        line, column = document.position(place)
        words = CATEGORIES if misspelt else known[field]
        hint = nearest(word, words)
        if field == "type" and mapping.table == "transactions" and word in ACCOUNT_TYPES:
            hint = f"the type of an account is called {ACCOUNT_TYPE}"
        message = f"{document.path}:{line}:{column}: {word!r} is not a {field} of {mapping.table}"
        raise UserError("mapping.unknown-word", message, hint)


def why_not_pattern(pattern: str) -> str:
    """Return the fault of a regular expression that should have one group; empty if it has none."""
    try:
        groups = pl.Series([""]).str.extract_groups(pattern).struct.fields
    except pl.exceptions.PolarsError as error:
        return f"not a regular expression: {str(error).splitlines()[-1]}"
    return "" if len(groups) == 1 else f"it has {len(groups)} groups, not one"


def _close(word: str, known: Iterable[str]) -> bool:
    return bool(difflib.get_close_matches(word.casefold(), [*known], 1, 0.8))


def _own_words(mapping: TableMapping) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Yield the place, the field and the word of each word of ours."""
    for field, word in mapping.constants.items():
        yield ("constants", field), field, word
    for field, words in mapping.values.items():
        for theirs, word in words.items():
            yield ("values", field, theirs), field, word


def _problems(mapping: TableMapping, fields: dict[str, Field]) -> Iterator[str]:
    """Yield the faults of the mapping's options."""
    letters = _LETTER.findall(mapping.date_format)
    grouping = mapping.separators.grouping
    if len(mapping.delimiter.encode()) != 1:
        yield 'delimiter must be one character; a tab is written as "\\t"'
    if mapping.delimiter in {'"', "\n", "\r"}:
        yield "delimiter must not be a quotation mark or a line end"
    if mapping.decimal_point not in {"", *POINTS}:
        yield "decimal_point must be . or ,"
    if grouping not in {"", *GROUPINGS} or (grouping and grouping == mapping.decimal_point):
        yield "grouping must be . or , or ' or a blank, another than decimal_point"
    if not {*letters} & {*"dejF"}:
        yield "date_format needs letters such as %Y-%m-%d"
    if unknown := {*letters} - {*DATE_LETTERS}:
        yield f"date_format knows no %{min(unknown)}"
    if "z" in letters[:-1] or ("z" in letters and not mapping.date_format.endswith("%z")):
        yield "date_format must end with %z if it has it"
    if (mapping.preamble or 0) < 0 or mapping.footer < 0:
        yield "preamble and footer are numbers of lines, 0 or more"
    sign = mapping.sign
    if sum((bool(sign.column), sign.inverted, mapping.has_sides)) > 1:
        yield "sign must be one of column, inverted, or paid_out and paid_in"
    if (sign.out or sign.in_) and not sign.column:
        yield "sign has words and no column: add column:"
    if both := {*map(str.casefold, sign.out)} & {*map(str.casefold, sign.in_)}:
        yield f"sign has {min(both)!r} as a word for money out and for money in"
    if mapping.has_sides and "amount" in mapping.columns:
        yield "columns.amount and sign.paid_out or paid_in both say where the amount stands"
    if OPENING_BALANCE in mapping.columns or (
        OPENING_BALANCE in mapping.constants and "balance" in mapping.columns
    ):
        yield f"{OPENING_BALANCE} is a constant, for a file that has no balances"
    for name, pattern in mapping.patterns.items():
        if fields[name].kind is not FieldType.TEXT or name not in mapping.columns:
            yield f"patterns.{name}: only a text field with a column can have a pattern"
        if problem := why_not_pattern(pattern):
            yield f"patterns.{name}: {problem}"
    for name, source in mapping.columns.items():
        if isinstance(source, Sum) and fields[name].kind not in {FieldType.MONEY, FieldType.NUMBER}:
            yield f"columns.{name} is no number, so it cannot be a sum: write a list of columns"
        if isinstance(source, tuple) and fields[name].kind in {FieldType.MONEY, FieldType.NUMBER}:
            yield f"columns.{name} is a number: write {{add: [...]}} for a sum of columns"
        if not mapping.columns_of(name):
            yield f"columns.{name} names no column"
    try:
        check_format(mapping.date_format)
    except ValueError as error:
        yield f"date_format cannot be used: {error}"
    try:
        "".encode(mapping.encoding)
    except (LookupError, UnicodeError):
        yield f"there is no encoding {mapping.encoding}"
