"""Statements in camt.053 of ISO 20022, versions 2 to 13 of the message.

A document type definition is refused, so no entity can expand or read another file. Only booked
entries count. A batch is one entry, since the balance changes once.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from xml.parsers import expat

from tuppence.bankdata.exports import Decoded, FileDefaults, text_of
from tuppence.bankdata.open_banking import ACCOUNT_TYPES, PAYMENT_TYPES
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
    given_id,
    ignore,
    moment_of,
    refuse,
)
from tuppence.errors import UserError

ENDINGS: Final = (".xml", ".camt")
_MAX_DEPTH: Final = 40
_TEXT: Final = "#"
_CLOSING: Final = "CLBD"
_OTHER_TYPES: Final = {"CHRG": "fee", "FEES": "fee", "INTR": "interest"}
_OF_MESSAGE: Final = frozenset({"Id", "CreDtTm"})
"""Elements that name a statement; they differ if it is sent again."""
Element = Mapping[str, Any]
"""An element of XML: its text, its attributes as `@name`, and lists of its children by name."""


def decode(path: Path, data: bytes, given: FileDefaults) -> Decoded:
    """Return the elements of a file.

    Raises:
        UserError: It is not XML, has a document type definition, or is too deep.
    """
    root: dict[str, Any] = {}
    open_: list[dict[str, Any]] = [root]
    parser = expat.ParserCreate("utf-8" if given.encoding else None)
    if given.encoding:  # in place of the one that the file names
        data = text_of(path, data, given)[0].encode()

    def start(name: str, attributes: dict[str, str]) -> None:
        if len(open_) > _MAX_DEPTH:
            raise UserError("file.xml", f"{path}: more than {_MAX_DEPTH} elements in one another")
        element: dict[str, Any] = {f"@{key}": value for key, value in attributes.items()}
        open_[-1].setdefault(name.rpartition(":")[2], []).append(element)
        open_.append(element)

    def characters(text: str) -> None:
        open_[-1][_TEXT] = open_[-1].get(_TEXT, "") + text

    def end(_name: str) -> None:
        open_.pop()

    def refuse_definition(*_: object) -> None:
        message = f"{path}: the file has a document type definition, which no statement needs"
        raise UserError("file.xml", message, "ask where the file comes from")

    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = characters
    parser.StartDoctypeDeclHandler = refuse_definition
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError) as error:
        raise UserError("file.xml", f"{path}: this is not XML: {error}") from None
    return Decoded(root)


def items(content: Element) -> Iterator[Item]:
    """Find the accounts, balances and entries of a file."""
    document = _first(content, "Document")
    if document is None or "BkToCstmrStmt" not in document:
        kind = next((name for name in document or content if name[0] not in "@#"), "nothing")
        yield Item("", {}, refuse(f"this is no camt.053: it has {kind}, and no BkToCstmrStmt"))
        return
    number, seen = 0, set[str]()
    for message in document["BkToCstmrStmt"]:
        for statement in message.get("Stmt", []):
            number += 1
            told = {name: one for name, one in statement.items() if name not in _OF_MESSAGE}
            place, whole = f"Stmt[{number}]", json.dumps(told)
            if whole in seen:
                yield Item(place, {}, ignore(TWICE))
                continue
            seen.add(whole)
            account = _first(statement, "Acct") or {}
            yield Item(f"{place}.Acct", account, _account)
            for name, read in (("Bal", _balance), ("Ntry", _entry)):
                for i, one in enumerate(statement.get(name, []), 1):
                    yield Item(f"{place}.{name}[{i}]", {"Acct": [account], **one}, read)


def _account(content: Element) -> Iterator[Record]:
    code = _text(content, "Tp", "Cd").lower()
    name = _text(content, "Nm") or None
    yield Account(
        _number_of(content), ACCOUNT_TYPES.get(code, "current"), _text(content, "Ccy") or None, name
    )


def _balance(content: Element) -> Iterator[Record]:
    if _text(content, "Tp", "CdOrPrtry", "Cd") != _CLOSING:
        yield IgnoredItem("balances that are not closing balances")
        return
    day = _moment(content, "Dt")
    yield Balance(_number_of(_first(content, "Acct") or {}), day, _money(content))


def _entry(content: Element) -> Iterator[Record]:
    status = (_text(content, "Sts", "Cd") or _text(content, "Sts")).upper()
    if status in {"PDNG", "INFO", "FUTR"}:
        yield IgnoredItem("pending transactions")
        return
    if status != "BOOK":
        raise InvalidItem(f"Sts is {status or 'missing'}, not BOOK")
    details = [one for part in content.get("NtryDtls", []) for one in part.get("TxDtls", [])]
    money = _money(content)
    yield Booking(
        _number_of(_first(content, "Acct") or {}),
        given_id({"id": _text(content, "AcctSvcrRef")}, "id"),
        _moment(content, "BookgDt"),
        money,
        _description(content, details, is_payment=money.text.startswith("-")),
        type=_type(content),
        foreign_currency=_foreign(details),
    )


def _description(content: Element, details: list[Element], *, is_payment: bool) -> str:
    """Return the other side's names and the remittance texts of an entry."""
    side = "Cdtr" if is_payment else "Dbtr"
    parts: list[str] = []
    for one in details:
        parties = _first(one, "RltdPties") or {}
        parts.append(_text(parties, side, "Nm") or _text(parties, side, "Pty", "Nm"))
        for part in one.get("RmtInf", []):
            parts += [line.get(_TEXT, "") for line in part.get("Ustrd", [])]
    told = " ".join(" ".join(parts).split())
    return told or " ".join(_text(content, "AddtlNtryInf").split())


def _type(content: Element) -> str | None:
    domain = ("BkTxCd", "Domn")
    codes = [_text(content, *domain, "Cd"), _text(content, *domain, "Fmly", "Cd")]
    codes.append(_text(content, *domain, "Fmly", "SubFmlyCd"))
    for code in codes:
        if code in _OTHER_TYPES:
            return _OTHER_TYPES[code]
    joined = "".join(codes).lower()
    return next((kind for kind, signs in PAYMENT_TYPES if any(s in joined for s in signs)), None)


def _foreign(details: list[Element]) -> str | None:
    """Return the currency in which the only transaction of an entry was ordered."""
    if len(details) != 1:
        return None
    amount = _first(details[0], "AmtDtls", "InstdAmt", "Amt")
    return amount.get("@Ccy") if amount else None


def _money(content: Element) -> Money:
    amount = _first(content, "Amt") or {}
    direction = _text(content, "CdtDbtInd")
    number = amount.get(_TEXT, "").strip()
    if direction not in {"CRDT", "DBIT"}:
        raise InvalidItem(f"CdtDbtInd is {direction or 'missing'}, neither CRDT nor DBIT")
    if number.startswith("-"):
        raise InvalidItem(f"the amount {number} has a sign; only CdtDbtInd may give it")
    currency = amount.get("@Ccy")
    if not number or not currency:
        raise InvalidItem("the amount or its currency is missing")
    is_out = direction == "DBIT" and number.strip("0.")
    return Money(f"-{number}" if is_out else number, currency)


def _moment(content: Element, name: str) -> str:
    """Return the day of an element, as the bank writes it."""
    found = _text(content, name, "Dt") or _text(content, name, "DtTm")[:10]
    if not found:
        raise InvalidItem(f"{name} is missing")
    return moment_of(found[:10])


def _number_of(account: Element) -> str:
    found = _text(account, "Id", "IBAN") or _text(account, "Id", "Othr", "Id")
    if not found:
        raise InvalidItem("the account has no number")
    return found


def _first(content: Element, *path: str) -> Element | None:
    """Return the first element of a path."""
    found: Element | None = content
    for name in path:
        found = next(iter(found.get(name, [])), None) if found else None
    return found


def _text(content: Element, *path: str) -> str:
    """Return the text of the first element of a path; empty if there is none."""
    found = _first(content, *path)
    return str(found.get(_TEXT, "")).strip() if found else ""
