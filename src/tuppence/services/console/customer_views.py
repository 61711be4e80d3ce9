"""The parts of a customer's page: streams, forecasts with their bands, consents."""

import datetime
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from babel.dates import format_date
from babel.numbers import format_currency

from tuppence.errors import UserError
from tuppence.facts.consent import Consent, Use
from tuppence.feel.values import Date, civil
from tuppence.usecases.customer_store import CustomerStore
from tuppence.usecases.look_ahead import look_ahead

STREAMS: Final = ("kind", "payee", "cadence", "amount", "previous amount", "next date", "state")
LOCALE: Final = "en_GB"
WIDTH: Final = 320
HEIGHT: Final = 120


class Outlook(NamedTuple):
    """The streams and forecasts of a customer, for a page.

    Attributes:
        streams: Texts of each stream, in the order of `STREAMS`.
        forecasts: The forecast of each account.
        problem: The reason why they are not shown, or empty.
    """

    streams: Sequence[Sequence[str]]
    forecasts: Sequence["Forecast"]
    problem: str


class Forecast(NamedTuple):
    """The forecast of an account.

    Attributes:
        account: Identifier of the account.
        kind: Type of the account.
        balance: The balance, in words.
        pay_day: The day before which it is forecast, or empty.
        expected: The expected balance; empty without a forecast.
        low: Lower end of the band.
        high: Upper end of the band.
        missing: The reason why there is no forecast, or empty.
        chart: The drawing; None without a forecast.
    """

    account: str
    kind: str
    balance: str
    pay_day: str
    expected: str
    low: str
    high: str
    missing: str
    chart: "Chart | None"


class Chart(NamedTuple):
    """A drawing of a forecast in a space of `WIDTH` by `HEIGHT`.

    Attributes:
        band: Corners of the band, from the balance to its ends.
        line: Points of the expected balance.
        zero: Height of zero; None if it is not in the drawing.
    """

    band: str
    line: str
    zero: float | None


class ShownConsent(NamedTuple):
    """A consent, for a page.

    Attributes:
        purpose: The purpose.
        scope: The facts that may be read.
        granted: The first day.
        until: The first day after its end, or empty.
        state: `valid`, `withdrawn`, `expired` or `not yet`, as of the clock's day.
    """

    purpose: str
    scope: str
    granted: str
    until: str
    state: str


def outlook_of(store: CustomerStore, customer: str, use: Use) -> Outlook:
    """Return the streams and forecasts of a customer, or the reason why they are not shown."""
    try:
        found = look_ahead(store, customer, use)
    except UserError as error:
        if error.code != "consent.none":
            raise
        return Outlook((), (), error.message)
    text = _texts(store.currency_of(customer))
    rows = sorted(found.streams, key=lambda row: (row["state"] == "stopped", row["next date"]))
    streams = [[text(row[name]) for name in STREAMS] for row in rows]
    return Outlook(streams, [_forecast(account, text) for account in found.accounts], "")


def consents_of(consents: Sequence[Consent], today: Date) -> Iterator[ShownConsent]:
    """Yield the consents of a customer for a page."""
    for one in consents:
        ends = [day for day in (one.expires, one.withdrawn) if day is not None]
        state = "valid"
        if one.withdrawn is not None:
            state = "withdrawn"
        elif one.expires is not None and one.expires <= today.day:
            state = "expired"
        elif one.granted > today.day:
            state = "not yet"
        until = str(Date(min(ends))) if ends else ""
        granted = str(Date(one.granted))
        yield ShownConsent(one.purpose, ", ".join(one.scope), granted, until, state)


def _forecast(account: Mapping[str, Any], text: Callable[[Any], str]) -> Forecast:
    balance, expected = account["balance"], account["forecast"]
    low, high = account["forecast low"], account["forecast high"]
    missing = ""
    if expected is None:
        missing = "too little of earlier periods is known"
        if balance is None:
            missing = "the balance is not known"
        elif account["pay day"] is None:
            missing = "no regular pay was found"
    texts = [text(account[name]) for name in ("id", "type", "balance", "pay day")]
    band = [text(value) for value in (expected, low, high)]
    chart = None if expected is None else _chart(balance, expected, low, high)
    return Forecast(
        texts[0], texts[1], texts[2], texts[3], band[0], band[1], band[2], missing, chart
    )


def _chart(balance: Decimal, expected: Decimal, low: Decimal, high: Decimal) -> Chart:
    values = [balance, expected, low, high]
    least, most = min(*values, Decimal(0)), max(*values, Decimal(0))
    span = (most - least) or Decimal(1)

    def y(value: Decimal) -> float:
        return round(float((most - value) / span) * (HEIGHT - 10) + 5, 1)

    start, end = f"5,{y(balance)}", WIDTH - 5
    band = f"{start} {end},{y(high)} {end},{y(low)}"
    return Chart(band, f"{start} {end},{y(expected)}", y(Decimal(0)) if least < 0 else None)


def _texts(currency: str) -> Callable[[Any], str]:
    """Return a function that writes values as people do, amounts in a currency."""

    def text(value: Any) -> str:
        if value is None:
            return ""
        if isinstance(value, Decimal):
            return format_currency(value, currency, locale=LOCALE)
        if isinstance(value, Date):
            return format_date(datetime.date(*civil(value.day)), "long", LOCALE)
        return str(value)

    return text
