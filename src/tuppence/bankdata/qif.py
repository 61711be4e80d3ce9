"""QIF files of accounts and cards, as bookkeeping programs write them.

The format has neither currency nor identifiers, and no form of dates. The dates of all records
decide how they are read; if they do not, a person has to say it.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import polars as pl

from tuppence.bankdata.amounts import Separators
from tuppence.bankdata.columns import LONE, OPENING, Column, date_readings, in_order, separators_of
from tuppence.bankdata.dates import check_format, days_as_written
from tuppence.bankdata.exports import Decoded, FileDefaults, plain_number, text_of
from tuppence.bankdata.records import (
    Account,
    Booking,
    IgnoredItem,
    InvalidItem,
    Item,
    Money,
    Record,
    ignore,
    refuse,
)
from tuppence.errors import UserError

ENDINGS: Final = (".qif",)
_KINDS: Final = {
    "bank": "current",
    "cash": "current",
    "ccard": "credit card",
    "oth a": "current",
    "oth l": "loan",
}
"""Types of accounts, by the word after `!Type:`."""
_FORMATS: Final = (
    "%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d/%m/%y", "%m/%d/%y", "%d.%m.%Y", "%d.%m.%y", "%d-%m-%Y",
    "%m-%d-%Y", "%d %b %Y",
)  # fmt: skip
_MAX_LINES: Final = 2_000_000
_HALF: Final = 0.5
_CUT: Final = "cut"
"""The key of a record that the file ends in; those of fields are letters."""


def decode(path: Path, data: bytes, given: FileDefaults) -> Decoded:
    """Return the records of a file, each with its account, its day and its amount.

    Raises:
        UserError: It is not QIF, or its dates, its amounts, its account or its currency are not
            certain.
    """
    text, doubts = text_of(path, data, given)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if len(lines) > _MAX_LINES:
        raise UserError("file.large", f"{path}: more than {_MAX_LINES:,} lines")
    records = list(_records(lines, given.account))
    if not records:
        message = f"{path}: this is not a QIF file: it has no records under !Type:"
        raise UserError("file.qif", message)
    rows = [one for one in records if one["kind"] in _KINDS]
    if rows and not all(one["account"] for one in rows):
        raise UserError("import.undecided", f"{path}: the file names no account", "give --account")
    if rows and not given.currency:
        message = f"{path}: the file names no currency"
        raise UserError("import.undecided", message, "give --currency, such as GBP")
    whole = [one for one in rows if _CUT not in one]  # a part of a record is no evidence
    form = _form(path, [one["D"] for one in whole if one.get("D")], given)
    amounts = [one["T"] for one in whole if one.get("T")]
    found = separators_of([_column(amounts)])
    is_open = any(LONE.fullmatch(one.lstrip("+-0 \u00a0")) for one in amounts)
    if found is None or (is_open and not found.point):
        message = f"{path}: the amounts can be read with a decimal point or with a decimal comma"
        raise UserError("import.undecided", message, "save the file with two decimals in each")
    return Decoded([_told(one, form, found, given.currency) for one in records], doubts)


def _column(amounts: list[str]) -> Column:
    texts = pl.Series(amounts, dtype=pl.String)
    return Column("T", "amount", "", texts, is_date=False, is_number=True)


def _records(lines: list[str], account: str) -> Iterator[dict[str, Any]]:
    """Yield the fields of each record by their letter, with the account that it is under."""
    kind, record, is_account = "", dict[str, Any](), False
    for line in lines:
        text = line.strip()
        if text.startswith("!"):
            header = text[1:].casefold()
            is_account = header == "account"
            if header.startswith("type:"):
                kind = header.removeprefix("type:").strip()
            record = {}
        elif text.startswith("^"):
            if is_account:
                account = record.get("N", account)
            elif record and kind:
                yield {**record, "kind": kind, "account": account}
            record = {}
        elif text:
            record.setdefault(text[0], text[1:].strip())
    if record and kind and not is_account:
        yield {**record, "kind": kind, "account": account, _CUT: True}


def _form(path: Path, dates: list[str], given: FileDefaults) -> str:
    """Return the form of dates.

    Raises:
        UserError: They can be read in several ways, or in none.
    """
    formats = (given.date_format,) if given.date_format else _FORMATS
    try:
        check_format(formats[0])
    except ValueError as error:
        raise UserError("mapping.format", f"--date-format cannot be used: {error}") from None
    texts = pl.Series([_plain_date(one) for one in dates], dtype=pl.String)
    readings = date_readings(texts, formats, given.today, _HALF)
    if len(readings) > 1:
        ordered = [form for form, days in readings.items() if in_order(days)]
        readings = {form: readings[form] for form in (ordered if len(ordered) == 1 else readings)}
    if len(readings) == 1 or not dates:
        return next(iter(readings), _FORMATS[0])
    if readings:
        message = f"{path}: the dates can be read as {' and as '.join(readings)}"
        hint = f"give --date-format '{next(iter(readings))}', or the other"
        raise UserError("import.undecided", message, hint)
    message = f"{path}: the dates, such as {dates[0]}, have no known form"
    raise UserError("file.qif", message, "give --date-format, such as '%d/%m/%Y'")


def _plain_date(text: str) -> str:
    """Return a date without the blanks and the apostrophe of some programs: 6/ 4'26 is 6/4/26."""
    return re.sub(r"\s*([/'.-])\s*", lambda found: found[1].replace("'", "/"), text).strip()


def _told(
    record: dict[str, Any], form: str, separators: Separators, currency: str
) -> dict[str, Any]:
    """Return a record with its day in ISO 8601 and its amount with a decimal point."""
    day = days_as_written(pl.Series([_plain_date(record.get("D", ""))]), form).cast(pl.Date)[0]
    amount = plain_number(record.get("T", ""), separators.point)
    return {**record, "day": day and day.isoformat(), "amount": amount, "currency": currency}


def items(content: list[dict[str, Any]]) -> Iterator[Item]:
    """Find the accounts and transactions of a file."""
    accounts: set[str] = set()
    for number, record in enumerate(content, 1):
        place = f"record {number}"
        if record["kind"] not in _KINDS:
            yield Item(place, record, ignore(f"records of the type {record['kind']}"))
            continue
        if record["account"] not in accounts:
            accounts.add(record["account"])
            yield Item(place, record, _account)
        # Without the mark, the rejected record is recognised when the whole file is imported.
        read = refuse("the file ends in this record, without ^") if _CUT in record else _transaction
        yield Item(place, {k: v for k, v in record.items() if k != _CUT}, read)


def _account(record: Any) -> Iterator[Record]:
    yield Account(record["account"], _KINDS[record["kind"]], record["currency"])


def _transaction(record: Any) -> Iterator[Record]:
    if " ".join(str(record.get("P", "")).split()).casefold() in OPENING:
        yield IgnoredItem("opening balances")
        return
    if not record["day"]:
        raise InvalidItem(f"D is not a date of the form of the others: {record.get('D', '')}")
    if not record["amount"]:
        raise InvalidItem("T, the amount, is missing")
    told = list(dict.fromkeys(record[key] for key in "PM" if record.get(key)))
    yield Booking(
        record["account"],
        None,
        record["day"],
        Money(record["amount"], record["currency"]),
        " ".join(told) or None,
    )
