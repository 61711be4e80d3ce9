"""The columns of an unknown statement, recognised by their titles and their texts."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Final, NamedTuple

import polars as pl

from tuppence.bankdata.amounts import POINTS, Separators
from tuppence.bankdata.dates import days_as_written
from tuppence.bankdata.mapping import SIGN_WORDS
from tuppence.bankdata.table_file import Table
from tuppence.facts.currency import SYMBOLS, currencies

_TITLES: Final[Mapping[str, str]] = {
    "booked": (
        "booking date|posting date|post date|posted date|date posted|completed date|buchungstag|"
        "buchungsdatum|buchung|boekingsdatum|boekdatum|date comptable|fecha contable|"
        "data contabile|bokföringsdag|bogføringsdato"
    ),
    "day": (
        "date|datum|transaction date|trans date|trans. date|date of transaction|fecha|data|dato|"
        "fecha operación|fecha operacion|data operazione|date operation|date opération|"
        "transactiedatum"
    ),
    "value day": "value date|wertstellung|valutadatum|rentedatum|date valeur|fecha valor",
    "amount": (
        "amount|betrag|umsatz|bedrag|montant|importe|importo|belopp|beløb|kwota|valor|value|"
        "transaction amount|debit/credit"
    ),
    "out": (
        "paid out|money out|debit|debit amount|debits|withdrawal|withdrawals|withdrawal amount|"
        "out|outflow|soll|débit|debe|cargo|cargos|addebiti|uscite|belastung"
    ),
    "in": (
        "paid in|money in|credit|credit amount|credits|deposit|deposits|deposit amount|in|inflow|"
        "haben|crédit|haber|abono|abonos|accrediti|entrate|gutschrift"
    ),
    "balance": (
        "balance|running balance|running bal.|account balance|resulting balance|saldo|solde|"
        "kontostand|saldo nach buchung|saldo na mutatie|balance after transaction"
    ),
    "text": (
        "description|transaction description|details|transaction details|narrative|memo|text|"
        "particulars|payee|name|counter party|counterparty|merchant|merchant name|reference|"
        "payment reference|merchant/description|name / description|verwendungszweck|buchungstext|"
        "empfänger|auftraggeber/empfänger|auftraggeber / begünstigter|zahlungsempfänger*in|"
        "zahlungspflichtige*r|name zahlungsbeteiligter|beguenstigter/zahlungspflichtiger|"
        "omschrijving|naam|"
        "naam tegenpartij|mededelingen|naam / omschrijving|libellé|libelle|concepto|descripción|"
        "descripcion|descrizione|causale|descrição|opis|tekst|beskrivelse"
    ),
    "currency": "currency|currency code|ccy|währung|waehrung|munt|devise|divisa|moneda",
    "account": (
        "account|account name|account number|account no|account no.|account id|rekening|"
        "rekeningnummer|iban/bban|auftragskonto|cuenta|conto"
    ),
    "status": "status|state|transaction status|cleared|buchungsstatus|estado|statut|stato",
    "id": "transaction id|transactionid|transaction identifier|fitid|unique id",
    "card": "card member|card no.|card no|card number|card holder|cardholder|kartennummer",
}
"""Titles in small letters, without a currency in brackets, by what stands below them."""
_MEANING: Final = {title: role for role, text in _TITLES.items() for title in text.split("|")}
BOOKED: Final = frozenset(
    [
        "booked",
        "completed",
        "complete",
        "posted",
        "cleared",
        "reconciled",
        "settled",
        "successful",
        "gebucht",
    ]
)
NOT_BOOKED: Final = frozenset(
    [
        "pending",
        "reverted",
        "declined",
        "failed",
        "cancelled",
        "canceled",
        "rejected",
        "processing",
        "uncleared",
        "authorised",
        "authorized",
        "vorgemerkt",
    ]
)
"""Words for rows that are no facts (yet); `BOOKED` has those for rows that are."""
OPENING: Final = frozenset(
    [
        "opening balance",
        "starting balance",
        "balance brought forward",
        "brought forward",
        "closing balance",
        "balance carried forward",
        "anfangssaldo",
        "beginsaldo",
        "solde initial",
        "saldo inicial",
        "saldo iniziale",
    ]
)
"""Texts of rows that say what was in the account, in small letters."""
_CURRENCY: Final = re.compile(r"[\s_]*[(\[]([A-Za-z]{3}|[£€])[)\]]$")
_DAYS: Final = (
    "%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d",
    "%d %b %Y", "%d-%b-%Y", "%d/%b/%Y", "%b %d, %Y", "%b %d %Y", "%d/%m/%y", "%m/%d/%y", "%d.%m.%y",
    "%d-%m-%y", "%m-%d-%y", "%d %b %y", "%d-%b-%y", "%Y%m%d",
)  # fmt: skip
_TIMES: Final = ("", " %H:%M:%S", " %H:%M", "T%H:%M:%S", "T%H:%M:%S%z")
FORMATS: Final = tuple(day + time for time in _TIMES for day in _DAYS)
"""Formats of dates that are tried."""
_DATE_LIKE: Final = re.compile(
    r"\d{1,4}[-./ ](?:\d{1,2}|[^\W\d_]{3,9}\.?)[-./ ]\d{2,4}(?:[ T,].*)?|\d{8}"
    r"|[A-Z][a-z]{2} \d{1,2},? \d{4}"
)
_NUMBER_LIKE: Final = re.compile(r"[^\d,;:/]{0,5}(\d[\d.,' \u00a0\u202f\u2019]*)[^\d:/]{0,5}")
LONE: Final = re.compile(r"[1-9]\d{0,2}[.,]\d{3}")
"""Matches numbers of which nothing shows whether they are thousands or have decimals."""
MIN_SHARE: Final = 0.95
"""Share of the texts of a column that must be of a form for the column to have it."""
_ENOUGH_DAYS: Final = 5
_SCHEDULED: Final = timedelta(days=31)
"""The time ahead for which banks list payments; a day within it does not rule out a form."""
_SAMPLE: Final = 50


class Column(NamedTuple):
    """A column of a statement.

    Attributes:
        name: Its name in a mapping: its title, or its number where that is not unique.
        role: The meaning of its title, such as `balance`; empty where it is not known.
        currency: The currency that its title names.
        texts: Its texts.
        is_date: Whether they are dates.
        is_number: Whether they are numbers.
    """

    name: str
    role: str
    currency: str
    texts: pl.Series
    is_date: bool
    is_number: bool


def columns_of(table: Table) -> list[Column]:
    """Return the columns of a table, with their known properties."""
    good = table.cells.filter(table.reasons.is_null())
    named = Counter(table.titles)
    found = []
    for place, title in enumerate(table.titles):
        own = title if named[title] == 1 else f"column {place + 1}"
        texts = good[str(place)].str.strip_chars()
        texts = texts.set(texts == "", None)
        role, currency = _meaning(title)
        is_date = _share(texts, lambda one: bool(_DATE_LIKE.fullmatch(one)))
        is_number = _share(texts, is_number_like)
        is_number |= role in {"out", "in"} and not texts.count()  # no such row in this file
        if is_date and is_number and role not in {"booked", "day", "value day", ""}:
            is_date = False  # eight digits may be a number
        found.append(Column(own, role, currency, texts, is_date, is_number and not is_date))
    return found


def is_number_like(text: str) -> bool:
    """Return whether a text looks like a number, perhaps with a sign or a currency."""
    return bool(_NUMBER_LIKE.fullmatch(text))


def header_of(rows: Sequence[Sequence[str]]) -> tuple[int, list[str] | None]:
    """Find the width of a table at the start of a file, and its header.

    Returns:
        The number of columns, and the titles; None where the first row is data.
    """
    width = Counter(len(row) for row in rows).most_common(1)[0][0] if rows else 0
    before: Sequence[str] | None = None
    for row in rows:
        cells = [cell.strip() for cell in row]
        if (
            len(row) == width
            and any(map(_DATE_LIKE.fullmatch, cells))
            and any(is_number_like(cell) and not _DATE_LIKE.fullmatch(cell) for cell in cells)
        ):
            break
        before = row
    if before is None or not _is_header(before, width):
        return width, None
    return width, [title.strip() for title in before]


def _is_header(row: Sequence[str], width: int) -> bool:
    titles = [cell.strip() for cell in row]
    full = [title for title in titles if title]
    few = len(full) < max(2, width // 2) or len(row) not in {width, width - 1}
    return not few and not any(is_number_like(one) or _DATE_LIKE.fullmatch(one) for one in full)


def _meaning(title: str) -> tuple[str, str]:
    """Return the role and the currency that a title names."""
    plain = " ".join(title.replace("_", " ").split())
    found = _CURRENCY.search(plain)
    code = found[1].upper() if found else ""
    code = {"£": "GBP", "€": "EUR"}.get(code, code)
    plain = plain[: found.start()] if found else plain
    return _MEANING.get(plain.casefold().strip(" :"), ""), code if code in currencies() else ""


def _share(texts: pl.Series, is_it: Callable[[str], bool]) -> bool:
    """Return whether nearly all texts of a column are something."""
    counts = texts.drop_nulls().value_counts()
    total = int(counts["count"].sum())
    good = sum(count for text, count in counts.iter_rows() if is_it(text))
    return bool(total) and good >= MIN_SHARE * total


def words_of_balances(found: Iterable[Column]) -> dict[str, tuple[str, ...]]:
    """Return the texts of rows that say what was in the account, by the column."""
    told = {}
    for one in found:
        texts = one.texts.drop_nulls().unique(maintain_order=True)
        if words := tuple(texts.filter(texts.str.to_lowercase().is_in([*OPENING]))):
            told[one.name] = words
    return told


# -- dates -----------------------------------------------------------------------------------------


def date_readings(
    texts: pl.Series, formats: Iterable[str], today: date, share: float = MIN_SHARE
) -> dict[str, pl.Series]:
    """Return the formats that read the most dates of a column, with the days; no two are equal.

    All dates of a column have one format, so a format that fails where another does not is refused,
    and so is one whose days lie more than a month ahead.

    Args:
        texts: The dates.
        formats: Those that are tried.
        today: The day of the import.
        share: Minimum share of the dates that has to be read.
    """
    found: dict[str, pl.Series] = {}
    most = 0
    latest = min(today, date.max - _SCHEDULED) + _SCHEDULED
    given = texts.drop_nulls()
    sample = given.unique().sort().head(_SAMPLE)
    for form in formats:
        if not days_as_written(sample, form).count():
            continue
        days = days_as_written(given, form)
        days = days.filter(days.is_null() | (days <= latest))
        read = days.count()
        if read > most:
            found, most = {}, read
        if read == most > 0 and not any(days.equals(other) for other in found.values()):
            found[form] = days
    return found if most >= share * len(given) else {}


def in_order(days: pl.Series) -> bool:
    """Return whether days rise or fall all the way, and there are enough to tell."""
    steps = [a < b for a, b in pairwise(days.drop_nulls().to_list()) if a != b]
    one_way = all(steps) or not any(steps)
    return one_way and len(steps) >= _ENOUGH_DAYS - 1


# -- numbers ---------------------------------------------------------------------------------------


def separators_of(columns: Iterable[Column]) -> Separators | None:
    """Return the separators of numbers, as far as they decide anything; None if they are open."""
    cores = {
        found[1].rstrip(" \u00a0\u202f")
        for column in columns
        for text in column.texts.drop_nulls().unique()
        if (found := _NUMBER_LIKE.fullmatch(text))
    }
    plain = [re.sub("[\u00a0\u202f]", " ", core).replace("\u2019", "'") for core in cores]
    fitting = [
        point
        for point in POINTS
        if all(re.fullmatch(Separators().form(point), core) for core in plain)
    ]
    if len(fitting) == 1:
        point = fitting[0]
        other = "," if point == "." else "."
        return Separators(point, other if any(other in core for core in plain) else "")
    doubtful = fitting and any(LONE.fullmatch(core) for core in plain)
    return None if doubtful else Separators()


def currency_of(columns: Iterable[Column]) -> str:
    """Return the currency that titles or signs beside amounts name; empty if they name none."""
    named = {column.currency for column in columns if column.currency}
    signs = {
        sign
        for column in columns
        for text in column.texts.drop_nulls().unique()
        for sign in SYMBOLS
        if not sign.isalpha() and len(sign) == 1 and sign in text
    }
    meant = {"€": "EUR", "£": "GBP", "₹": "INR", "₺": "TRY", "₽": "RUB", "₪": "ILS", "฿": "THB"}
    named |= {meant.get(sign, "?") for sign in signs}
    return named.pop() if len(named) == 1 and "?" not in named else ""


def is_sign_word(column: Column) -> bool:
    """Return whether all texts of a column say which way money goes, and both ways occur."""
    ways = {SIGN_WORDS.get(word.casefold()) for word in column.texts.drop_nulls()}
    return column.texts.null_count() == 0 and ways == {True, False}
