"""OFX and QFX files: statements of accounts and cards in versions 1 (SGML) and 2 (XML).

Their tags are read one by one; there are no entities besides those of single characters.
"""

import codecs
import html
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from tuppence.bankdata.columns import LONE
from tuppence.bankdata.exports import Decoded, FileDefaults, plain_number, text_of
from tuppence.bankdata.records import (
    TWICE,
    Account,
    Balance,
    Booking,
    IgnoredItem,
    InvalidItem,
    Item,
    Money,
    Record,
    elements,
    given_id,
    ignore,
    moment_of,
    optional,
    refuse,
    required,
)
from tuppence.errors import UserError
from tuppence.facts.currency import minor_digits

ENDINGS: Final = (".ofx", ".qfx")
_TAG: Final = re.compile(r"<(/?)([A-Za-z0-9_.]{1,40})>([^<]*)")
_DAY: Final = re.compile(r"(\d{4})(\d\d)(\d\d)(?:\D|\d\d|$)")
_MAX_DEPTH: Final = 40
_ACCOUNTS: Final = {
    "CHECKING": "current",
    "SAVINGS": "savings",
    "MONEYMRKT": "savings",
    "CD": "savings",
    "CREDITLINE": "loan",
}
_TYPES: Final[Mapping[str, str]] = {
    "INT": "interest",
    "FEE": "fee",
    "SRVCHG": "fee",
    "ATM": "cash",
    "CASH": "cash",
    "POS": "card",
    "XFER": "transfer",
    "DIRECTDEBIT": "direct debit",
    "REPEATPMT": "standing order",
}
_PENDING: Final = "HOLD"
_THOUSANDTHS: Final = 3
MAX_HEADER: Final = 1_000
"""Bytes in which a header of version 1 is looked for."""
_CHARSET: Final = re.compile(rb"\bCHARSET:\s*([\w-]+)|<\?xml\b[^>]*\bencoding=[\"']([\w-]+)")


def decode(path: Path, data: bytes, given: FileDefaults) -> Decoded:
    """Return the elements of a file: texts, or objects, or lists where a name is repeated.

    Raises:
        UserError: It has no OFX element, or is too deep.
    """
    text, doubts = text_of(path, data, given, "" if given.encoding else _charset(path, data))
    start = text.upper().find("<OFX>")
    if start < 0:
        raise UserError("file.ofx", f"{path}: this is not an OFX file: it has no <OFX>")
    body = text[start:]
    closed = {name.upper() for name in re.findall(r"</([A-Za-z0-9_.]{1,40})>", body)}
    if "OFX" not in closed:
        message = f"{path}: the file is cut off: </OFX> is missing"
        raise UserError("file.ofx", message, "download it again")
    root: dict[str, Any] = {}
    open_: list[tuple[str, dict[str, Any]]] = [("", root)]
    for found in _TAG.finditer(body):
        is_end, name, value = bool(found[1]), found[2].upper(), html.unescape(found[3]).strip()
        if is_end:
            names = [one for one, _ in open_]
            if name in names[1:]:
                while open_.pop()[0] != name:
                    pass
        elif value or name not in closed:
            _add(open_[-1][1], name, value)
        else:
            if len(open_) > _MAX_DEPTH:
                raise UserError(
                    "file.ofx", f"{path}: more than {_MAX_DEPTH} elements in one another"
                )
            element: dict[str, Any] = {}
            _add(open_[-1][1], name, element)
            open_.append((name, element))
    return Decoded(root, doubts)


def _add(parent: dict[str, Any], name: str, value: Any) -> None:
    before = parent.get(name)
    if before is None:
        parent[name] = value
    elif isinstance(before, list):
        before.append(value)
    else:
        parent[name] = [before, value]


def items(content: dict[str, Any]) -> Iterator[Item]:
    """Find the accounts, balances and transactions of a file."""
    number, seen = 0, set[str]()
    for message, response, body, owner in (
        ("BANKMSGSRSV1", "STMTTRNRS", "STMTRS", "BANKACCTFROM"),
        ("CREDITCARDMSGSRSV1", "CCSTMTTRNRS", "CCSTMTRS", "CCACCTFROM"),
    ):
        for root in elements(content, "OFX"):
            for part in elements(root, message):
                for one in elements(part, response):
                    for statement in elements(one, body):
                        number += 1
                        place, whole = f"{body}[{number}]", json.dumps(statement)
                        if whole in seen:
                            yield Item(place, {}, ignore(TWICE))
                            continue
                        seen.add(whole)
                        yield from _statement(place, statement, owner)
    if not number:
        reason = "this file has no statement of an account or a card"
        yield Item("", {}, refuse(reason))


def _statement(place: str, statement: Any, owner: str) -> Iterator[Item]:
    accounts = elements(statement, owner)
    known = {
        "account": accounts[0] if accounts else None,
        "card": owner.startswith("CC"),
        "CURDEF": optional(statement, "CURDEF"),
    }
    yield Item(f"{place}.{owner}", known, _account)
    for balance in elements(statement, "LEDGERBAL"):
        yield Item(f"{place}.LEDGERBAL", {**known, "of": balance}, _balance)
    rows = [
        row for part in elements(statement, "BANKTRANLIST") for row in elements(part, "STMTTRN")
    ]
    for number, row in enumerate(rows, 1):
        yield Item(f"{place}.STMTTRN[{number}]", {**known, "of": row}, _transaction)


def _account(content: Any) -> Iterator[Record]:
    kind = (optional(content, "account", "ACCTTYPE") or "").upper()
    own = "credit card" if content["card"] else _ACCOUNTS.get(kind, "current")
    yield Account(_number_of(content), own, content["CURDEF"])


def _balance(content: Any) -> Iterator[Record]:
    day = _day(required(content, "of", "DTASOF"), "DTASOF")
    yield Balance(_number_of(content), day, _money(content, "BALAMT"))


def _transaction(content: Any) -> Iterator[Record]:
    row = content["of"]
    kind = (optional(row, "TRNTYPE") or "").upper()
    if kind == _PENDING:
        yield IgnoredItem("pending transactions")
        return
    names = (optional(row, "NAME"), optional(row, "PAYEE", "NAME"), optional(row, "MEMO"))
    told = list(dict.fromkeys(name for name in names if name))
    foreign = optional(row, "ORIGCURRENCY", "CURSYM")
    yield Booking(
        _number_of(content),
        given_id(row, "FITID"),
        _day(required(row, "DTPOSTED"), "DTPOSTED"),
        _money(content, "TRNAMT"),
        " ".join(told) or None,
        type=_TYPES.get(kind),
        foreign_currency=foreign,
    )


def _money(content: Any, name: str) -> Money:
    currency = optional(content, "of", "CURRENCY", "CURSYM") or content["CURDEF"]
    if not currency:
        raise InvalidItem("CURDEF is missing, so the currency is not known")
    text, code = required(content, "of", name).strip(), currency.upper()
    has_thousandths = minor_digits(code) == _THOUSANDTHS and "." in text
    if LONE.fullmatch(text.lstrip("+-0 \u00a0")) and not has_thousandths:
        raise InvalidItem(f"{name} can be read with decimals and without: {text}")
    return Money(plain_number(text), code)


def _day(text: str, name: str) -> str:
    """Return the day that a moment names, as the bank writes it, whatever its time zone."""
    found = _DAY.match(text)
    if found is None:
        raise InvalidItem(f"{name} is not a date: {text}")
    return moment_of(f"{found[1]}-{found[2]}-{found[3]}")


def _number_of(content: Any) -> str:
    return required(content, "account", "ACCTID")


def _charset(path: Path, data: bytes) -> str:
    """Return the encoding that the header names, such as 1252 or ISO-8859-1; empty if none.

    Raises:
        UserError: There is no such encoding.
    """
    found = _CHARSET.search(data[:MAX_HEADER])
    name = (found[1] or found[2]).decode() if found else "NONE"
    if name == "NONE":
        return ""
    used = f"cp{name}" if name.isdigit() else name
    try:
        return codecs.lookup(used).name
    except LookupError:
        message = f"{path}: there is no encoding {name}"
        raise UserError("file.encoding", message, "name the right one with --encoding") from None
