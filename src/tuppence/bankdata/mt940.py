"""Statements in MT940 of SWIFT, read with the library mt-940.

The library reads one transaction at a time here, so that one that is malformed does not take the
others with it. It logs what it reads, so its log is off.
"""

import io
import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import mt940

from tuppence.bankdata.exports import Decoded, FileDefaults, text_of
from tuppence.bankdata.records import (
    TWICE,
    Account,
    Balance,
    Booking,
    InvalidItem,
    Item,
    Money,
    Record,
    ignore,
    moment_of,
    refuse,
)
from tuppence.errors import UserError

ENDINGS: Final = (".sta", ".mt940", ".940")
_STATEMENT: Final = re.compile(r"^(?=:20:)", re.MULTILINE)
_TRANSACTION: Final = re.compile(r"^(?=:61:)", re.MULTILINE)
_AFTER: Final = re.compile(r"^(?=:6[2345][FM]?:)", re.MULTILINE)
_WHOLE_ROW: Final = re.compile(r":61:\d{6}(?:\d{4})?[A-Z]{1,3}\d[\d,]*(?!\s*[\d.,'])")
_WHOLE_BALANCE: Final = re.compile(r"^:62F:[A-Z]\d{6}[A-Z]{3}\d[\d,]*\s*$", re.MULTILINE)
"""Match lines of which the library reads the whole amount; it stops at a point without a word."""
_MAX_LENGTH: Final = 4_000
_TYPES: Final[Mapping[str, str]] = {
    "NDDT": "direct debit",
    "NSTO": "standing order",
    "NTRF": "transfer",
    "NCHG": "fee",
    "NCOM": "fee",
    "NINT": "interest",
}
"""Ways of payment by the type codes of the standard; others say too little."""
_NO_AMOUNT: Final = "its amount does not consist of digits and a decimal comma"
_NAMES: Final = ("applicant_name", "purpose", "additional_purpose", "transaction_details")


def decode(path: Path, data: bytes, given: FileDefaults) -> Decoded:
    """Return the statements of a file: the lines before, of and after its transactions.

    Raises:
        UserError: It has no statement.
    """
    text, doubts = text_of(path, data, given)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    statements = [part for part in _STATEMENT.split(text) if part.startswith(":20:")]
    if not statements:
        raise UserError("file.mt940", f"{path}: this is not MT940: no line begins with :20:")
    return Decoded([_parts(one) for one in statements], doubts)


def _parts(statement: str) -> dict[str, Any]:
    head, *rows = _TRANSACTION.split(statement)
    last = rows.pop() if rows else head
    row, *after = _AFTER.split(last)
    if rows or last != head:
        rows.append(row)
    else:
        head = row
    return {"head": head, "rows": rows, "after": "".join(after)}


def items(content: list[dict[str, Any]]) -> Iterator[Item]:
    """Find the accounts, balances and transactions of a file."""
    seen: set[tuple[str, ...]] = set()
    for number, one in enumerate(content, 1):
        place, head = f"statement {number}", one["head"]
        whole = (head.partition(":25:")[2], *one["rows"], one["after"])  # :20: names the message
        if whole in seen:
            yield Item(place, {}, ignore(TWICE))
            continue
        seen.add(whole)
        if len(head) > _MAX_LENGTH or len(one["after"]) > _MAX_LENGTH:
            yield Item(place, {}, refuse(f"a part of it is longer than {_MAX_LENGTH:,} characters"))
            continue
        yield Item(f"{place}, :25:", {"text": head + one["after"]}, _account)
        for row, text in enumerate(one["rows"], 1):
            is_cut = row == len(one["rows"]) and not one["after"] and number == len(content)
            read = (
                refuse("the file ends in this row, without a closing balance") if is_cut else None
            )
            known = {"text": text, "head": head}
            yield Item(f"{place}, :61: number {row}", known, read or _transaction)
        yield Item(f"{place}, :62F:", {"text": head + one["after"]}, _balance)


def _account(content: Any) -> Iterator[Record]:
    found = _read(content["text"])
    yield Account(_number_of(found), "current", found.currency)


def _balance(content: Any) -> Iterator[Record]:
    found = _read(content["text"])
    closing = found.data.get("final_closing_balance")
    if closing is not None:
        if not _WHOLE_BALANCE.search(content["text"]):
            raise InvalidItem(_NO_AMOUNT)
        day = moment_of(closing.date.isoformat())
        money = Money(f"{closing.amount.amount:f}", closing.amount.currency)
        yield Balance(_number_of(found), day, money)


def _transaction(content: Any) -> Iterator[Record]:
    if len(content["text"]) > _MAX_LENGTH:
        raise InvalidItem(f"it is longer than {_MAX_LENGTH:,} characters")
    found = _read(content["head"] + content["text"])
    if len(found) != 1:
        raise InvalidItem("this is no transaction")
    if not _WHOLE_ROW.match(content["text"]):
        raise InvalidItem(_NO_AMOUNT)
    row = found[0].data
    day = row.get("entry_date") or row.get("date")
    money = row.get("amount")
    if day is None or money is None or not found.currency:
        raise InvalidItem("the day, the amount or the currency is missing")
    told = [" ".join(row[name].split()) for name in _NAMES if row.get(name)]
    yield Booking(
        _number_of(found),
        None,
        moment_of(day.isoformat()),
        Money(f"{money.amount:f}", found.currency),
        " ".join(dict.fromkeys(told)) or None,
        type=_TYPES.get((row.get("id") or "").strip()),
    )


def _read(text: str) -> mt940.models.Transactions:
    """Read the lines of a statement.

    Raises:
        InvalidItem: A line does not have the form that its tag requires.
    """
    log = logging.getLogger("mt940")
    log.propagate = False  # it has no handler, so nothing of the text is logged
    log.handlers = [logging.NullHandler()]
    try:
        return mt940.parse(io.StringIO(text), options=mt940.Options.all())
    except (RuntimeError, ValueError, ArithmeticError, KeyError, TypeError, AttributeError):
        raise InvalidItem("a line does not have the form that its tag requires") from None


def _number_of(found: mt940.models.Transactions) -> str:
    number = found.data.get("account_identification")
    if not number:
        raise InvalidItem(":25: is missing, so the account is not known")
    return str(number).strip()
